"""The compiled part: one event after the other, on flat arrays.

Everything that is compiled stands in this file, because the compiler's cache notices a change of a
function's own file only.

What makes it quick. Arrivals are sorted beforehand and timers of one length come due in the order
in which they were set, so both are lists with a place in them; only the ends of services, which
come in any order, are kept in a heap. A list's entries that have lost their meaning (the answer
came) are passed over when they are reached. Random numbers are not drawn from a stream but worked
out from what they are for (request, tier, attempt), so the same request brings the same work
whatever the fleet looks like: two fleets are compared on common random numbers.
"""

# mypy: disable-error-code="no-any-return"
# What stands in a structured array has a type for the compiler only.

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])

# What became of a request.
PENDING, ANSWERED, FAILED = 0, 1, 2
# A visit is one copy of a request at one station. A lost one's region has gone.
WAITING, RUNNING, OVER, LOST = 0, 1, 2, 3
# Kinds of events in the heap; the rest of the number says of whom.
DONE, WAKE, RETRY = 0, 1, 2
KIND = 1 << 40
# Kinds of changes.
SERVERS, GONE, UNSEEN, BACK = 0, 1, 2, 3
# Places in `State.counts`.
NEXT_ARRIVAL, VISITS, HEAP, FIRSTS, TIMED, HEDGED, NEXT_CHANGE, LEFT, EVENTS = range(9)
# Places in `State.clocks`.
NOW_S, TOKENS = 0, 1
TOKENS_FROM = 10_000
"""Unused retries are kept, up to those that so many first attempts bring."""
SERVICE, ROUTE, REGION, BACKOFF = range(4)

REQUEST = np.dtype(
    [("arrived_s", "f8"), ("done_s", "f8"), ("visit", "i4"), ("hedge", "i4"), ("home", "i4"),
     ("sends", "i2"), ("awaited", "i2"), ("urgency", "i1"), ("outcome", "i1"), ("tier", "i1"),
     ("region", "i1")],
    align=True,
)  # fmt: skip
VISIT = np.dtype(
    [("entered_s", "f8"), ("request", "i4"), ("station", "i4"), ("next", "i4"), ("attempt", "i2"),
     ("hedged", "i1"), ("state", "i1"), ("moved", "i1")],
    align=True,
)  # fmt: skip
STATION = np.dtype(
    [("slower", "f8"), ("wake_s", "f8"), ("busy_s", "f8"), ("done", "i8"), ("wasted", "i8"),
     ("begun", "i8"), ("servers", "i4"), ("busy", "i4"), ("queued", "i4"), ("tier", "i4"),
     ("region", "i4")],
    align=True,
)  # fmt: skip
TIER = np.dtype(
    [("deadline_s", "f8"), ("batch_wait_s", "f8"), ("queue_most", "i8"), ("batch_most", "i4"),
     ("queues", "i4"), ("route", "i4"), ("station", "i4"), ("times", "i8"), ("count", "i8"),
     ("woken", "i8"), ("woken_count", "i8"), ("growth", "i8"), ("turn", "i8"), ("ends", "i8"),
     ("seen", "i8"), ("in_a_row", "i8")],
    align=True,
)  # fmt: skip
CLIENTS = np.dtype(
    [("timeout_s", "f8"), ("backoff_s", "f8"), ("budget", "f8"), ("hedge_s", "f8"),
     ("attempts", "i4"), ("cancel", "i1")],
    align=True,
)  # fmt: skip
CHANGE = np.dtype(
    [("at_s", "f8"), ("slower", "f8"), ("kind", "i4"), ("where", "i4"), ("servers", "i4")],
    align=True,
)
EVENT = np.dtype([("at_s", "f8"), ("what", "i8")])


class State(NamedTuple):
    """All of a simulation. Lists are as long as they can become; `counts` says how far they are.

    queues: (stations × urgencies, 2), first and last waiting visit or −1. entries: (tiers, visits),
    the visits of a tier that has a deadline, as they came. firsts: each attempt's first visit.
    regions: (regions, 2), alive, and believed to be.
    """

    seed: int
    requests: NDArray[Any]
    visits: NDArray[Any]
    stations: NDArray[Any]
    queues: NDArray[np.int32]
    tiers: NDArray[Any]
    times_s: NDArray[np.float64]
    growth: NDArray[np.float64]
    heap: NDArray[Any]
    entries: NDArray[np.int32]
    firsts: NDArray[np.int32]
    clients: NDArray[Any]
    changes: NDArray[Any]
    regions: NDArray[np.int8]
    counts: NDArray[np.int64]
    clocks: NDArray[np.float64]


