"""What users notice when a region is killed.

Two regions, each a Redis and a gateway, and an Envoy before each, at the edge where its users are;
the other region is 10 ms away. Both edges get payments at a steady rate for a minute. After a third
of it one region is killed with all its processes, after two thirds it comes back.

- `region_kill_error_fraction`: of all payments of that minute, at both edges, those that were not
  answered with a decision.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from lab_utils.bench._document import Figure, say
from lab_utils.components.delay_link import DelayLink
from lab_utils.components.envoy import Cluster, Envoy, Route
from lab_utils.features.payment import payments
from lab_utils.measure.load.arrivals import poisson
from lab_utils.models.fraud.transactions import simulate_transactions
from lab_utils.scale import at
from lab_utils.serve.fraud.load import Paid, at_once, paying
from lab_utils.serve.fraud.region import Region
from lab_utils.serve.fraud.replication import Replication
from lab_utils.serve.fraud.scorers import small_scorers

RATE_RPS, ONE_WAY_S = 50.0, 0.010
GENEROUS_S, HEDGE_S, RETRIES = 1.0, 0.05, 10
"""How long an edge waits in all, since what is counted here are errors, not how late an answer is;
when it asks the other region as well; and how many may be asked again at once: without a bound, a
machine that stalls for a moment would be given twice the load."""


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """The figure, over all repeats."""
    say("Predicted: region_kill_error_fraction 0.")
    length_s = at(scale, ci=30.0, laptop=60.0)
    runs = [_run(length_s, repeat) for repeat in range(repeats)]
    asked = sum(paid.due_s.size for run in runs for paid in run.values())
    failed = sum(int((~paid.answered).sum()) for run in runs for paid in run.values())
    say(f"{failed} of {asked} payments without an answer")
    return {"region_kill_error_fraction": failed / asked}


def _run(length_s: float, seed: int) -> dict[str, Paid]:
    scorers = small_scorers()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        west, east = (
            stack.enter_context(
                Region(name, scorers.models(folder), scorers.rules, scorers.policy, folder)
            )
            for name in ("west", "east")
        )
        edges = {}
        for name, near, far in (("west", west, east), ("east", east, west)):
            link = stack.enter_context(DelayLink(far.url, ONE_WAY_S))
            stack.enter_context(Replication(far, near, ONE_WAY_S))
            # As long as the dead region stays ejected the other one cannot be, for half of them is
            # the most; a good health check ends it at once.
            regions = Cluster(
                [[near.url], [link.url]],
                health="/health",
                eject_after=3,
                ejected_s=2 * length_s,
                most_retries=RETRIES,
            )
            route = Route(
                {"regions": 1}, timeout_s=GENEROUS_S, retries=2, try_s=HEDGE_S, hedged=True
            )
            edges[name] = stack.enter_context(Envoy({"regions": regions}, {"score": route}))
        arrivals = {n: poisson(RATE_RPS, length_s, seed=2 * seed + k) for k, n in enumerate(edges)}
        most = max(each.due_s.size for each in arrivals.values())
        stream = list(payments(simulate_transactions(1_000, 2_000, 2 + most // 900, seed=5)))
        loads = {
            name: paying(edge.url("score"), stream[number::2], arrivals[name])
            for number, (name, edge) in enumerate(edges.items())
        }

        def back() -> None:
            west.restart()
            west.refill([west.audit, east.audit])

        paid = at_once(loads, [(length_s / 3, west.kill), (2 * length_s / 3, back)])
        for name, one in paid.items():
            say(f"edge {name}: {one.load}")
        return paid
