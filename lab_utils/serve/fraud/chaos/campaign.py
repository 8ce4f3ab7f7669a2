"""One experiment after the other, and what became of each: the promise, the answers, the log.

    outcomes = campaign(system, prometheus, NAMES, Hypothesis(in_time=0.9, flagged=0.1), window_s=1)
    print(report(outcomes))

Each begins only when the hypothesis has held for a window: what one has broken is no excuse for the
next.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_utils.components.chaos_toolkit import LIMIT_S, Journal, run_experiment
from lab_utils.components.prometheus import Prometheus
from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval, plain, share
from lab_utils.serve.fraud.audit_file import replayed
from lab_utils.serve.fraud.chaos.payers import Paid
from lab_utils.serve.fraud.chaos.system import SCRAPE_S, FraudSystem

EXPERIMENTS = Path(__file__).with_name("experiments")
NAMES = (
    "replica_killed",
    "region_killed",
    "slow_redis",
    "slow_gpu",
    "clock_skew",
    "full_disk",
    "bad_model",
    "poisoned_feature",
)
STEADY_WITHIN_S, TRIES = 30.0, 4

Watch = Callable[[Sequence[str]], Iterable[str]]


@dataclass(frozen=True)
class Hypothesis:
    """What holds while all is well. in_time: of the payments, this share at least is answered in
    time. flagged: of the answers, this share at most is no approval.
    """

    in_time: float
    flagged: float

    @property
    def promql(self) -> str:
        """Has a result where both hold."""
        return (
            f"(payers:in_time:ratio >= {self.in_time:g}) "
            f"and on() (payers:flagged:ratio <= {self.flagged:g})"
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one experiment. in_time: the share answered in time of the payments that were
    due while something was broken. flagged, degraded: shares of their answers. through: as in_time,
    until all was mended again. causes: of those without an answer, until then.
    """

    name: str
    journal: Journal
    in_time: Interval
    flagged: float
    degraded: float
    through: Interval
    causes: Counter[str]

    @property
    def broken_s(self) -> float:
        """From the fault's beginning until its mending began."""
        return self.journal.mended_s - self.journal.begun_s

    @property
    def noticed_by(self) -> str:
        """The probe that deviated; empty where the hypothesis held."""
        return self.journal.missed if self.journal.deviated else ""


def campaign(
    system: FraudSystem,
    prometheus: Prometheus,
    names: Sequence[str],
    hypothesis: Hypothesis,
    *,
    window_s: float,
    hold_s: float | None = None,
    watch: Watch = iter,
) -> list[Outcome]:
    """Run the experiments with these names, in turn.

    window_s: of the records, as `system.watched` has it. hold_s: how long each stays broken before
    the hypothesis is looked at; by default as long as the window takes to hold nothing else.
    Raises LabError for a fault that cannot be had here, where the system does not come to rest, and
    as `run_experiment` does.
    """
    for name in names:
        if name not in system.faults:
            raise LabError(
                f"The fault {name} cannot be had here; expected {', '.join(system.faults)}."
            )
    hold_s = window_s + 4 * SCRAPE_S if hold_s is None else hold_s
    variables = {
        "PROMETHEUS": prometheus.url,
        "CONTROL": system.url,
        "HOLD_S": hold_s,
        "IN_TIME": hypothesis.in_time,
        "FLAGGED": hypothesis.flagged,
    }
    outcomes = []
    for name in watch(names):
        for _ in range(TRIES):  # nothing is broken where the hypothesis does not hold at first
            prometheus.until(hypothesis.promql, STEADY_WITHIN_S)
            file = EXPERIMENTS / f"{name}.yaml"
            journal = run_experiment(file, variables, limit_s=LIMIT_S + hold_s)
            if journal.held_before:
                break
        else:
            raise LabError(
                f"Before {name} the hypothesis did not hold ({journal.missed}) in {TRIES} tries, "
                "so nothing was broken; is this machine busy with something else?"
            )
        outcomes.append(_outcome(name, journal, system))
    prometheus.until(hypothesis.promql, STEADY_WITHIN_S)
    return outcomes


def _outcome(name: str, journal: Journal, system: FraudSystem) -> Outcome:
    assert system.payers is not None
    through = system.payers.between(journal.begun_s, journal.ended_s)
    paid = [one for one in through if one.due_s < journal.mended_s]
    answered = [one for one in paid if one.answer is not None]
    causes = Counter(one.cause for one in through if one.answer is None)
    return Outcome(
        name,
        journal,
        share(len(answered), len(paid)),
        sum(one.flagged for one in answered) / max(len(answered), 1),
        sum(one.degraded for one in answered) / max(len(answered), 1),
        share(len(through) - sum(causes.values()), len(through)),
        causes,
    )


@dataclass(frozen=True)
class Books:
    """What was said against what was written. lost: answers that a payer has and the log has not,
    or not so. doubled: payments that stand in the log more than once. answers: that were compared.
    """

    answers: int
    lost: int
    doubled: int


def books(paid: Iterable[Paid], audit: Path) -> Books:
    """Compare the payers' answers with the log."""
    log: dict[int, str] = {}
    times: Counter[int] = Counter()
    for entry in replayed(audit):
        log[entry.transaction_id] = entry.answered
        times[entry.transaction_id] += 1
    answers = [one for one in paid if one.answer is not None]
    lost = sum(not _same(one, log.get(one.number)) for one in answers)
    return Books(len(answers), lost, sum(count > 1 for count in times.values()))


def _same(one: Paid, written: str | None) -> bool:
    assert one.answer is not None
    said = {name: value for name, value in one.answer.items() if name != "repeated"}
    return written is not None and json.loads(written) == said


def report(outcomes: Sequence[Outcome]) -> str:
    """The campaign as a table in Markdown."""
    rows = [
        "| experiment | answered in time | no approval | by another tier | the hypothesis |",
        "|---|--:|--:|--:|---|",
    ]
    for one in outcomes:
        cells = [
            one.journal.title,
            f"{plain(100 * one.in_time.median)} %",
            f"{plain(100 * one.flagged)} %",
            f"{plain(100 * one.degraded)} %",
            f"**missed**: {one.noticed_by}" if one.noticed_by else "held",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def spells(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, float, float]]:
    """Title, begin and end of each, for a picture; Unix seconds."""
    for one in outcomes:
        yield one.journal.title, one.journal.begun_s, one.journal.ended_s