def _compiled(function: F, inline: bool = False) -> F:
    """Compiled on its first call, and kept on disk where there is a folder to write to.

    Nothing here makes an array, so nobody need count who holds one: without that (`_nrt`) the loop
    is five times as quick, since each call would count all arrays of the state up and down.
    """
    options: dict[str, Any] = {"_nrt": False, "forceinline": inline}
    try:
        compiled: F = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder: a sandbox
        compiled = numba.njit(**options)(function)
    return compiled


def _inlined(function: F) -> F:
    """For what happens at most events: a call hands over the whole state, and costs as much."""
    return _compiled(function, inline=True)


@_inlined
def mixed(value: Any) -> Any:
    """SplitMix64's finaliser (Steele, Lea and Flood, OOPSLA 2014): 64 bits that look random."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@_inlined
def draw(seed: int, request: int, purpose: int, tier: int, attempt: int, below: int) -> Any:
    """A whole number from 0 to below `below` (at most 2³¹), the same for the same purpose."""
    key = np.uint64((((purpose * 64) + tier) * 256 + attempt) + 1)
    value = mixed(np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + key)
    value = mixed(value + np.uint64(request) * np.uint64(0xD1342543DE82EF95))
    return np.int64(((value >> np.uint64(33)) * np.uint64(below)) >> np.uint64(31))


@_inlined
def service_s(state: State, request: int, tier: int, attempt: int, woken: int) -> float:
    """The drawn service time of one request. attempt: twice the attempt's number, + 1 if hedged.

    woken: 1 where it finds its server idle.
    """
    kind = state.tiers[tier]
    first, count = (kind.woken, kind.woken_count) if woken else (kind.times, kind.count)
    return state.times_s[first + draw(state.seed, request, SERVICE, tier, attempt, count)]


@_inlined
def service_in_a_row_s(state: State, place: int, number: int, woken: int) -> float:
    """The time of a station's service of this number, from 0, where they are taken in a row."""
    tier = state.stations[place].tier
    kind = state.tiers[tier]
    row = (number // kind.in_a_row) * state.stations.shape[0] + place
    at = draw(state.seed, row, SERVICE, tier, 0, kind.count) + number % kind.in_a_row
    return state.times_s[(kind.woken if woken else kind.times) + at % kind.count]


@_inlined
def push(state: State, at_s: float, what: int) -> None:
    """Add an event to the heap."""
    heap = state.heap
    place = state.counts[HEAP]
    state.counts[HEAP] = place + 1
    while place > 0:
        above = (place - 1) >> 2
        if heap[above].at_s <= at_s:
            break
        heap[place].at_s = heap[above].at_s
        heap[place].what = heap[above].what
        place = above
    heap[place].at_s = at_s
    heap[place].what = what


@_inlined
def pop(state: State) -> int:
    """Take the next event from the heap, of which each entry has up to four below it."""
    heap = state.heap
    taken = heap[0].what
    size = state.counts[HEAP] - 1
    state.counts[HEAP] = size
    at_s, what = heap[size].at_s, heap[size].what
    place = 0
    while True:
        child = 4 * place + 1
        if child >= size:
            break
        least, least_s = child, heap[child].at_s
        for other in range(child + 1, min(child + 4, size)):
            if heap[other].at_s < least_s:
                least, least_s = other, heap[other].at_s
        if least_s >= at_s:
            break
        heap[place].at_s = least_s
        heap[place].what = heap[least].what
        place = least
    heap[place].at_s = at_s
    heap[place].what = what
    return taken


@_inlined
def awaited(state: State, visit: int) -> bool:
    """Whether anybody still waits for what this visit may bring."""
    v = state.visits[visit]
    request = state.requests[v.request]
    return request.outcome == PENDING and v.attempt == request.awaited and v.moved == 0


@_inlined
def begin(state: State, place: int, now_s: float) -> None:
    """Start what a station may start now."""
    station = state.stations[place]
    tier = state.tiers[station.tier]
    classes = state.queues.shape[0] // state.stations.shape[0]
    while station.queued > 0 and station.busy < station.servers:
        if tier.batch_wait_s > 0 and station.queued < tier.batch_most:
            oldest_s = np.inf
            for queue in range(place * classes, (place + 1) * classes):
                _drop_over(state, queue)
                first = state.queues[queue, 0]
                if first >= 0:
                    oldest_s = min(oldest_s, state.visits[first].entered_s)
            due_s = oldest_s + tier.batch_wait_s
            if now_s < due_s:
                if due_s < station.wake_s:
                    station.wake_s = due_s
                    push(state, due_s, WAKE * KIND + place)
                return
        leader, last, size = -1, -1, 0
        for queue in range(place * classes, (place + 1) * classes):
            while size < tier.batch_most:
                _drop_over(state, queue)
                visit = state.queues[queue, 0]
                if visit < 0:
                    break
                state.queues[queue, 0] = state.visits[visit].next
                state.visits[visit].next = -1
                state.visits[visit].state = RUNNING
                if leader < 0:
                    leader = visit
                else:
                    state.visits[last].next = visit
                last = visit
                size += 1
        station.queued -= size
        serve(state, place, leader, size, 0, now_s)


@_inlined
def serve(state: State, place: int, leader: int, size: int, woken: int, now_s: float) -> None:
    """Start a batch of so many at a station that has a server free."""
    station = state.stations[place]
    v = state.visits[leader]
    if state.tiers[station.tier].in_a_row > 1:
        lasts_s = service_in_a_row_s(state, place, station.begun, woken)
        station.begun += 1
    else:
        lasts_s = service_s(state, v.request, station.tier, 2 * v.attempt + v.hedged, woken)
    lasts_s *= state.growth[state.tiers[station.tier].growth + size - 1] * station.slower
    station.busy += 1
    station.busy_s += lasts_s
    push(state, now_s + lasts_s, DONE * KIND + leader)


@_inlined
def _drop_over(state: State, queue: int) -> None:
    """Pass over those at a queue's head who were taken out of it."""
    first = state.queues[queue, 0]
    while first >= 0 and state.visits[first].state != WAITING:
        first = state.visits[first].next
    state.queues[queue, 0] = first


@_inlined
def enter(state: State, request: int, region: int, tier: int, hedged: int, now_s: float) -> int:
    """Send a copy of a request to a region's tier, or to the first after it that has room.

    Its visit, or −1 where no tier has room.
    """
    r = state.requests[request]
    while tier < state.tiers.shape[0]:
        kind = state.tiers[tier]
        base = region * (state.stations.shape[0] // state.regions.shape[0]) + kind.station
        chosen = base
        if kind.queues > 1:
            if kind.route == 1:
                chosen = base + kind.turn % kind.queues
                kind.turn += 1
            else:
                code = 2 * r.sends + hedged
                both = draw(state.seed, request, ROUTE, tier, code, 1 << 31)
                chosen = base + (both & 0x7FFF) * kind.queues // 0x8000
                if kind.route == 2:
                    # Of the others one, so that the two are never the same.
                    other = (both >> 15) * (kind.queues - 1) // 0x10000
                    other = base + (chosen - base + 1 + other) % kind.queues
                    mine, its = state.stations[chosen], state.stations[other]
                    if its.queued + its.busy < mine.queued + mine.busy:
                        chosen = other
        station = state.stations[chosen]
        gone = state.regions[region, 0] == 0
        if gone or station.queued < kind.queue_most or station.busy < station.servers:
            break
        tier += 1
    else:
        return -1
    visit = state.counts[VISITS]
    state.counts[VISITS] = visit + 1
    v = state.visits[visit]
    v.entered_s, v.request, v.station, v.next = now_s, request, chosen, -1
    v.attempt, v.hedged, v.moved = r.sends, hedged, 0
    if hedged:
        r.hedge = visit
    else:
        r.visit = visit
    if gone:
        v.state = LOST
        return visit
    if kind.deadline_s < np.inf:
        state.entries[tier, kind.ends] = visit
        kind.ends += 1
    if station.queued == 0 and station.busy < station.servers and kind.batch_wait_s == 0:
        v.state = RUNNING
        serve(state, chosen, visit, 1, 1, now_s)
        return visit
    v.state = WAITING
    queue = chosen * (state.queues.shape[0] // state.stations.shape[0]) + r.urgency
    _drop_over(state, queue)
    if state.queues[queue, 0] < 0:
        state.queues[queue, 0] = visit
    else:
        state.visits[state.queues[queue, 1]].next = visit
    state.queues[queue, 1] = visit
    station.queued += 1
    begin(state, chosen, now_s)
    return visit


@_inlined
def send(state: State, request: int, now_s: float, hedged: int) -> None:
    """Send an attempt (or its second copy) to its region, or to one that is believed up."""
    r = state.requests[request]
    if not hedged:
        r.sends += 1
        r.awaited = r.sends
        r.hedge = -1
    region = r.home
    if state.regions[region, 1] == 0:
        up = 0
        for other in range(state.regions.shape[0]):
            up += state.regions[other, 1]
        if up == 0:
            if not hedged:
                give_up(state, request, now_s)
            return
        rank = draw(state.seed, request, REGION, 0, 2 * r.sends + hedged, up)
        for other in range(state.regions.shape[0]):
            if state.regions[other, 1]:
                if rank == 0:
                    region = other
                rank -= 1
    visit = enter(state, request, region, 0, hedged, now_s)
    if hedged:
        return
    if visit < 0:
        give_up(state, request, now_s)
        return
    state.firsts[state.counts[FIRSTS]] = visit
    state.counts[FIRSTS] += 1


@_compiled
def give_up(state: State, request: int, now_s: float) -> None:
    """An attempt has failed: another one, if there may be one."""
    r = state.requests[request]
    clients = state.clients[0]
    r.awaited = -1
    if r.sends < clients.attempts and (clients.budget == np.inf or state.clocks[TOKENS] >= 1):
        if clients.budget < np.inf:
            state.clocks[TOKENS] -= 1
        wait_s = 0.0
        if clients.backoff_s > 0:
            part = draw(state.seed, request, BACKOFF, 0, r.sends, 1 << 31) / (1 << 31)
            wait_s = part * clients.backoff_s * 2.0 ** (r.sends - 1)
        push(state, now_s + wait_s, RETRY * KIND + request)
    else:
        r.outcome = FAILED
        state.counts[LEFT] -= 1


@_inlined
def take_out(state: State, visit: int) -> None:
    """Out of its queue, where it waits in one and clients cancel."""
    if visit >= 0 and state.clients[0].cancel and state.visits[visit].state == WAITING:
        state.visits[visit].state = OVER
        state.stations[state.visits[visit].station].queued -= 1


@_compiled
def move_on(state: State, visit: int, now_s: float) -> None:
    """A tier's deadline has passed: its visit is left, and the next tier is asked."""
    v = state.visits[visit]
    station = state.stations[v.station]
    v.moved = 1
    take_out(state, visit)
    found = -1
    if station.tier + 1 < state.tiers.shape[0]:
        found = enter(state, v.request, station.region, station.tier + 1, v.hedged, now_s)
    if found < 0:
        r = state.requests[v.request]
        other = r.visit if v.hedged else r.hedge
        if other < 0 or not awaited(state, other):
            give_up(state, v.request, now_s)


@_inlined
def finish(state: State, leader: int, now_s: float) -> None:
    """A batch is done: its answers go to those who still wait."""
    if state.visits[leader].state == LOST:
        return
    place = state.visits[leader].station
    station = state.stations[place]
    station.busy -= 1
    visit = leader
    while visit >= 0:
        v = state.visits[visit]
        station.done += 1
        if awaited(state, visit):
            r = state.requests[v.request]
            r.outcome, r.done_s = ANSWERED, now_s
            r.tier, r.region = station.tier, station.region
            state.counts[LEFT] -= 1
            take_out(state, r.visit)
            take_out(state, r.hedge)
        else:
            station.wasted += 1
        v.state = OVER
        visit = v.next
    begin(state, place, now_s)


@_compiled
def change(state: State, now_s: float) -> None:
    """The next of the changes that were given."""
    told = state.changes[state.counts[NEXT_CHANGE]]
    state.counts[NEXT_CHANGE] += 1
    if told.kind == SERVERS:
        station = state.stations[told.where]
        station.slower = told.slower
        if told.servers >= 0:
            station.servers = told.servers
        begin(state, told.where, now_s)
    elif told.kind == GONE:
        state.regions[told.where, 0] = 0
        for visit in range(state.counts[VISITS]):
            v = state.visits[visit]
            if v.state != OVER and state.stations[v.station].region == told.where:
                v.state = LOST
        classes = state.queues.shape[0] // state.stations.shape[0]
        for place in range(state.stations.shape[0]):
            station = state.stations[place]
            if station.region == told.where:
                station.busy, station.queued, station.wake_s = 0, 0, np.inf
                for queue in range(place * classes, (place + 1) * classes):
                    state.queues[queue, 0] = -1
    elif told.kind == UNSEEN:
        state.regions[told.where, 1] = 0
    else:
        state.regions[told.where, 0] = 1
        state.regions[told.where, 1] = 1


@_compiled
def run(state: State, until_s: float) -> bool:
    """Go on until every request is answered or has failed, or until then; whether all are."""
    counts, requests, clients = state.counts, state.requests, state.clients[0]
    for place in range(state.stations.shape[0]):
        begin(state, place, state.clocks[NOW_S])
    while counts[LEFT] > 0:
        # Whoever is due first; an arrival before all others that are due at the same time.
        at_s, kind, who = np.inf, -1, -1
        if counts[HEAP] > 0:
            at_s, kind = state.heap[0].at_s, 0
        for place in range(state.tiers.shape[0]):
            tier = state.tiers[place]
            while tier.seen < tier.ends:
                visit = state.entries[place, tier.seen]
                if state.visits[visit].state <= RUNNING and awaited(state, visit):
                    due_s = state.visits[visit].entered_s + tier.deadline_s
                    if due_s < at_s:
                        at_s, kind, who = due_s, 1, place
                    break
                tier.seen += 1
        if clients.timeout_s < np.inf:
            while counts[TIMED] < counts[FIRSTS]:
                v = state.visits[state.firsts[counts[TIMED]]]
                request = requests[v.request]
                if request.outcome == PENDING and v.attempt == request.awaited:
                    if v.entered_s + clients.timeout_s < at_s:
                        at_s, kind = v.entered_s + clients.timeout_s, 2
                    break
                counts[TIMED] += 1
        if clients.hedge_s < np.inf:
            while counts[HEDGED] < counts[FIRSTS]:
                v = state.visits[state.firsts[counts[HEDGED]]]
                request = requests[v.request]
                if request.outcome == PENDING and v.attempt == request.awaited:
                    if v.entered_s + clients.hedge_s < at_s:
                        at_s, kind = v.entered_s + clients.hedge_s, 3
                    break
                counts[HEDGED] += 1
        if counts[NEXT_CHANGE] < state.changes.shape[0]:
            due_s = state.changes[counts[NEXT_CHANGE]].at_s
            if due_s <= at_s:
                at_s, kind = due_s, 4
        if counts[NEXT_ARRIVAL] < requests.shape[0]:
            due_s = requests[counts[NEXT_ARRIVAL]].arrived_s
            if due_s <= at_s:
                at_s, kind = due_s, 5
        if kind < 0:
            break  # what is left was lost, and nobody will hear of it
        if at_s > until_s:
            state.clocks[NOW_S] = until_s
            return False
        state.clocks[NOW_S] = at_s
        counts[EVENTS] += 1
        if kind == 5:
            request_number = counts[NEXT_ARRIVAL]
            counts[NEXT_ARRIVAL] += 1
            if clients.budget < np.inf:
                most = max(TOKENS_FROM * clients.budget, 1.0)
                state.clocks[TOKENS] = min(state.clocks[TOKENS] + clients.budget, most)
            send(state, request_number, at_s, 0)
        elif kind == 0:
            what = pop(state)
            if what < WAKE * KIND:
                finish(state, what, at_s)
            elif what < RETRY * KIND:
                state.stations[what - WAKE * KIND].wake_s = np.inf
                begin(state, what - WAKE * KIND, at_s)
            else:
                send(state, what - RETRY * KIND, at_s, 0)
        elif kind == 1:
            tier = state.tiers[who]
            visit = state.entries[who, tier.seen]
            tier.seen += 1
            move_on(state, visit, at_s)
        elif kind == 2:
            v = state.visits[state.firsts[counts[TIMED]]]
            counts[TIMED] += 1
            take_out(state, requests[v.request].visit)
            take_out(state, requests[v.request].hedge)
            give_up(state, v.request, at_s)
        elif kind == 3:
            v = state.visits[state.firsts[counts[HEDGED]]]
            counts[HEDGED] += 1
            send(state, v.request, at_s, 1)
        else:
            change(state, at_s)
    return True


@_compiled
def fill_service_times(
    state: State, tier: int, attempt: int, woken: int, found_s: NDArray[Any]
) -> None:
    """What each request's attempt takes at a tier, into an array with a place for each.

    In a row: each service of the tier's first station, in turn.
    """
    kind = state.tiers[tier]
    for number in range(found_s.size):
        if kind.in_a_row > 1:
            found_s[number] = service_in_a_row_s(state, kind.station, number, woken)
        else:
            found_s[number] = service_s(state, number, tier, 2 * attempt, woken)
