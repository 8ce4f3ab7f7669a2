"""One layer of ResNet-50, run by a library that experts wrote and by a compiler that searched.

    layer = conv_layer.of(model.network, inputs[:1])      # a 3×3 convolution, batch norm, ReLU
    timed = conv_layer.timed(layer, kept_search.load(), threads=2, rounds=10)
    timed.where                           # "Measured here, …", or why not and whose figures
    timed.latency_s["TVM, tuned"]         # Interval

PyTorch and Apache TVM live in two processes, the second in an environment of its own, and take
turns. The clock stands in the process, around the call alone.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab_utils.components import environments
from lab_utils.components.asked import AskedProcess
from lab_utils.components.together import Together
from lab_utils.errors import LabError
from lab_utils.machine.cores import thread_environment
from lab_utils.measure.compare import Watch, interleaved
from lab_utils.measure.interval import Interval
from lab_utils.optimize.comparison import Outcome
from lab_utils.optimize.kept_search import Search
from lab_utils.optimize.variant import Floats

if TYPE_CHECKING:
    from torch import nn

WORKER = Path(__file__).with_name("conv_layer_worker.py")
BLOCK = "layer3.1"
"""The second block of the third stage: its 3×3 convolution is that of four more blocks."""
ROUND_S = 0.03
MOST_CALLS = 30
WARM_UP_CALLS = 3


@dataclass(frozen=True)
class ConvLayer:
    """The arrays that every program is given, and what the layer computes.

    arrays: inputs (1, height, width, channels); weight (out, in, height, width); mean, variance,
    scale and shift of the batch norm; the same folded into weight and bias. alike: convolutions of
    the network with the same shapes, this one included.
    """

    name: str
    arrays: dict[str, Floats]
    alike: int

    @property
    def multiply_adds(self) -> int:
        """For one picture; the border's zeros are counted, as is usual."""
        _, height, width, _ = self.arrays["inputs"].shape
        return int(height * width * self.arrays["weight"].size)


def of(network: nn.Module, inputs: Floats, block: str = BLOCK) -> ConvLayer:
    """The 3×3 convolution of a bottleneck block with its batch norm, on what really reaches it.

    inputs: pictures (1, 3, 224, 224).
    """
    import torch

    found: Any = network.get_submodule(block)
    convolution, norm = found.conv2, found.bn2
    reached: list[torch.Tensor] = []
    hook = convolution.register_forward_pre_hook(lambda _, given: reached.append(given[0]))
    try:
        with torch.no_grad():
            network(torch.from_numpy(inputs))
    finally:
        hook.remove()
    with torch.no_grad():
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        tensors = {
            "inputs": reached[0].permute(0, 2, 3, 1),
            "weight": convolution.weight,
            "mean": norm.running_mean,
            "variance": norm.running_var,
            "scale": norm.weight,
            "shift": norm.bias,
            "folded_weight": convolution.weight * factor[:, None, None, None],
            "folded_bias": norm.bias - norm.running_mean * factor,
        }
        arrays = {name: np.ascontiguousarray(t.float().numpy()) for name, t in tensors.items()}
    alike = sum(
        isinstance(module, torch.nn.Conv2d)
        and module.weight.shape == convolution.weight.shape
        and module.stride == convolution.stride
        for module in network.modules()
    )
    return ConvLayer(f"{block}.conv2", arrays, alike)


def environment_of(threads: int) -> dict[str, str]:
    """This process's environment, for compute threads that the system may move.

    Left alone, TVM takes half of the cores, for fear of hyper-threads, and ties itself to them.
    """
    tvm = {"TVM_NUM_THREADS": str(threads), "TVM_BIND_THREADS": "0"}
    return thread_environment(threads) | tvm


