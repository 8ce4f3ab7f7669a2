"""Task 3: the chatbot's plan, started for real, at a load that the first version sets."""

from collections.abc import Mapping
from typing import Any

from lab_utils.grade.decision import Curve, Look, stand
from lab_utils.grade.decision import Plan as Looks
from lab_utils.grade.spec import DesignTask, Trial, Wrong
from lab_utils.grade.verdict import Figure
from lab_utils.machine.cores import available_cores
from lab_utils.measure.interval import Interval, interval, ratio_interval
from lab_utils.measure.percentile import samples_needed
from lab_utils.models.decoder import TINY
from lab_utils.models.language.seeded import seeded, seeded_folder
from lab_utils.serve.llm.contest import LOAD, Contest, Plan, Rush, contest, cost_reduction
from lab_utils.serve.llm.load import Served

CHAT_S, REPORT_S = 2.0, 4.0
"""What is promised to a chat, and to a report in a rush."""
REDUCTION = Curve(none_at=0.6, full_at=0.7)
"""Of the first version's cost: where the first points are earned, and all of them."""
REFUSED_MOST = LATE_MOST = 0.01
RUSH_TIMES, RUSH_S, RUSH_LATE_MOST = 3.0, 4.0, 0.05
FIRST_MOST = 0.7
"""Of a report's wait: a chat's. In the order of arrival both wait as long, and the chance of so few
requests moves the ratio of the medians by less than a tenth."""
TRIES = 2
"""What disturbs a run can only make it later, so the better of two counts."""
LOOKS = Looks((Look(2, 0.0025, margin=2.0), Look(4, 0.0025, margin=1.25), Look(8, 0.008)), usual=8)
MOST_THREADS = 4
FORM: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "weights": {"enum": ["f16", "q8_0", "q4_0"]},
        "batching": {"enum": ["static", "continuous"]},
        "batch_most": {"type": "integer", "minimum": 1, "maximum": 64},
        "queue_most": {"type": "integer", "minimum": 1, "maximum": 100_000},
        "first": {"enum": ["chat", "reports", "neither"]},
    },
    "required": ["weights", "batching", "batch_most", "queue_most", "first"],
    "additionalProperties": False,
}


def ratio_of(reduction: float) -> float:
    """How many times the first version's answers a plan must be able to give to cost so much less."""
    return 1 / (1 - reduction) / LOAD


CURVE = Curve(ratio_of(REDUCTION.none_at), ratio_of(REDUCTION.full_at))


def tried(document: Mapping[str, Any], seed: int) -> Trial:
    """What it costs; whether it keeps the promise at that; and what it does with too many."""
    plan = Plan.of(document)
    with contest(plan, min(available_cores(), MOST_THREADS)) as two:
        two.warm_up()
        pairs, share = _compared(two, seed)
        base_rps, plan_rps = (interval(rates) for rates in zip(*pairs, strict=True))
        ratio = ratio_interval(*reversed(list(zip(*pairs, strict=True))))
        figures = {
            "the first version's capacity": Figure(base_rps, "answers/s"),
            "yours": Figure(plan_rps, "answers/s"),
            "an answer costs less by": Figure(_reduction(ratio).scaled(100), "%"),
        }
        if not share:
            raise Wrong(_too_dear(ratio.median))
        rush = _rushed(two, plan_rps.median, seed)  # the shorter one first
        figures["in the rush: a chat's wait, of a report's"] = Figure(
            interval([_wait_ratio(rush)]), "times"
        )
        figures["p99 of the steady load"] = Figure(
            _steady(two, base_rps.median, plan_rps.median, share, seed), "s"
        )
    return Trial(share, "" if share == 1 else _too_dear(ratio.median), figures)


def _compared(two: Contest, seed: int) -> tuple[list[tuple[float, float]], float]:
    """Pairs of answers a second, until they say what share of the points the cost is worth."""
    pairs: list[tuple[float, float]] = []
    while True:
        pairs.append(two.pair(seed + len(pairs)))
        standing = stand([mine / base for base, mine in pairs], CURVE, LOOKS)
        if standing is not None:
            return pairs, standing.share


