"""A scorer of payments in PyTorch: an operator at a time, or compiled, and what each of them calls.

    eager = Eager(student)
    eager.calls                    # {"addmm": 2, "relu": 1, …}
    compiled = Compiled(student)   # for one payment; some seconds of the C++ compiler's
    compiled.calls                 # {"cpp_fused_…": 1}

Both take and give what `fraud_scorers.Scorer` does, on as many threads as this process's PyTorch.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lab_utils.components.catalogue import CATALOGUE
from lab_utils.errors import LabError
from lab_utils.optimize.inductor import fresh_cache

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lab_utils.models.fraud.network import PaymentNetwork

CALL = re.compile(
    r"^[ \t]+(?:\w+ = )?(cpp_fused\w*|extern_kernels\.\w+|torch\.ops\.[\w.]+)\(",
    re.MULTILINE,
)
"""A line of the program that Inductor writes on which it calls what computes."""


class Eager:
    """The network as PyTorch runs it by itself. calls: what computes, by its name, and how often
    for one call; a view of a tensor computes nothing and is left out."""

    def __init__(self, network: PaymentNetwork) -> None:
        self._network: Callable[[Tensor], Tensor] = network
        with torch.no_grad(), _Calls() as seen:
            network(torch.zeros(1, len(network.mean)))
        self.calls = dict(seen.names.most_common())

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows (N, features) in float32 → (N,) probabilities of fraud."""
        with torch.inference_mode():
            found: NDArray[np.float32] = self._network(torch.from_numpy(rows)).numpy().ravel()
        return found


class Compiled(Eager):
    """The network through torch.compile, for `rows` payments in a call and no other number.

    calls: the C++ kernels that were written and the library's that are called beside them. Raises
    LabError where there is no C++ compiler.
    """

    def __init__(self, network: PaymentNetwork, rows: int = 1) -> None:
        compiler = CATALOGUE["g++"]
        if not compiler.present():
            raise LabError(f"torch.compile needs g++, which is missing; to get it: {compiler.get}.")
        from torch._inductor.utils import run_and_get_code

        # One thread: it would start processes that compile several programs at a time.
        self._network = torch.compile(network, dynamic=False, options={"compile_threads": 1})
        example = torch.zeros(rows, len(network.mean))
        with fresh_cache(), torch.inference_mode():
            _, programs = run_and_get_code(self._network, example)
        self.calls = kernel_calls(programs)
        self._rows = rows

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows (N, features) in float32, as many as it was compiled for → (N,) probabilities."""
        if len(rows) != self._rows:  # it would compile again, without a word
            raise LabError(f"{len(rows)} rows came; this was compiled for {self._rows} in a call.")
        return super().__call__(rows)


def kernel_calls(programs: Sequence[str]) -> dict[str, int]:
    """Which kernels the programs written by Inductor call, and how often.

    >>> kernel_calls(["cpp_fused_relu_0 = f('…')\\ndef call(a):\\n    cpp_fused_relu_0(a, b)\\n"])
    {'cpp_fused_relu_0': 1}
    """
    found = [name for program in programs for name in CALL.findall(program)]
    return dict(Counter(name.removeprefix("extern_kernels.") for name in found).most_common())


class _Calls(TorchDispatchMode):
    """Counts what PyTorch dispatches, views left out."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if not func.is_view:
            self.names[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))
