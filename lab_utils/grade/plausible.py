"""Is a speed possible on this machine? What computes faster than its ceiling did not compute.

A task may say how many operations, or bytes from memory, one call needs at least (`spec.Work`).
Those times the calls a second are a rate, and the machine's own measured ceilings
(`machine/ceilings.py`) are what its best libraries reach on all cores. A rate beyond that means
that something was left out, done in a lower precision than asked, or done by a better method than
the task thought of: for a person to see, so it earns nothing until one has.
"""

from __future__ import annotations

from lab_utils.grade.spec import Work
from lab_utils.machine.ceilings import LEAVES_CORES, Ceilings
from lab_utils.measure.interval import Interval

MARGIN = 1.2
"""Beyond a ceiling by so much before anything is said: both figures vary from minute to minute."""


def doubt(work: Work, calls_per_s: Interval, found: Ceilings) -> str:
    """What is impossible about so many calls a second, as a sentence; empty where it is possible.

    Even the slow end of the interval must be beyond the ceiling's quick end. Ceilings that were
    measured while others held the cores are too low to say anything.
    """
    if found.disturbed_cores > LEAVES_CORES:
        return ""
    matrix = found.matrix.get(work.precision)
    if work.precision == "any":
        matrix = max(found.matrix.values(), key=lambda rate: rate.per_s.high)
    for per_call, rate, unit in (
        (work.operations, matrix, f"billion operations in {work.precision}"),
        (work.bytes, found.read, "billion bytes read from memory"),
    ):
        if not per_call or rate is None:
            continue
        least = per_call * calls_per_s.low
        if least > MARGIN * rate.per_s.high:
            return (
                f"At {calls_per_s.median:,.3g} calls a second your answer would do "
                f"{least / 1e9:,.4g} {unit} a second; this machine's measured ceiling is "
                f"{rate.per_s.high / 1e9:,.4g} ({rate.through})"
            )
    return ""


def sentence(doubted: str) -> str:
    """The verdict's message, for the learner and for the instructor."""
    return (
        f"{doubted}. Nothing computes faster than its machine, so a part of the work is not done, "
        "or in fewer bits than asked, or by a way that this task did not think of. No points until "
        "your instructor has looked: tell them how it is done."
    )
