"""Language models under load, step by step: static batches against continuous batching.

    engine = Engine.measured({1: 0.02, 16: 0.04}, {16: 0.01, 256: 0.1}, batch_most=16)
    static(requests, engine, wait_s=0.1).tokens_per_s
    continuous(requests, engine).tokens_per_s
    replicas(requests, engine, machines=2).gaps_s
    disaggregated(requests, engine, readers=1, writers=1, handover_s=lambda tokens: 1e-5 * tokens)

A decoder gives one token to every sequence of its batch in each step, and a step takes hardly
longer for sixteen sequences than for one. So the question is how full the batch is. *Static*: it is
filled once, and its slots stay taken until the longest answer is done. *Continuous*: after each
step whoever is done leaves and whoever waits comes in (Yu et al., Orca, OSDI 2022). The times of a
step are measured on the real engine and given to `Engine`. *Disaggregated*: some machines only read
prompts and hand the cache over to others, which only write (Zhong et al., DistServe, OSDI 2024).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.errors import LabError
from lab_utils.measure.queueing import in_order

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Requests:
    """arrived_s: in order. prompt_tokens, new_tokens: of each, at least 1."""

    arrived_s: Floats
    prompt_tokens: NDArray[np.int_]
    new_tokens: NDArray[np.int_]

    @classmethod
    def of(cls, arrived_s: ArrayLike, prompt_tokens: ArrayLike, new_tokens: ArrayLike) -> Requests:
        """Checked, from lists or arrays; one number stands for all."""
        arrived = in_order(arrived_s)
        prompts, news = (
            np.broadcast_to(np.asarray(tokens, dtype=int), arrived.shape)
            for tokens in (prompt_tokens, new_tokens)
        )
        if prompts.min() < 1 or news.min() < 1:
            raise LabError(
                f"A request has {prompts.min()} prompt tokens or asks for {news.min()} new ones; "
                "expected at least 1 of each."
            )
        return cls(arrived, prompts, news)


@dataclass(frozen=True)
class Engine:
    """What a model's step takes, and how much fits.

    decode_s: sequences in the batch → seconds for one token of each. prefill_s: prompt tokens →
    seconds to read them, which also gives the first new token. batch_most: sequences at once.
    cache_tokens: what the KV cache holds, prompts and answers together; None is without limit.
    chunk_tokens: of a step at most; prompts are then read in pieces, beside those who write. None:
    a step reads whole prompts while the others wait, or writes. slowness: seconds since the first
    moment of the arrivals' clock → a factor on the step that begins then, for a machine whose speed
    was seen to change.
    """

    decode_s: Callable[[int], float]
    prefill_s: Callable[[int], float]
    batch_most: int
    cache_tokens: int | None = None
    chunk_tokens: int | None = None
    slowness: Callable[[float], float] = lambda now_s: 1.0

    def __post_init__(self) -> None:
        if self.batch_most < 1:
            raise LabError(f"The batch holds {self.batch_most}; expected at least 1 sequence.")

    @classmethod
    def measured(
        cls,
        decode_s: Mapping[int, float],
        prefill_s: Mapping[int, float],
        batch_most: int,
        cache_tokens: int | None = None,
        chunk_tokens: int | None = None,
    ) -> Engine:
        """From measured points, with straight lines between them, the last one also beyond.

        decode_s: sequences → seconds of a step. prefill_s: prompt tokens → seconds to read them.
        Raises LabError for fewer than two points of either.
        """
        lines = _lines(decode_s), _lines(prefill_s)
        return cls(*lines, batch_most, cache_tokens, chunk_tokens)


@dataclass(frozen=True)
class Generated:
    """When each request got its tokens; in seconds, in the order of arrival.

    token_s: of each request, when each of its tokens was sent. batch_sizes: sequences that were
    given a token in each decoding step. busy_s: time in steps, of all machines.
    """

    requests: Requests
    token_s: list[Floats]
    batch_sizes: NDArray[np.int_]
    busy_s: float

    @property
    def first_s(self) -> Floats:
        """When each had its first token."""
        return np.asarray([times[0] for times in self.token_s])

    @property
    def done_s(self) -> Floats:
        """When each had its last token."""
        return np.asarray([times[-1] for times in self.token_s])

    @property
    def gaps_s(self) -> Floats:
        """Between a token and the next, of all requests."""
        return np.concatenate([np.diff(times) for times in self.token_s])

    @property
    def time_to_first_token_s(self) -> Floats:
        """From arrival to the first token that its author sees."""
        return self.first_s - self.requests.arrived_s

    @property
    def latency_s(self) -> Floats:
        """From arrival to the last token."""
        return self.done_s - self.requests.arrived_s

    @property
    def time_per_token_s(self) -> Floats:
        """Between a request's tokens, on average; of those that asked for more than one."""
        several = self.requests.new_tokens > 1
        return ((self.done_s - self.first_s) / np.maximum(self.requests.new_tokens - 1, 1))[several]

    @property
    def tokens_per_s(self) -> float:
        """New tokens of all requests, from the first arrival to the last token."""
        lasted_s = self.done_s.max() - self.requests.arrived_s[0]
        return float(self.requests.new_tokens.sum() / lasted_s)


