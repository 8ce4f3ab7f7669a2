"""Two functions on the same inputs, in turn: how many times as fast is the answer?

Each runs in a worker of its own, with the same modules imported, the same sandbox and the same
number of threads. A pair is one block of each, in an order that is drawn anew; a block is a number
of calls, each with a fresh input that its worker has not seen before and that both get. Whoever is
not timed stands still. Every timed call's output is judged.

The clock is the grader's (`stopwatch.py`). Between its two readings lie only the calls: messages
are packed before, outputs are read after. What is left is a message through a socket and its
conversions in the worker, the same for both. What a worker computes for it is measured with the
same inputs and outputs and a function that does nothing, in the reference's worker, and taken off
both. What is left of it draws a ratio towards 1, and a call that is not long against it is no task
to be timed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from lab_utils.grade import wire
from lab_utils.grade.decision import Look, Plan, Standing, curve_of, stand
from lab_utils.grade.faults import judged, own
from lab_utils.grade.session import Raised, number_of
from lab_utils.grade.spec import Answer, Case, NotComparable, TimedTask
from lab_utils.grade.stopwatch import Lap, Stopwatch
from lab_utils.grade.workers import Running, Workers
from lab_utils.measure.heap import heap_set_aside
from lab_utils.measure.interval import Interval, interval, ratio_interval

BLOCK_S = 0.05
"""How long the reference computes in a block: long against what a message and a change of process
cost (some tenths of a millisecond), short against what disturbs for a second."""
MOST_CALLS = 64
PLAN = Plan(
    (
        Look(3, 0.001, margin=2.0),
        Look(9, 0.00225),
        Look(18, 0.00225),
        Look(36, 0.00225),
        Look(72, 0.00225),
    ),
    usual=36,
)
"""An answer at the bar is called faster in at most 1 % of gradings and slower in as many; one that
lies farther off, less often."""
WIRE_BLOCKS = 5
WORTH_TIMING = 4
"""How many times a message's cost a call of the reference has to take, message included."""
REFERENCE_LIMIT_S = 300.0
NOTHING = """
kept = []

def keep(output):
    kept[:] = [output]
    return nothing

def nothing(**case):
    return kept[0]
"""


@dataclass(frozen=True)
class Timing:
    """ratio: how many times as fast the answer is, in pairs. reference_s, answer_s: a call.

    queued: the part of the answer's time on the clock during which others held its core.
    corrected: whether that part was taken off; else these are times on the wall. samples_s: the
    blocks behind them, a pair each, the reference's first. measured_s: all time on the clock.
    """

    ratio: Interval
    reference_s: Interval
    answer_s: Interval
    standing: Standing
    queued: float = 0.0
    corrected: bool = False
    wire_s: float = 0.0
    measured_s: float = 0.0
    samples_s: Sequence[tuple[float, float]] = field(default_factory=list)
    cases: Sequence[Case] = field(default_factory=list)
    """Some of those that were timed."""


def compare(
    task: TimedTask,
    cells: Sequence[Mapping[str, Any]],
    seed: int,
    workers: Workers,
    plan: Plan = PLAN,
    progress: Callable[[str], None] = lambda text: None,
) -> Timing:
    """Load both, then time them in pairs until the plan decides.

    Raises Wrong where an output is, what a worker's call raises where the answer fails, and
    NotComparable where the reference does.
    """
    chance = random.Random(seed)
    for one in (workers, workers.beside):  # both load at the same time
        one.start()
    with (
        _reference(task, workers) as reference,
        workers.running(cells, task.function, task.limit_s, task.threads) as running,
        heap_set_aside(),
    ):
        answer = _Side(running, running.function, task.limit_s)
        pair = _Pair(task, reference, answer, chance)
        pair.block(1)  # imports, first calls
        per_call_s = pair.block(1)[0].own_s
        calls = max(1, min(MOST_CALLS, round(BLOCK_S / max(per_call_s, 1e-6))))
        wire_s = pair.wire_s(calls)
        blocks: list[tuple[Lap, Lap]] = []
        curve = curve_of(task.bar)
        standing = None
        while standing is None:
            of = plan.usual if len(blocks) < plan.usual else plan.longest
            progress(f"pair {len(blocks) + 1} of at most {of}, {calls} calls each")
            blocks.append(pair.block(calls))
            if blocks[0][0].own_s < WORTH_TIMING * wire_s * calls:
                raise NotComparable(
                    "A call of the reference takes hardly longer than a message to it "
                    f"({wire_s * 1e3:.2g} ms): too short a task to be timed. Give it larger inputs."
                )
            samples_s, corrected = _samples_s(blocks, wire_s * calls)
            standing = stand([one / other for one, other in samples_s], curve, plan)
    reference_s, answer_s = zip(*samples_s, strict=True)
    walls_s = sum(lap.wall_s for _, lap in blocks)
    return Timing(
        ratio_interval(reference_s, answer_s),
        interval(np.array(reference_s) / calls),
        interval(np.array(answer_s) / calls),
        standing,
        queued=1 - sum(lap.own_s for _, lap in blocks) / walls_s,
        corrected=corrected,
        wire_s=wire_s,
        measured_s=reference.measured_s + answer.measured_s,
        samples_s=samples_s,
        cases=pair.cases,
    )


