"""What each layer of a network costs: its arithmetic, the bytes it moves, and its time.

    costs = layer_costs(network, inputs)
    times_s = layer_times_s(network, inputs, runs=20)
    costs["conv1"].intensity        # operations a byte: its place on the roofline
    times_s["conv1"]                # Interval

The network is traced (`torch.fx`), so that what happens between its modules, such as ResNet's
residual additions, is a layer too. Views, which move nothing, are left out.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval, interval

WARM_UP_RUNS = 3
Watch = Callable[[Sequence[int]], Iterable[int]]
"""Iterates a sequence and shows how far it has come (`show.progress.watching`)."""


@dataclass(frozen=True)
class LayerCost:
    """One layer: what it computes and what it must move if nothing is in a cache.

    kind: the module's or function's name ("Conv2d", "add"). multiply_adds: of a matrix product or
    convolution, 0 for other layers. operations: 2 for each multiply-add; 1 to 9 for each output of
    the others. A module that runs twice is two layers ("relu", "relu_1").
    """

    name: str
    kind: str
    multiply_adds: int
    operations: int
    weight_bytes: int
    input_bytes: int
    output_bytes: int

    @property
    def moved_bytes(self) -> int:
        """Each weight and input read once, each output written once."""
        return self.weight_bytes + self.input_bytes + self.output_bytes

    @property
    def intensity(self) -> float:
        """Operations for each byte moved."""
        return self.operations / self.moved_bytes

    def least_time_s(
        self, peak_per_s: float, bandwidth_bytes_per_s: float, bytes_factor: float = 1
    ) -> float:
        """The roofline's least time: what arithmetic needs or what memory needs, the longer.

        bytes_factor: 0.25 where 8-bit integers take the place of these 32-bit numbers. A layer
        that finds its inputs in a cache can be faster.
        """
        moving_s = bytes_factor * self.moved_bytes / bandwidth_bytes_per_s
        return max(self.operations / peak_per_s, moving_s)


def layer_costs(network: nn.Module, inputs: Tensor) -> dict[str, LayerCost]:
    """The costs of every layer for these inputs, in the order in which they run.

    Raises LabError where the network cannot be traced.
    """
    counter = _Counter(_traced(network))
    with torch.no_grad():
        counter.run(inputs)
    return counter.costs


def layer_times_s(
    network: nn.Module, inputs: Tensor, runs: int, watch: Watch = iter
) -> dict[str, Interval]:
    """How long each layer takes, in seconds: the median of `runs` warm runs, with its interval.

    Each layer ends before its successor begins, as in eager mode on a processor; on a GPU the time
    is that between two events on its stream. The names are those of `layer_costs`.
    """
    if runs < 1:
        raise LabError(f"The number of runs is {runs}; expected at least 1.")
    names = layer_costs(network, inputs)
    timer = _Timer(_traced(network))
    with torch.no_grad():
        for _ in range(WARM_UP_RUNS):
            timer.run(inputs)
            timer.end_run()
        timer.times_s.clear()
        for _ in watch(range(runs)):
            timer.run(inputs)
            timer.end_run()
    return {name: interval(timer.times_s[name]) for name in names}


def by_kind(costs: Mapping[str, LayerCost]) -> dict[str, list[LayerCost]]:
    """The layers of each kind, in the order in which the kinds first occur."""
    kinds: dict[str, list[LayerCost]] = defaultdict(list)
    for cost in costs.values():
        kinds[cost.kind].append(cost)
    return dict(kinds)


def _traced(network: nn.Module) -> fx.GraphModule:
    try:
        return fx.symbolic_trace(network.eval())
    except Exception as error:  # fx raises whatever the network's own code meets
        raise LabError(
            f"{type(network).__name__} cannot be taken apart into layers ({error}); expected a "
            "network whose path does not depend on its inputs' values."
        ) from None


class _Counter(fx.Interpreter):
    """Runs a network once and counts."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.costs: dict[str, LayerCost] = {}

    def run_node(self, n: fx.Node) -> Any:
        if n.op in ("placeholder", "output", "get_attr"):
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        inputs = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        versions = [value._version for value in inputs]
        from torch.utils.flop_counter import FlopCounterMode  # it imports Triton's compiler

        with FlopCounterMode(display=False) as counter:
            result = super().run_node(n)
        in_place = versions != [value._version for value in inputs]
        if isinstance(result, Tensor) and (in_place or not _is_view(result, inputs)):
            self.costs[n.name] = self._cost(n, inputs, result, counter.get_total_flops())
        return result

    def _cost(self, n: fx.Node, inputs: list[Tensor], output: Tensor, flops: int) -> LayerCost:
        module = self.fetch_attr(str(n.target)) if n.op == "call_module" else None
        weights = list(module.parameters()) + list(module.buffers()) if module is not None else []
        function = getattr(n.target, "__name__", str(n.target))
        return LayerCost(
            name=n.name,
            kind=function if module is None else type(module).__name__,
            multiply_adds=flops // 2,
            operations=flops or _other_operations(module, inputs, output),
            weight_bytes=sum(weight.nbytes for weight in weights),
            input_bytes=sum(value.nbytes for value in inputs),
            output_bytes=output.nbytes,
        )


def _other_operations(module: nn.Module | None, inputs: Sequence[Tensor], output: Tensor) -> int:
    """Operations of a layer that is no matrix product.

    Batch norm multiplies and adds; pooling takes as many values as its windows hold; anything else
    (ReLU, an addition) counts one for each output.
    """
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return 2 * output.numel()
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return inputs[0].numel()
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        size = module.kernel_size
        height, width = size if isinstance(size, tuple) else (size, size)
        return int(height) * int(width) * output.numel()
    return output.numel()


def _is_view(result: Tensor, inputs: Sequence[Tensor]) -> bool:
    places = {value.untyped_storage().data_ptr() for value in inputs}
    return result.untyped_storage().data_ptr() in places


class _Timer(fx.Interpreter):
    """Runs a network and keeps how long each node took."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.times_s: dict[str, list[float]] = defaultdict(list)
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    def run_node(self, n: fx.Node) -> Any:
        if n.op in ("placeholder", "output", "get_attr"):
            return super().run_node(n)
        if self._on_gpu(n):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            result = super().run_node(n)
            end.record()
            self._events.append((n.name, start, end))
            return result
        start_s = time.perf_counter()
        result = super().run_node(n)
        self.times_s[n.name].append(time.perf_counter() - start_s)
        return result

    def end_run(self) -> None:
        """Wait for a GPU to reach the last event, then read the times between them."""
        if self._events:
            self._events[-1][2].synchronize()
        for name, start, end in self._events:
            self.times_s[name].append(start.elapsed_time(end) / 1e3)
        self._events.clear()

    def _on_gpu(self, n: fx.Node) -> bool:
        return any(
            isinstance(value, Tensor) and value.is_cuda
            for value in self.fetch_args_kwargs_from_env(n)[0]
        )