def static(
    requests: Requests, engine: Engine, wait_s: float = 0.0, padded_prompts: bool = False
) -> Generated:
    """A batch is filled once, and computed until its longest answer is done; then all are sent.

    It starts when it is full, or when its oldest request has waited `wait_s` and the engine is
    free. padded_prompts: all prompts are read as if they were as long as the longest.
    """
    token_s: list[Floats] = []
    sizes: list[int] = []
    now_s = busy_s = 0.0
    start = 0
    while start < requests.arrived_s.size:
        members = _next_batch(requests, engine, start, now_s, wait_s)
        full = members.size == engine.batch_most
        oldest_s = float(requests.arrived_s[start])
        # A batch that is not full has waited for company that did not come.
        begun_s = float(requests.arrived_s[members[-1]]) if full else oldest_s + wait_s
        now_s = max(now_s, begun_s)
        prompts, news = requests.prompt_tokens[members], requests.new_tokens[members]
        read = int(members.size * prompts.max() if padded_prompts else prompts.sum())
        steps = int(news.max()) - 1  # reading gives the first token
        took_s = engine.prefill_s(read) + steps * engine.decode_s(members.size)
        sizes += steps * [members.size]
        now_s, busy_s = now_s + took_s, busy_s + took_s
        token_s += [np.full(int(tokens), now_s) for tokens in news]
        start += members.size
    return Generated(requests, token_s, np.asarray(sizes, dtype=int), busy_s)


def continuous(requests: Requests, engine: Engine) -> Generated:
    """After each step whoever is done leaves, and whoever waits comes in, first come first served.

    A newcomer is let in if its whole answer fits into the cache, so nobody is sent away again. Its
    prompt is read as the engine reads. Raises LabError for a request that never fits.
    """
    _must_fit(requests, engine)
    token_s: list[list[float]] = [[] for _ in requests.arrived_s]
    unread, left = requests.prompt_tokens.copy(), requests.new_tokens.copy()
    whole = requests.prompt_tokens + requests.new_tokens
    waiting: deque[int] = deque(range(requests.arrived_s.size))
    inside: list[int] = []
    sizes: list[int] = []
    now_s = busy_s = 0.0
    while waiting or inside:
        if not inside:
            now_s = max(now_s, float(requests.arrived_s[waiting[0]]))
        inside += _let_in(requests, engine, waiting, inside, whole, now_s)
        reads, writes = _step(engine, inside, unread)
        step_s = _step_s(engine, sum(reads.values()), len(writes)) * engine.slowness(now_s)
        now_s, busy_s = now_s + step_s, busy_s + step_s
        for one, tokens in reads.items():
            unread[one] -= tokens
        begun = [one for one in reads if not unread[one]]  # a prompt's end gives the first token
        for one in begun + writes:
            token_s[one].append(now_s)
        left[begun + writes] -= 1
        if writes:
            sizes.append(len(writes))
        inside = [one for one in inside if left[one] > 0]
    all_s = [np.asarray(times) for times in token_s]
    return Generated(requests, all_s, np.asarray(sizes, dtype=int), busy_s)


def replicas(requests: Requests, engine: Engine, machines: int) -> Generated:
    """Machines that read and write (`continuous`), each given every so many-th request."""
    _at_least_one(machines=machines)
    turns = [np.arange(turn, requests.arrived_s.size, machines) for turn in range(machines)]
    return _merged(
        requests, ((turn, continuous(_some(requests, turn), engine)) for turn in turns if turn.size)
    )


def disaggregated(
    requests: Requests,
    engine: Engine,
    readers: int,
    writers: int,
    handover_s: Callable[[int], float],
) -> Generated:
    """Some machines read prompts, the others write answers; all of them are `engine`'s kind.

    A reader takes one prompt at a time, first come first served, and gives the first token.
    handover_s: prompt tokens → seconds in which their cache goes from a reader to a writer, one at
    a time on each reader's link, while the reader goes on. Writers are taken in turn.
    """
    _at_least_one(readers=readers, writers=writers)
    free_s = [(0.0, 0.0)] * readers  # of each reader and of its link
    read_s, handed_s = _empty(requests), _empty(requests)
    busy_s = 0.0
    for one, arrived_s in enumerate(requests.arrived_s):
        reader_s, link_s = heapq.heappop(free_s)
        tokens = int(requests.prompt_tokens[one])
        took_s = engine.prefill_s(tokens)
        read_s[one] = max(float(arrived_s), reader_s) + took_s
        busy_s += took_s
        if requests.new_tokens[one] > 1:
            link_s = max(float(read_s[one]), link_s) + handover_s(tokens)
            handed_s[one] = link_s
        heapq.heappush(free_s, (float(read_s[one]), link_s))
    several = np.flatnonzero(requests.new_tokens > 1)
    by_handover = several[np.argsort(handed_s[several], kind="stable")]
    # What was read is not read again: the writers' own "first token" is the reader's.
    only_writes = replace(engine, prefill_s=lambda tokens: 0.0, chunk_tokens=None)
    token_s = [read_s[[one]] for one in range(read_s.size)]
    sizes = [np.zeros(0, dtype=int)]
    for turn in range(min(writers, by_handover.size)):
        mine = by_handover[turn::writers]
        given = Requests.of(handed_s[mine], requests.prompt_tokens[mine], requests.new_tokens[mine])
        written = continuous(given, only_writes)
        for one, times in zip(mine, written.token_s, strict=True):
            token_s[one] = np.concatenate([token_s[one], times[1:]])
        sizes.append(written.batch_sizes)
        busy_s += written.busy_s
    return Generated(requests, token_s, np.concatenate(sizes), busy_s)


