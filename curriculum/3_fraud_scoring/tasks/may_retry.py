"""Task 2: retries that help with chance failures and do not become a storm.

Time is simulated: a service fails some calls by chance, and for a drawn while all of them. Every
failure asks the answer whether the request may be sent again.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab_utils.grade.spec import Answer, Case, FunctionTask, Wrong

from .forms import yes_or_no

RATE_RPS = 40.0
NOISE = 0.03
DEADLINE_MS = 50.0
WINDOW_S = 10.0
"""What the answer is told of: so many seconds."""
RETRIED_MOST = 0.2
"""Of the requests, while everything fails. A tenth is asked for."""
RETRIED_LEAST = 0.8
"""Of the failures that have time for another attempt, while few fail."""


@dataclass(frozen=True)
class Seen:
    """Of one failed attempt: when, whether it was retried, and what was left of the deadline."""

    at_s: float
    retried: bool
    left_ms: float
    usual_ms: float


def draw_outages(seed: int) -> list[Case]:
    random = np.random.default_rng(seed)
    fails_s = float(random.uniform(25, 35))
    mends_s = fails_s + float(random.uniform(15, 20))
    count = int(RATE_RPS * (mends_s + 5))
    return [
        {
            "due_s": np.sort(random.uniform(0, mends_s + 5, count)).tolist(),
            "usual_ms": float(random.uniform(5, 9)),
            "fails_s": fails_s,
            "mends_s": mends_s,
            "seed": int(random.integers(2**31)),
        }
    ]


def drive_retries(answer: Answer, case: Case) -> list[Seen]:
    """Every request to its end: an answer, its deadline, or a no from the answer."""
    random, usual_ms = np.random.default_rng(case["seed"]), case["usual_ms"]
    sent: deque[tuple[float, bool]] = deque()
    """Attempts within the window: (when, whether it was a retry)."""
    due: list[tuple[float, float, bool]] = [(at_s, at_s, False) for at_s in case["due_s"]]
    seen = []
    while due:  # the next attempt: (when it is sent, when its request came, whether it is a retry)
        at_s, came_s, again = heapq.heappop(due)
        sent.append((at_s, again))
        ends_s = at_s + usual_ms / 1e3 * float(random.uniform(0.8, 1.2))
        broken = case["fails_s"] <= at_s < case["mends_s"]
        left_ms = DEADLINE_MS - 1e3 * (ends_s - came_s)
        if not (broken or random.random() < NOISE) or left_ms <= 0:
            continue
        while sent[0][0] < at_s - WINDOW_S:
            sent.popleft()
        retries = sum(of_one for _, of_one in sent)
        said = answer(
            requests=len(sent) - retries, retries=retries, left_ms=left_ms, usual_ms=usual_ms
        )
        retried = yes_or_no("may_retry", said)
        seen.append(Seen(at_s, retried, left_ms, usual_ms))
        if retried:
            heapq.heappush(due, (ends_s, came_s, True))
    return seen


def judge_retries(case: Case, output: Sequence[Seen]) -> None:
    usual = [one for one in output if WINDOW_S <= one.at_s < case["fails_s"]]
    worth = [one for one in usual if one.left_ms > 2 * one.usual_ms]
    outage = [one for one in output if case["fails_s"] <= one.at_s < case["mends_s"]]
    came = sum(case["fails_s"] <= at_s < case["mends_s"] for at_s in case["due_s"])
    late = [one for one in output if one.retried and one.left_ms < 0.5 * one.usual_ms]
    more = sum(one.retried for one in outage) / came
    if more > RETRIED_MOST:
        raise Wrong(
            f"While everything failed, {1 + more:.1f} attempts were sent for each request: a service "
            "that is on its knees got so many times its load. Give retries a budget: a tenth of the "
            "requests."
        )
    if sum(one.retried for one in worth) < RETRIED_LEAST * len(worth):
        raise Wrong(
            f"While {NOISE:.0%} failed by chance, {_share(worth):.0%} of them were tried again; at "
            f"least {RETRIED_LEAST:.0%} is expected. Within the budget a retry is what saves them."
        )
    if late:
        raise Wrong(
            f"A request was sent again with {late[0].left_ms:.1f} ms left, where an answer takes "
            f"{late[0].usual_ms:.1f}: it is work for nobody. Look at left_ms."
        )


def _share(seen: Sequence[Seen]) -> float:
    return sum(one.retried for one in seen) / len(seen)


MAY_RETRY = FunctionTask(
    name="may_retry",
    title="Try again, within a budget",
    points=2,
    function="may_retry",
    draw=draw_outages,
    drive=drive_retries,
    judge=judge_retries,
)
