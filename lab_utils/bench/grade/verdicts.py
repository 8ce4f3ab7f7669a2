"""How often a performance grade is wrong on a busy machine.

Four processes keep this machine's cores busy in bursts of 20 to 300 ms while answers whose speed is
known exactly (`toy`) are graded, one at a time, by the engine that grades learners, against a bar
of 2.0 times the reference.

- `false_pass_at_1_8`: the part of gradings that a true 1.8 passes, with Wilson's 95 % interval.
- `false_fail_at_2_2`: the part that a true 2.2 fails.
- `verdict_flips_of_50`: how many of 50 gradings of the same submission (2.2) differ from what most
  of them say.
- `pairs_to_a_verdict`, `trial_s`: what a verdict took.
- `speedup_over_true`: the measured ratio over the true one, all gradings together: 1 without bias.

The numbers of gradings are for `--repeats 3`, the default; fewer repeats shrink them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lab_utils.bench._document import Figure, say
from lab_utils.bench.grade import toy
from lab_utils.bench.grade.burners import burning
from lab_utils.errors import LabError
from lab_utils.grade.engine import grade_task
from lab_utils.grade.verdict import Verdict
from lab_utils.grade.workers import Workers
from lab_utils.measure.interval import interval, share

BURNERS = 4
TRIALS, FLIPS_OF = 200, 50
FULL_REPEATS = 3
SAY_EVERY = 20


@dataclass(frozen=True)
class Trial:
    """One grading of an answer of known speed."""

    true: float
    verdict: Verdict
    took_s: float


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """All gradings of one kind after the other's, by turns, so that all meet the same hour."""
    part = min(1.0, repeats / FULL_REPEATS)
    trials, again = max(1, round(part * TRIALS)), max(1, round(part * FLIPS_OF))
    say(
        f"{BURNERS} bursty processes beside {2 * trials + again} gradings. Predicted: false_pass "
        "and false_fail 0; 95 % of the chance for each lies under 2 % then."
    )
    # Three kinds in turn: two for their rates, one more of the second for its flips.
    plan = [1.8, 2.2] * trials
    step = len(plan) // again
    graded = grade_all(plan, again_every=step, again=again)
    return figures_of([t for t, same in graded if not same], [t for t, same in graded if same])


def grade_all(plan: Sequence[float], again_every: int, again: int) -> list[tuple[Trial, bool]]:
    """Grade answers of these speeds under load, and now and then the same submission once more.

    Each entry says whether it is one of the latter.
    """
    done: list[tuple[Trial, bool]] = []
    with Workers() as workers, burning(BURNERS):
        trial(2.2, 0, workers)  # starts the servers
        for number, true in enumerate(plan):
            done.append((trial(true, number, workers), False))
            if number % again_every == again_every - 1 and again:
                again -= 1
                done.append((trial(2.2, len(plan) + number, workers), True))
            if number % SAY_EVERY == SAY_EVERY - 1:
                states = Counter((t.true, t.verdict.state) for t, _ in done)
                said = ", ".join(f"{true}: {n} {state}" for (true, state), n in states.items())
                say(f"{len(done)} gradings: {said}")
    return done


def trial(true: float, seed: int, workers: Workers) -> Trial:
    """Grade one answer. Raises LabError where it was not graded at all."""
    start_s = time.perf_counter()
    verdict = grade_task(toy.submission(true), toy.FAST, seed, workers)
    if verdict.state not in ("passed", "failed") or "speedup" not in verdict.figures:
        raise LabError(f"A toy was not graded: {verdict.state}, {verdict.message}")
    return Trial(true, verdict, time.perf_counter() - start_s)


def figures_of(trials: Sequence[Trial], again: Sequence[Trial]) -> dict[str, Figure]:
    """What the gradings say; `again` are those of one and the same submission."""
    slow = [t.verdict.state == "passed" for t in trials if t.true < toy.BAR]
    fast = [t.verdict.state == "failed" for t in trials if t.true > toy.BAR]
    states = Counter(t.verdict.state for t in again)
    speedups = [t.verdict.figures["speedup"].value for t in (*trials, *again)]
    return {
        "false_pass_at_1_8": share(sum(slow), len(slow)),
        "false_fail_at_2_2": share(sum(fast), len(fast)),
        "verdict_flips_of_50": float(len(again) - max(states.values())),
        "pairs_to_a_verdict": interval([ratio.n for ratio in speedups]),
        "trial_s": interval([t.took_s for t in (*trials, *again)]),
        "speedup_over_true": interval(
            [ratio.median / t.true for ratio, t in zip(speedups, (*trials, *again), strict=True)]
        ),
    }
