"""How quick the simulation is.

The model is the plainest, so that it is the same in both: one queue, SERVERS servers, recorded
service times, as many requests as keep them busy for UTILISATION of the time. An event is an
arrival or a departure, two for each request, whatever else an engine does inside.

- `sim_events_per_s`: of the compiled engine, on one core, with the time for its tables and results.

- `sim_over_simpy`: its events a second over SimPy's, on the same arrivals and service times, after
  both gave the same departures; in turn, as medians of pairs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from lab_utils.bench._document import Figure, say
from lab_utils.errors import LabError
from lab_utils.measure.interval import interval, ratio_interval
from lab_utils.measure.load.arrivals import poisson
from lab_utils.scale import at
from lab_utils.simulate.regions import reference
from lab_utils.simulate.regions.engine import service_times_s, simulate
from lab_utils.simulate.regions.model import Fleet, Floats, Tier

SERVERS, UTILISATION, SERVICE_S = 50, 0.8, 0.001
EVENTS_OF_A_REQUEST = 2


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """The two figures."""
    say("Predicted: sim_events_per_s 8,000,000, sim_over_simpy 150.")
    recorded_s = np.random.default_rng(0).gamma(4, SERVICE_S / 4, 10_000)
    fleet = Fleet((Tier("score", SERVERS, recorded_s),))
    rate_rps = UTILISATION * SERVERS / SERVICE_S
    many_s = poisson(rate_rps, at(scale, ci=1_000_000, laptop=4_000_000) / rate_rps).due_s
    few_s = many_s[: at(scale, ci=20_000, laptop=100_000)]
    work_s = service_times_s(fleet, few_s.size)
    _agree(simulate(few_s, fleet).done_s, reference.queue(few_s, work_s, SERVERS))
    ours, simpys = [], []
    for _ in range(repeats):
        ours.append(_events_per_s(lambda: simulate(many_s, fleet), many_s.size))
        simpys.append(_events_per_s(lambda: reference.queue(few_s, work_s, SERVERS), few_s.size))
        say(f"{ours[-1]:,.0f} events a second; SimPy {simpys[-1]:,.0f}")
    return {
        "sim_events_per_s": interval(ours),
        "sim_over_simpy": ratio_interval(ours, simpys),
    }


def _agree(ours_s: Floats, simpys_s: Floats) -> None:
    """SimPy adds up waits, so its clock may differ in the last digits."""
    if not np.allclose(ours_s, simpys_s, rtol=0, atol=1e-9):
        raise LabError("The engine and SimPy differ on the same model; expected equal departures.")


def _events_per_s(run: Callable[[], object], requests: int) -> float:
    begun_s = time.perf_counter()
    run()
    return EVENTS_OF_A_REQUEST * requests / (time.perf_counter() - begun_s)