def _some(requests: Requests, which: NDArray[np.int_]) -> Requests:
    return Requests(
        requests.arrived_s[which], requests.prompt_tokens[which], requests.new_tokens[which]
    )


def _merged(requests: Requests, parts: Iterable[tuple[NDArray[np.int_], Generated]]) -> Generated:
    """One run of several machines' runs; each with the numbers of its requests."""
    token_s = [np.zeros(0)] * requests.arrived_s.size
    sizes, busy_s = [], 0.0
    for which, found in parts:
        for one, times in zip(which, found.token_s, strict=True):
            token_s[one] = times
        sizes.append(found.batch_sizes)
        busy_s += found.busy_s
    return Generated(requests, token_s, np.concatenate(sizes), busy_s)


def _at_least_one(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise LabError(f"{name} is {count}; expected at least 1.")


def _step(
    engine: Engine, inside: list[int], unread: NDArray[np.int_]
) -> tuple[dict[int, int], list[int]]:
    """Tokens that are read of each prompt, and who is given one."""
    reading = [one for one in inside if unread[one]]
    writing = [one for one in inside if not unread[one]]
    if engine.chunk_tokens is None:
        return {one: int(unread[one]) for one in reading}, [] if reading else writing
    room, reads = max(engine.chunk_tokens - len(writing), 1), {}
    for one in reading:
        tokens = min(int(unread[one]), room)
        if tokens:
            reads[one] = tokens
        room -= tokens
    return reads, writing


def _step_s(engine: Engine, read: int, writers: int) -> float:
    """A pass's time hangs on the tokens in it, whosever they are (lesson 2.1)."""
    if not writers:
        return engine.prefill_s(read)
    more_s = engine.prefill_s(writers + read) - engine.prefill_s(writers) if read else 0.0
    return engine.decode_s(writers) + max(more_s, 0.0)


def _lines(points: Mapping[int, float]) -> Callable[[int], float]:
    if len(points) < 2:
        raise LabError(f"{len(points)} measured points were given; expected at least two.")
    at, seconds = zip(*sorted(points.items()), strict=True)
    slope = float((seconds[-1] - seconds[-2]) / (at[-1] - at[-2]))

    def line(count: int) -> float:
        beyond: int = max(count - at[-1], 0)
        return float(np.interp(count, at, seconds)) + beyond * slope

    return line


def _next_batch(
    requests: Requests, engine: Engine, start: int, now_s: float, wait_s: float
) -> NDArray[np.int_]:
    """Who is in the batch that begins with `start`, once the engine is free at `now_s`."""
    leaves_s = max(now_s, float(requests.arrived_s[start]) + wait_s)
    there = int(np.searchsorted(requests.arrived_s, leaves_s, side="right"))
    return np.arange(start, min(max(there, start + 1), start + engine.batch_most))


def _let_in(
    requests: Requests,
    engine: Engine,
    waiting: deque[int],
    active: list[int],
    whole: NDArray[np.int_],
    now_s: float,
) -> list[int]:
    came: list[int] = []
    taken = int(whole[active].sum())
    while waiting and len(active) + len(came) < engine.batch_most:
        one = waiting[0]
        fits = engine.cache_tokens is None or taken + whole[one] <= engine.cache_tokens
        if requests.arrived_s[one] > now_s or not fits:
            break
        came.append(waiting.popleft())
        taken += int(whole[one])
    return came


def _must_fit(requests: Requests, engine: Engine) -> None:
    most = int((requests.prompt_tokens + requests.new_tokens).max())
    if engine.cache_tokens is not None and most > engine.cache_tokens:
        raise LabError(
            f"A request needs {most} tokens of cache, which holds {engine.cache_tokens}; it would "
            "wait for ever."
        )


def _empty(requests: Requests) -> Floats:
    return np.full(requests.arrived_s.size, np.nan)