class Programs(Together[AskedProcess]):
    """The processes "PyTorch" and "TVM", until `stop()`.

    names: each program and the process that runs it. told: what TVM says of its programs. Raises
    LabError where TVM's environment cannot be had, or the kept programs cannot run here.
    """

    def __init__(
        self,
        layer: ConvLayer,
        search: Search,
        threads: int,
        waiting: environments.Waiting = environments.silently,
    ) -> None:
        lacking = search.lacks()
        if lacking is not None:
            raise LabError(lacking)
        environments.python("tvm", waiting)
        # They read their files before they are ready: the folder is not needed afterwards.
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.savez(folder / "layer.npz", **layer.arrays)  # type: ignore[arg-type]
            search.copy_to(folder)
            other = search.for_older_processors()
            if other is not None:
                other.copy_to(folder / "other")
            of_torch = [sys.executable, "-I", str(WORKER), "torch", str(folder), str(threads)]
            of_tvm = environments.command("tvm", WORKER, "tvm", folder, threads)
            variables = environment_of(threads)
            commands = {"PyTorch": of_torch, "TVM": of_tvm}
            super().__init__(
                {
                    n: AskedProcess(n, command, environment=variables)
                    for n, command in commands.items()
                }
            )
        self.told = self["TVM"].told
        self.names = {p: process for process in self for p in self[process].told["programs"]}

    def run(self, program: str, calls: int, warm_up: int = 0) -> tuple[list[float], Floats]:
        """Seconds of each call, and what the last one gave: (pictures, values)."""
        if program not in self.names:
            raise LabError(f"The program is {program!r}; expected one of {', '.join(self.names)}.")
        question = {"program": program, "calls": calls, "warm_up": warm_up}
        said = self[self.names[program]].ask(question)
        values = np.frombuffer(said["values"], np.float32)
        return said["durations_s"], values.reshape(said["shape"][0], -1)

    def run_in_turn(self, rounds: int, watch: Watch = iter) -> dict[str, Outcome]:
        """Every program for about 30 ms a round, at least one call, in turn.

        round_s: seconds a call. logits: the layer's values, (pictures, height · width · channels).
        """
        calls = {}
        for name in self.names:
            [first_s], _ = self.run(name, 1)
            calls[name] = int(np.clip(ROUND_S / first_s, 1, MOST_CALLS))
        given: dict[str, Floats] = {}

        def one(name: str) -> float:
            warm_up = WARM_UP_CALLS if calls[name] > 1 else 0
            durations_s, given[name] = self.run(name, calls[name], warm_up)
            return float(np.median(durations_s))

        runs: dict[str, Callable[[], float]] = {n: partial(one, n) for n in self.names}
        rounds_s = interleaved(runs, rounds=rounds, watch=watch)
        return {name: Outcome(rounds_s[name], given[name]) for name in self.names}


@dataclass(frozen=True)
class Timed:
    """The layer by every program: measured here, or recorded where the search was made.

    where: which of the two, as a sentence, with the cause where it is the second. latency_s:
    seconds a call. differences: largest |value − eager's|, None where recorded. built: what TVM
    tells of each of its programs: from_database, loops, weight_shape.
    """

    where: str
    latency_s: dict[str, Interval]
    differences: dict[str, float] | None
    built: dict[str, dict[str, Any]]

    def loops(self, program: str) -> str:
        """The loops around the arithmetic, from the outside, those of one turn left out.

        >>> Timed("", {}, None, {"p": {"loops": [("parallel", 2), ("serial", 1), ("serial", 7)]}}
        ... ).loops("p")
        'parallel 2 · 7'
        """
        shown = [(kind, n) for kind, n in self.built[program]["loops"] if n > 1]
        return " · ".join(f"{'' if kind == 'serial' else kind + ' '}{n}" for kind, n in shown)

    def turns(self, program: str, kind: str) -> int:
        """How many turns the loops of a kind have together: "parallel", "vectorized", "serial"."""
        return math.prod(n for k, n in self.built[program]["loops"] if k == kind)


def timed(
    layer: ConvLayer,
    search: Search,
    threads: int,
    rounds: int,
    waiting: environments.Waiting = environments.silently,
    watch: Watch = iter,
) -> Timed:
    """Start both processes, run every program in turn, stop them; else what was recorded."""
    try:
        programs = Programs(layer, search, threads, waiting)
    except LabError as error:
        origin = f"recorded on {search.date} on {search.machine}"
        recorded = {n: Interval(s, s, s, 1) for n, s in search.recorded_s.items()}
        return Timed(f"{error} These figures were {origin}.", recorded, None, search.built)
    try:
        outcomes = programs.run_in_turn(rounds, watch)
    finally:
        programs.stop()
    reference = outcomes["eager"].logits
    return Timed(
        f"Measured here, with {threads} threads; Apache TVM {programs.told['version']} for "
        f"{search.origin['target']['mcpu']}.",
        {name: outcome.latency_s for name, outcome in outcomes.items()},
        {name: float(abs(o.logits - reference).max()) for name, o in outcomes.items()},
        programs.told["built"],
    )
