"""What an answer of Lab 2's solution costs, against the chatbot's first version.

Both services are real and up at the same time; they are asked the same requests in turn, and an
hour of the machine costs the same whoever uses it.

- `cost_reduction`: how much less an answer costs, a share, with the solution under seven tenths of
  what it can do and the first version at its best.

- `chatbot_p99_s`: the P99 of the solution's latency under that load, an open one.
"""

from __future__ import annotations

from statistics import median

from lab_utils.bench._document import Figure, say
from lab_utils.files import ROOT
from lab_utils.grade.spec import load_lab
from lab_utils.grade.submission import read
from lab_utils.grade.workers import Workers
from lab_utils.machine.cores import available_cores
from lab_utils.measure.interval import interval
from lab_utils.measure.percentile import samples_needed
from lab_utils.scale import at
from lab_utils.serve.llm.contest import LOAD, Plan, contest, cost_reduction

UNIT, TASK = "2_llm_serving", "chatbot"
PAIRS_A_REPEAT = 6
ANSWER_LIMIT_S = 60.0


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """Both figures."""
    say("Predicted: cost_reduction 0.9 (two thirds of it fewer bits, one third places).")
    with contest(solution(), available_cores()) as two:
        two.warm_up()
        pairs = [two.pair(seed) for seed in range(PAIRS_A_REPEAT * repeats)]
        for base_rps, plan_rps in pairs:
            say(f"{base_rps:.2f} answers a second, {plan_rps:.1f} by the solution")
        rate_rps = LOAD * median(plan_rps for _, plan_rps in pairs)
        count = at(scale, ci=1, laptop=3) * samples_needed(99)
        p99s_s = [
            two.steady(rate_rps, count, seed).load.latency_percentile_s(99).median
            for seed in range(repeats)
        ]
    return {
        "cost_reduction": interval([cost_reduction(mine / base) for base, mine in pairs]),
        "chatbot_p99_s": interval(p99s_s),
    }


def solution() -> Plan:
    """The plan of the lab's solution, which runs where answers do."""
    task = load_lab(UNIT)[TASK]
    cells = read(ROOT / "solutions" / UNIT / "lab.ipynb").cells_for(task)
    with Workers() as workers, workers.answer(cells, task.function, ANSWER_LIMIT_S) as answer:
        return Plan.of(answer())
