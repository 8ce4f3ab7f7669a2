"""A service under load from the generators that this machine has, and what it costs the processor.

ab sends an exact count and wrk keeps every latency; where one is missing k6, which comes with the
environment, takes its place, and where that is missing too, our own generator does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import psutil

from lab_utils.components.catalogue import program
from lab_utils.measure.load import loadgen, programs
from lab_utils.measure.load.generator import closed_loop, post
from lab_utils.measure.load.result import LoadResult
from lab_utils.serve.web import WebService


@dataclass(frozen=True)
class ServedLoad:
    """One run against a service, and the processor time that its processes spent on it."""

    load: LoadResult
    cpu_s: float

    @property
    def cpu_per_answer_s(self) -> float:
        """Core-seconds for each answer; waiting in a busy loop counts, sleeping does not."""
        return self.cpu_s / self.load.answered


def generators() -> str:
    """Which programs `count` and `for_a_time` use on this machine, as a sentence."""
    counting = _first(["ab", "k6"])
    timing = _first(["wrk", "k6"])
    return f"Load comes from {counting} (exact counts) and {timing} (for a time)."


def count(
    service: WebService, jpegs: Sequence[bytes], *, connections: int, requests: int
) -> ServedLoad:
    """An exact number of requests, from ab, else k6, else our generator: a closed loop."""
    before_s = service.cpu_s()
    load = _count(f"{service.url}/predict", jpegs, connections, requests)
    return ServedLoad(load, service.cpu_s() - before_s)


def for_a_time(
    service: WebService,
    jpegs: Sequence[bytes],
    *,
    connections: int,
    duration_s: int,
    rate_rps: float,
) -> ServedLoad:
    """About `duration_s` of load from wrk, else the count that `rate_rps` makes of it from k6."""
    url = f"{service.url}/predict"
    before_s = service.cpu_s()
    if (wrk := program("wrk")) is not None:
        load = programs.wrk(wrk, url, jpegs, connections=connections, duration_s=duration_s)
    else:
        requests = max(2 * connections, round(duration_s * rate_rps))
        load = _count(url, jpegs, connections, requests, known=("k6",))
    return ServedLoad(load, service.cpu_s() - before_s)


@dataclass
class Company:
    """Who used the processor while a load ran, in cores on average; known after the block."""

    service_cores: float = 0.0
    generator_cores: float = 0.0
    others_cores: float = 0.0


@contextmanager
def company(service: WebService | None = None) -> Iterator[Company]:
    """Watch the machine's processor time: the service's part, this process's, everybody else's.

    service: None where this process works by itself. Others are all that neither the service nor
    this process accounts for: neighbours, the kernel, on a virtual machine also what the host took
    away ("steal").
    """
    found = Company()

    def spent_s() -> tuple[float, float, float]:
        served_s = 0.0 if service is None else service.cpu_s()
        return _busy_core_s(), served_s, time.process_time()

    begun_s, before = time.perf_counter(), spent_s()
    yield found
    after = spent_s()
    lasted_s = time.perf_counter() - begun_s
    busy, served, ours = ((b - a) / lasted_s for a, b in zip(before, after, strict=True))
    found.service_cores, found.generator_cores = served, ours
    found.others_cores = max(0.0, busy - served - ours)


def _busy_core_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def tools(
    service: WebService,
    jpegs: Sequence[bytes],
    *,
    connections: int,
    duration_s: int,
    rate_rps: float,
) -> dict[str, Callable[[], LoadResult]]:
    """Every generator that this machine has, as closed loops of one length; name → one run.

    Those that count are given what `rate_rps` answers in `duration_s`. LoadGen's closed loop
    (SingleStream) has one connection, so it is there where `connections` is 1.
    """
    url, requests = f"{service.url}/predict", max(2 * connections, round(duration_s * rate_rps))
    runs: dict[str, Callable[[], LoadResult]] = {}
    for name in ("ab", "k6"):
        if program(name) is not None:
            runs[name] = partial(_count, url, jpegs, connections, requests, known=(name,))
    if (wrk := program("wrk")) is not None:
        runs["wrk"] = partial(
            programs.wrk, wrk, url, jpegs, connections=connections, duration_s=duration_s
        )
    if loadgen.available() and connections == 1:
        runs["LoadGen"] = partial(
            loadgen.loadgen,
            "SingleStream",
            url,
            jpegs,
            rate_rps=rate_rps,
            duration_s=duration_s,
        )
    runs["ours"] = partial(
        closed_loop, post(url), jpegs, connections=connections, requests=requests
    )
    return runs


def _count(
    url: str,
    jpegs: Sequence[bytes],
    connections: int,
    requests: int,
    known: Sequence[str] = ("ab", "k6"),
) -> LoadResult:
    for name, run in (("ab", programs.ab), ("k6", programs.k6)):
        path = program(name) if name in known else None
        if path is not None:
            return run(path, url, jpegs, connections=connections, requests=requests)
    return closed_loop(post(url), jpegs, connections=connections, requests=requests)


def _first(names: Sequence[str]) -> str:
    for name in names:
        path = program(name)
        if path is not None:
            return programs.version(path)
    return "Inference Lab's own generator"