def rehearse(task: TimedTask, answer: Answer, seed: int, plan: Plan) -> Timing:
    """Both in this process, call by call: what a notebook can try. Nothing is taken off.

    Raises Wrong, and whatever the answer raises.
    """
    namespace: dict[str, Any] = {"__name__": "reference"}
    exec(task.reference, namespace)
    functions = {"reference": namespace[task.function], "answer": answer}
    chance = random.Random(seed)
    samples_s: list[tuple[float, float]] = []
    standing = None
    calls = 1
    while standing is None:
        cases = list(task.draw(chance.getrandbits(63), calls))
        took_s, outputs = {}, {}
        for whose in chance.sample(sorted(functions), 2):
            with heap_set_aside():  # the notebook holds much that has nothing to do with it
                start_s = time.perf_counter()
                outputs[whose] = [functions[whose](**case) for case in cases]
                took_s[whose] = time.perf_counter() - start_s
        for case, expected, given in zip(
            cases, outputs["reference"], outputs["answer"], strict=True
        ):
            task.judge(case, expected, given)
        if calls == 1 and took_s["reference"] < BLOCK_S / 2:  # that was the warm-up
            calls = min(MOST_CALLS, round(BLOCK_S / max(took_s["reference"], 1e-6)))
            continue
        samples_s.append((took_s["reference"], took_s["answer"]))
        standing = stand([one / other for one, other in samples_s], curve_of(task.bar), plan)
    reference_s, answer_s = zip(*samples_s, strict=True)
    return Timing(
        ratio_interval(reference_s, answer_s),
        interval(np.array(reference_s) / calls),
        interval(np.array(answer_s) / calls),
        standing,
        samples_s=samples_s,
        cases=cases,
    )


def _samples_s(
    blocks: Sequence[tuple[Lap, Lap]], wire_s: float
) -> tuple[list[tuple[float, float]], bool]:
    """The blocks' times without the wire; the wall's where one of them was not one thread's."""
    corrected = all(
        np.mean([lap.alone for lap in side]) > 0.5 for side in zip(*blocks, strict=True)
    )

    def own(lap: Lap) -> float:
        return max((lap.own_s if corrected else lap.wall_s) - wire_s, 1e-9)

    return [(own(one), own(other)) for one, other in blocks], corrected


class _Side:
    """One worker, standing still but when it is timed. limit_s: for all its calls together."""

    def __init__(self, running: Running, function: Answer, limit_s: float) -> None:
        self._session, self._function = running.session, function
        self._stopwatch = Stopwatch(running)
        self._limit_s = limit_s
        self.measured_s = 0.0
        self._stopwatch.stop()

    def call(self, cases: Sequence[Case], function: Answer | None = None) -> tuple[Lap, list[Any]]:
        """Call the function with each case, timed together; gives the outputs."""
        number = number_of(function or self._function)
        messages = [self._session.prepared(number, case) for case in cases]
        replies: list[list[bytes]] = []

        def send() -> None:
            self._session.deadline = time.monotonic() + self._limit_s - self.measured_s
            for message in messages:
                replies.append(self._session.exchange(message))

        lap = self._stopwatch.time(send)
        self.measured_s += lap.wall_s
        return lap, [self._session.value(frames) for frames in replies]

    def nothing(self, output: Any) -> Answer:
        """A function of this worker that gives such an output at once."""
        self._stopwatch.go()
        cells = [{"number": 0, "source": NOTHING, "own": True}]
        made: Answer = self._session.call(0, cells, "keep")(output)
        self._stopwatch.stop()
        return made


class _Pair:
    """Both sides. chance: what inputs and order are drawn from."""

    def __init__(
        self, task: TimedTask, reference: _Side, answer: _Side, chance: random.Random
    ) -> None:
        self._task, self._reference, self._answer, self._chance = task, reference, answer, chance
        self.cases: list[Case] = []
        self._outputs: list[Any] = []

    def block(self, calls: int) -> tuple[Lap, Lap]:
        """The same fresh inputs for both; the reference's lap first. Judges all outputs."""
        try:
            self.cases = list(self._task.draw(self._chance.getrandbits(63), calls))
        except Exception as error:
            raise own(error) from error
        laps: dict[str, Lap] = {}
        for whose in self._chance.sample(("reference", "answer"), 2):
            if whose == "reference":
                with _reference_fails():
                    laps[whose], self._outputs = self._reference.call(self.cases)
            else:
                laps[whose], given = self._answer.call(self.cases)
        for case, expected, output in zip(self.cases, self._outputs, given, strict=True):
            judged(partial(self._task.judge, case, expected), output)
        return laps["reference"], laps["answer"]

    def wire_s(self, calls: int) -> float:
        """Seconds that a worker computes for a message, the median of a few blocks."""
        with _reference_fails():
            nothing = self._reference.nothing(self._outputs[0])
            cases = [self.cases[0]] * calls
            laps = [self._reference.call(cases, nothing)[0] for _ in range(WIRE_BLOCKS)]
        return float(np.median([lap.cpu_s for lap in laps])) / calls


@contextmanager
def _reference(task: TimedTask, workers: Workers) -> Iterator[_Side]:
    cells = [{"number": 0, "source": task.reference, "own": True}]
    with ExitStack() as stack:
        with _reference_fails():
            running = stack.enter_context(
                workers.beside.running(cells, task.function, REFERENCE_LIMIT_S, task.threads)
            )
        yield _Side(running, running.function, REFERENCE_LIMIT_S)


@contextmanager
def _reference_fails() -> Iterator[None]:
    try:
        yield
    except (Raised, wire.Closed, wire.TimeUp, wire.WireError) as error:
        raise NotComparable(f"The reference function failed ({error}).") from None
