"""A service whose replicas follow its load: what its autoscaler may be shown, and what comes of it.

    run = scaled(arrived_s, service_s=4.0, slots=8, start_s=9.0,
                 autoscaler=Autoscaler(1, 10, average_value(4)), seen=queue_depth)
    run.replica_s, percentile(run.wait_s, 99)

A replica is a server of `station` with a slot for each request that its engine computes side by
side. Every request takes the time of one in a full engine, so what is worked out for quiet times is
a little slow. The signal is as old as the moment; a cluster's passes through Prometheus and the
adapter, and is some 15 to 45 s old.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.measure.percentile import percentile
from lab_utils.show.scaling_plots import Followed
from lab_utils.simulate.hpa import Autoscaler, Pod
from lab_utils.simulate.station import Moment, Scaling, Served, Station, simulate

Signal = Callable[[Moment], Any]


def queue_depth(moment: Moment) -> int:
    """Requests that wait, of all replicas together."""
    return moment.queued


def in_flight(moment: Moment) -> int:
    """Requests that wait or are computed."""
    return moment.queued + moment.busy


def external(moment: Moment) -> dict[str, int]:
    """Both, under the names that `serve/kubernetes/adapter.yaml` gives them."""
    return {"llm_queue_depth": queue_depth(moment), "llm_in_flight": in_flight(moment)}


def utilisation(with_requests: float) -> Signal:
    """The replicas' utilisation, as `hpa.pods` takes it.

    with_requests: of a replica with one request or more (0 to 1, measured); with none it is 0.
    Requests are spread over as many replicas as there are. None while no replica is ready.
    """
    if not 0 < with_requests <= 1.5:  # a clock's resolution may take it a little over 1
        raise LabError(f"The utilisation is {with_requests:g}; expected a share of the cores.")

    def seen(moment: Moment) -> list[Pod] | None:
        if not moment.ready:
            return None
        at_work = min(moment.ready, moment.busy)
        figures = [with_requests] * at_work + [0.0] * (moment.ready - at_work)
        starting = [Pod(None, ready=False)] * (moment.replicas - moment.ready)
        return [Pod(figure) for figure in figures] + starting

    return seen


def scaled(
    arrived_s: ArrayLike,
    *,
    service_s: float,
    slots: int,
    start_s: float,
    autoscaler: Autoscaler,
    seen: Signal = in_flight,
    zero_after_s: float | None = None,
) -> Served:
    """Work a service out that begins with `autoscaler.least` replicas; the rest as in `Scaling`."""
    scaling = Scaling(autoscaler, start_s, seen, zero_after_s=zero_after_s)
    station = Station(servers=autoscaler.least, slots=slots)
    return simulate(arrived_s, lambda _: service_s, station, scaling=scaling)


def turns(run: Served, from_s: float, until_s: float) -> int:
    """How often the number of replicas changed its direction between two moments: flapping."""
    numbers = [number for at_s, number in run.replicas if from_s <= at_s < until_s]
    signs = np.sign(np.diff(numbers))
    return int(np.sum(signs[1:] != signs[:-1]))


def followed(run: Served) -> Followed:
    """As `scaling_plots.over_time` draws it."""
    return Followed(
        run.replicas,
        run.queue,
        run.arrived_s[run.answered],
        run.wait_s,
        percentile(run.wait_s, 99).median,
    )
