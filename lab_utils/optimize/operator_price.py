"""What an operator costs besides its arithmetic: chains of the least possible one.

    runs = {n: timed(partial(Scorer(chain(n, 15)), rows)) for n in LENGTHS}
    price = price_of(interleaved(runs, rounds=7))
    price.call_s, price.operator_s        # the line through the chains: its start and its slope

Each operator of a chain changes the sign of a handful of numbers. That is no work for a processor;
what grows with the chain's length is the runtime's own: find the next kernel, get memory for its
result, call it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval, interval
from lab_utils.optimize.fraud_scorers import INPUT, IR, OPSET, OUTPUT

LENGTHS = (1, 5, 10, 20, 40)


@dataclass(frozen=True)
class Price:
    """call_s: seconds of a call without any operator. operator_s: seconds more for each."""

    call_s: Interval
    operator_s: Interval

    def of(self, operators: float) -> float:
        """Seconds that a call with so many operators takes before any arithmetic."""
        return self.call_s.median + operators * self.operator_s.median


def chain(operators: int, width: int) -> bytes:
    """An ONNX file's content: so many operators in a row, on (batch, width) numbers.

    Load it at the level "none", or two signs might cancel out. Raises LabError for less than one
    operator or number.
    """
    if operators < 1 or width < 1:
        raise LabError(
            f"A chain of {operators} operators on {width} numbers was asked for; expected at least "
            "one of each."
        )
    names = [INPUT, *(f"step_{n}" for n in range(1, operators)), OUTPUT]
    nodes = [
        helper.make_node("Neg", [before], [after], name=f"neg_{after}")
        for before, after in pairwise(names)
    ]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", width])],
    )
    model: ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR
    )
    checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def price_of(times_s: Mapping[int, Sequence[float]]) -> Price:
    """The straight line through the chains' times, fitted in each round by itself.

    times_s: for each length, seconds of a call in each round; the rounds of all lengths belong
    together. Raises LabError for fewer than two lengths, or rounds that differ in number.
    """
    rounds = {len(values) for values in times_s.values()}
    if len(times_s) < 2 or len(rounds) != 1 or 0 in rounds:
        raise LabError(
            f"Chains of lengths {list(times_s)} came with {sorted(rounds)} rounds; expected two or "
            "more lengths, with the same number of rounds."
        )
    lengths = np.array(list(times_s), dtype=float)
    by_round = np.array(list(times_s.values()), dtype=float)
    slopes, starts = np.polyfit(lengths, by_round, 1)
    return Price(interval(starts), interval(slopes))
