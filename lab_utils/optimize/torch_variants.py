"""The variants that PyTorch runs: eager, another layout, another precision, compiled.

Each load sets the threads with which this *process* computes (`torch.set_num_threads`): load one of
these a process where they shall differ.
"""

from __future__ import annotations

import tarfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_utils.components.catalogue import CATALOGUE
from lab_utils.optimize.artefacts import Recipe
from lab_utils.optimize.inductor import compiler_checks, fresh_cache, temporary_folder
from lab_utils.optimize.variant import Floats, Runner, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS = "weights.pt"
SCRIPT = "script.pt"
PACKAGE = "package.pt2"
CACHE = "cache.tar"
TORCH = ("torch", "torchvision")
ANY_THREADS: dict[str, Any] = {"cpp.dynamic_threads": True}
"""Else the number of threads at compilation is written into the generated code."""
FROZEN = ANY_THREADS | {
    "freezing": True,
    "aot_inductor.precompile_headers": False,
    "aot_inductor.compile_wrapper_opt_level": "O0",
}
"""The weights are constants: batch norm is folded into them, their layout is chosen once. Headers
are not prepared for the compiler: for one file that takes longer than it saves. The code that calls
the kernels one after the other is not optimised either, which takes a third off the compiler's
time; the kernels are."""


# ---- what is saved -------------------------------------------------------------------------------


def _save_weights(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    import torch

    torch.save(network.state_dict(), folder / WEIGHTS)


def _save_script(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the lesson says so once
        traced = torch.jit.trace(network, _example(batch), check_trace=False)
        torch.jit.save(torch.jit.freeze(traced), str(folder / SCRIPT))


def _save_package(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    import torch
    from torch._inductor import aoti_compile_and_package

    with fresh_cache(), torch.no_grad(), _two_threads():
        exported = torch.export.export(network, (_example(batch),))
        aoti_compile_and_package(
            exported,
            package_path=str(folder / PACKAGE),
            inductor_configs=FROZEN,
        )


def _save_compiled(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    """Compile in an empty cache, and keep what it then holds: graphs and compiled code."""
    import torch
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    torch.compiler.reset()
    with fresh_cache():
        with torch.no_grad(), _two_threads():
            torch.compile(network, options=ANY_THREADS)(_example(batch))
        with tarfile.open(folder / CACHE, "w") as archive:
            archive.add(cache_dir(), arcname=".", filter=_worth_keeping)
    torch.compiler.reset()
    _save_weights(network, folder, base, batch)


@contextmanager
def _two_threads() -> Iterator[None]:
    """Compile for several threads, however many cores this process may use.

    With one, PyTorch leaves a convolution of one picture to code of its own, whose weights no
    compiler arranges beforehand: the package then takes twice as long.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _worth_keeping(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Not the C++ headers that the compiler has prepared for itself: they are large."""
    return None if member.name.endswith((".gch", ".pch")) else member


def _example(batch: int) -> Tensor:
    import torch

    return torch.zeros(batch, 3, 224, 224)


# ---- how it is loaded ----------------------------------------------------------------------------


def _network(folder: Path, labels: int) -> nn.Module:
    import torch
    from torchvision.models import resnet50

    network: nn.Module = resnet50(weights=None, num_classes=labels)
    network.load_state_dict(torch.load(folder / WEIGHTS, weights_only=True))
    return network.eval()


def _runner(
    call: Callable[[Tensor], Tensor],
    threads: int,
    precision: str = "fp32",
    how: str = "eager",
    batch: int | None = None,
) -> Runner:
    import torch

    torch.set_num_threads(threads)

    def run(inputs: Floats) -> Floats:
        with torch.no_grad():
            return call(torch.from_numpy(inputs)).float().numpy()

    engine = f"PyTorch {torch.__version__}, {how}"
    return Runner(engine, torch.get_num_threads(), precision, run, batch)


def _eager(folder: Path, threads: int, labels: int, batch: int) -> Runner:
    return _runner(_network(folder, labels), threads)


def _channels_last(folder: Path, threads: int, labels: int, batch: int) -> Runner:
    import torch

    layout = torch.channels_last
    network = _network(folder, labels).to(memory_format=layout)
    return _runner(lambda inputs: network(inputs.contiguous(memory_format=layout)), threads)


def _autocast(folder: Path, threads: int, labels: int, batch: int) -> Runner:
    import torch

    network = _network(folder, labels)

    def call(inputs: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores: Tensor = network(inputs)
        return scores

    return _runner(call, threads, "bf16")


def _script(folder: Path, threads: int, labels: int, batch: int) -> Runner:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        network = torch.jit.load(str(folder / SCRIPT))
    return _runner(network, threads, how="TorchScript")


def _compiled(folder: Path, threads: int, labels: int, batch: int) -> Runner:
    import torch
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    torch.set_num_threads(threads)
    compiled = torch.compile(_network(folder, labels), options=ANY_THREADS)
    with fresh_cache(), torch.no_grad():
        with tarfile.open(folder / CACHE) as archive:
            archive.extractall(cache_dir(), filter="data")
        compiled(_example(batch))
    return _runner(compiled, threads, how="torch.compile", batch=batch)


def _package(folder: Path, threads: int, labels: int, batch: int) -> Runner:
    import torch
    from torch._inductor import aoti_load_package

    torch.set_num_threads(threads)
    compiler_checks()
    with temporary_folder():  # the package is unpacked, opened and no longer needed there
        network = aoti_load_package(str(folder / PACKAGE))
    return _runner(network, threads, how="AOTInductor package", batch=batch)


def _lacks_compiler() -> str | None:
    compiler = CATALOGUE["g++"]
    return None if compiler.present() else f"g++ is missing; to get it: {compiler.get}."


WEIGHTS_FILE = Recipe("weights", _save_weights, TORCH)
VARIANTS = (
    Variant("eager", "nothing: the reference", TORCH, WEIGHTS_FILE, _eager),
    Variant(
        "channels-last", "the order of the values in memory", TORCH, WEIGHTS_FILE, _channels_last
    ),
    Variant("bf16 autocast", "16-bit floats in matrix products", TORCH, WEIGHTS_FILE, _autocast),
    Variant(
        "TorchScript",
        "a recorded graph in place of Python",
        TORCH[:1],
        Recipe("script", _save_script, TORCH),
        _script,
    ),
    Variant(
        "torch.compile",
        "generated code for what lies between the convolutions, at each start",
        TORCH,
        # Inductor finds compiled code by the compiler's command, which names PyTorch's folder.
        Recipe(
            "compiled",
            _save_compiled,
            TORCH,
            fixed_batch=True,
            of_this_installation=True,
            version=2,
        ),
        _compiled,
        _lacks_compiler,
    ),
    Variant(
        "AOTInductor",
        "generated code, made once and saved, for weights that are constants",
        TORCH[:1],
        Recipe("package", _save_package, TORCH, fixed_batch=True, version=3),
        _package,
        _lacks_compiler,
    ),
)