def _steady(two: Contest, base_rps: float, plan_rps: float, share: float, seed: int) -> Interval:
    """The P99 at the plan's own load; where that is too much for it, at the one that its points
    need. Raises Wrong where the promise is broken at both."""
    needed_rps = base_rps / (
        1 - cost_reduction(CURVE.none_at + share * (CURVE.full_at - CURVE.none_at))
    )
    loads_rps = [LOAD * plan_rps, min(LOAD * plan_rps, needed_rps)]
    said = ""
    for number, rate_rps in enumerate(loads_rps):
        served = two.steady(rate_rps, samples_needed(99), seed + number)
        if not (said := _broken(served)):
            return served.load.latency_percentile_s(99)
    raise Wrong(said)


def _broken(served: Served) -> str:
    """Which promise is broken at a load that the service can bear; empty where none is."""
    refused = served.load.failed / served.load.requests
    if refused > REFUSED_MOST:
        return (
            f"{refused:.1%} of the requests were refused at a load that the service can bear; at "
            f"most {REFUSED_MOST:.0%} may be. Let more of them wait, or give them more places."
        )
    late = float((served.latency_s > CHAT_S).mean())
    if late > LATE_MOST:
        return (
            f"{late:.1%} of the answers came later than {CHAT_S:g} s, at a load of {LOAD:.0%} "
            f"of what the service can do; at most {LATE_MOST:.0%} may. A batch that waits for its "
            "longest answer, or a step with too many places in it, makes everybody late."
        )
    return ""


def _rushed(two: Contest, plan_rps: float, seed: int) -> Rush:
    """A rush that was borne. Raises Wrong where none was."""
    said = ""
    for number in range(TRIES):
        rush = two.rush(RUSH_TIMES * plan_rps, RUSH_S, seed + number)
        if not (said := _overrun(rush)):
            return rush
    raise Wrong(said)


def _overrun(rush: Rush) -> str:
    """What went wrong in a rush; empty where nothing did."""
    ratio = _wait_ratio(rush)
    if ratio > FIRST_MOST:
        return (
            f"In a rush a chat waited {ratio:.2f} times as long for its place as a report, for "
            f"which nobody waits; at most {FIRST_MOST:g} times is asked. Take the chats first."
        )
    for chats, who, limit_s in ((True, "chats", CHAT_S), (False, "reports", REPORT_S)):
        late = rush.late(chats, limit_s)
        if late > RUSH_LATE_MOST:
            return (
                f"In a rush of {RUSH_TIMES:g} times what it can do, {late:.0%} of the {who} that "
                f"were accepted came later than {limit_s:g} s. Bound the queue to what can be "
                "answered in that time (capacity × seconds), so that the others are told at once."
            )
    return ""


def _wait_ratio(rush: Rush) -> float:
    report_s = rush.waited_s(chats=False)
    return rush.waited_s(chats=True) / report_s if report_s > 0 else 0.0


def _reduction(ratio: Interval) -> Interval:
    """Of the cost, at the plan's own load."""
    low, middle, high = map(cost_reduction, (ratio.low, ratio.median, ratio.high))
    return Interval(middle, low, high, ratio.n)


def _too_dear(ratio: float) -> str:
    reduction = cost_reduction(ratio)
    costs = f"{reduction:.0%} less than" if reduction > 0 else f"{1 - reduction:.1f} times"
    return (
        f"An answer costs {costs} the first version's; {REDUCTION.full_at:.0%} less is asked. "
        "Each token reads all weights, for however many users: give it fewer bits to read, and more "
        "places that share the reading and are filled again at once."
    )


def prepare() -> None:
    """Write the models' files, which takes some seconds once."""
    seeded_folder(TINY)
    for kind in FORM["properties"]["weights"]["enum"]:
        seeded(TINY, kind)


CHATBOT = DesignTask(
    name="chatbot",
    title="Serve it for less",
    points=5,
    function="chatbot",
    form=FORM,
    trial=tried,
    alone=True,
)
