"""What this machine can do at most: bytes moved a second, and matrix operations a second.

    everything = ceilings()            # all cores; measured once, then kept
    one = ceilings(threads=1)
    everything.read.per_s              # Interval, bytes a second
    everything.matrix["int8"].through  # which call reached it
    everything.ridge_point("fp32")     # operations a byte

A ceiling is the best *sustained* rate: every way and size is warmed up, then timed in rounds, in
turn with all others, each for at least `RUN_S`; the rate of a way is the median of its rounds, and
the ceiling is the way with the highest median. A single lucky run does not count. A round during
which other processes wanted the same cores is measured again; where they never leave, the result
says so and is not kept.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from filelock import FileLock

from lab_utils.errors import LabError
from lab_utils.files import cache_folder, write_json
from lab_utils.machine.caches import caches
from lab_utils.machine.cores import available_cores
from lab_utils.machine.facts import facts, memory_bytes, versions
from lab_utils.machine.kernels import (
    PRECISIONS,
    SIZES,
    Kernel,
    copying,
    reading,
    ways_to_multiply,
)
from lab_utils.measure.interval import Interval, interval

RECIPE = 2
"""Raised whenever the way of measuring changes, so that no older result is used."""
ROUNDS = 6
RUN_S = 0.04
TRIES = 3
"""Of each round, until other processes leave it the cores; the quietest one counts."""
LEAVES_CORES = 0.1
"""Cores that others may use beyond those that are left over."""
LONGEST_CALL_S = 0.06
"""Matrix sizes grow until one call takes longer: larger ones gain nothing more."""
BEYOND_CACHE = 4
"""Each array is this many times the last-level cache, so that hardly any of it is found there."""
LEAST_ARRAY_BYTES = 2**28
Watch = Callable[[Sequence[int]], Iterable[int]]
"""Iterates a sequence and shows how far it has come (`show.progress.watching`)."""
Clock = Callable[[Callable[[], object]], float]
"""Calls something and says how many seconds it took."""


@dataclass(frozen=True)
class Rate:
    """A ceiling: bytes or operations a second, and the call that reached it."""

    per_s: Interval
    through: str

    def over(self, other: Rate) -> Interval:
        """How many times the other: the medians' ratio, as wide as the two intervals allow."""
        mine, its = self.per_s, other.per_s
        ratio = mine.median / its.median
        return Interval(ratio, mine.low / its.high, mine.high / its.low, min(mine.n, its.n))


@dataclass(frozen=True)
class Ceilings:
    """What a device can do at most with so many threads, when it was measured, and on what.

    read: bytes a second. copy: bytes read plus bytes written a second. matrix: operations a second
    for each precision ("fp32", "bf16", "int8"); one that no library here can do is left out.
    array_bytes: of each array read or copied. took_s: what measuring took. disturbed_cores: how
    many of the cores that it needed other processes used meanwhile (0 on a quiet machine).
    """

    device: str
    threads: int
    read: Rate
    copy: Rate
    matrix: Mapping[str, Rate]
    array_bytes: int
    measured: str
    took_s: float
    disturbed_cores: float
    machine: Mapping[str, Any]
    versions: Mapping[str, str]

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """The median read bandwidth: the sloping roof of the roofline."""
        return self.read.per_s.median

    def peak_per_s(self, precision: str) -> float:
        """The median matrix rate of a precision, in operations a second: a flat roof."""
        if precision not in self.matrix:
            known = ", ".join(self.matrix)
            raise LabError(f"No matrix rate of {precision!r} was measured; measured are: {known}.")
        return self.matrix[precision].per_s.median

    def ridge_point(self, precision: str) -> float:
        """Operations a byte at which the two roofs meet."""
        return self.peak_per_s(precision) / self.bandwidth_bytes_per_s

    def as_dict(self) -> dict[str, Any]:
        """As it is kept on disk and stands in a report."""
        return asdict(self)


def ceilings(
    threads: int | None = None, device: str = "cpu", *, anew: bool = False, watch: Watch = iter
) -> Ceilings:
    """The ceilings of this machine with so many compute threads (default: one a core).

    Measured on first use (about ten seconds), then read from the cache until the machine or a
    library changes; `anew` measures again. `device` is "cpu" or "cuda" (threads are then of no
    account). Two processes that ask at once do not measure at once.
    """
    if device not in ("cpu", "cuda"):
        raise LabError(f"The device is {device!r}; expected 'cpu' or 'cuda'.")
    if device == "cuda" and not torch.cuda.is_available():
        raise LabError(
            "The ceilings of a GPU were asked for and PyTorch sees none here; ask for device='cpu'."
        )
    cores = available_cores()
    threads = cores if threads is None else threads
    if not 1 <= threads <= cores:
        raise LabError(f"The number of threads is {threads}; expected 1 to {cores}, the cores.")
    path = _path(device, threads)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        kept = None if anew else _kept(path)
        if kept is None:
            kept = measure(threads, device, watch)
            if kept.disturbed_cores <= LEAVES_CORES:
                write_json(path, kept.as_dict())
    return kept


def measure(threads: int, device: str = "cpu", watch: Watch = iter) -> Ceilings:
    """Measure now, keep nothing."""
    start_s = time.monotonic()
    clock = _cuda_seconds if device == "cuda" else _seconds
    with compute_threads(threads):
        array = torch.ones(array_bytes(device) // 4, device=device)
        other = torch.ones_like(array)
        groups: dict[str, list[Kernel]] = {
            "read": reading(array, other),
            "copy": copying(array, other),
        }
        for precision in PRECISIONS:
            groups[precision] = list(_worth_timing(precision, device, threads, clock))
        kernels = [k for kernels in groups.values() for k in kernels]
        rates, disturbed_cores = _rates(kernels, clock, watch, threads)
    best = {name: _best(kernels, rates) for name, kernels in groups.items() if kernels}
    return Ceilings(
        device=facts().processor if device == "cpu" else torch.cuda.get_device_name(),
        threads=threads,
        read=best.pop("read"),
        copy=best.pop("copy"),
        matrix=best,
        array_bytes=array.nbytes,
        measured=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        took_s=round(time.monotonic() - start_s, 1),
        disturbed_cores=round(disturbed_cores, 2),
        machine=facts().as_dict() | {"instruction_sets": list(facts().instruction_sets)},
        versions=versions(),
    )


def _worth_timing(precision: str, device: str, threads: int, clock: Clock) -> Iterator[Kernel]:
    """Warmed-up products of growing size in every way, until a call of the next would take long.

    A library that cannot multiply in this precision is passed over.
    """
    for way in ways_to_multiply(precision, device):
        for size in SIZES:
            try:
                kernel = way(size, device, threads)
                clock(kernel.call)
                seconds = clock(kernel.call)
            except (RuntimeError, ImportError):
                break
            yield kernel
            if seconds > LONGEST_CALL_S / 8:  # the next has 8 times as much to do
                break


def _rates(
    kernels: Sequence[Kernel], clock: Clock, watch: Watch, threads: int
) -> tuple[dict[int, list[float]], float]:
    """Work a second of every kernel, one figure a round, by the kernel's identity.

    And how many of the cores it needed others used, in the worst of the rounds that count.
    """
    rates: dict[int, list[float]] = {id(kernel): [] for kernel in kernels}
    worst_cores = 0.0
    for _ in watch(range(ROUNDS)):
        tries: list[tuple[float, dict[int, float]]] = []
        while len(tries) < TRIES and (not tries or tries[-1][0] > LEAVES_CORES):
            others = _OtherProcesses()
            round_ = {id(kernel): _rate_now(kernel, clock) for kernel in kernels}
            left_over = available_cores() - threads
            tries.append((max(0.0, others.busy_cores() - left_over), round_))
        disturbed_cores, quietest = min(tries, key=lambda one: one[0])
        worst_cores = max(worst_cores, disturbed_cores)
        for kernel, rate in quietest.items():
            rates[kernel].append(rate)
    return rates, worst_cores


def _rate_now(kernel: Kernel, clock: Clock) -> float:
    calls, seconds = 1, clock(kernel.call)
    if seconds < RUN_S:  # too short, and what ran before may still have held a cache
        calls = max(1, round(RUN_S / max(seconds, 1e-6)))
        seconds = clock(partial(_repeat, kernel.call, calls))
    return calls * kernel.work / seconds


class _OtherProcesses:
    """How many cores others keep busy from now on, a hypervisor's other guests included."""

    def __init__(self) -> None:
        self._start = self._now()

    def busy_cores(self) -> float:
        """On average since this was made. The system counts in hundredths of a second."""
        passed_s, all_s, own_s = (b - a for a, b in zip(self._start, self._now(), strict=True))
        return max(0.0, (all_s - own_s) / passed_s)

    @staticmethod
    def _now() -> tuple[float, float, float]:
        cores = psutil.cpu_times(percpu=True)
        if hasattr(os, "sched_getaffinity"):
            cores = [cores[core] for core in os.sched_getaffinity(0) if core < len(cores)]
        kinds = ("user", "nice", "system", "irq", "softirq", "steal")
        busy_s = sum(getattr(core, kind, 0.0) for core in cores for kind in kinds)
        return time.perf_counter(), busy_s, time.process_time()


def _repeat(call: Callable[[], object], calls: int) -> None:
    for _ in range(calls):
        call()


def _best(kernels: Sequence[Kernel], rates: Mapping[int, Sequence[float]]) -> Rate:
    candidates = [Rate(interval(rates[id(kernel)]), kernel.through) for kernel in kernels]
    return max(candidates, key=lambda rate: rate.per_s.median)


def _seconds(call: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    call()
    return time.perf_counter() - start_s


def _cuda_seconds(call: Callable[[], object]) -> float:
    """By the GPU's own clock, between two events on its stream: launching is asynchronous."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1e3


@contextmanager
def compute_threads(threads: int) -> Iterator[None]:
    """PyTorch computes with so many threads inside the `with` block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def array_bytes(device: str) -> int:
    """Beyond the last-level cache, within a sixteenth of the memory, a multiple of 16 kB."""
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        cache, memory = properties.L2_cache_size, properties.total_memory
    else:
        cache, memory = max(caches().values(), default=0), memory_bytes()
    wanted = min(max(BEYOND_CACHE * cache, LEAST_ARRAY_BYTES), memory // 16)
    return wanted // 2**14 * 2**14


def _path(device: str, threads: int) -> Path:
    """The file of this machine's ceilings: another processor, core count or version is another."""
    known = facts().as_dict() | {"memory_gb": None, "python": None}
    fingerprint = json.dumps([RECIPE, device, threads, known, versions()], sort_keys=True)
    digest = hashlib.sha256(fingerprint.encode()).hexdigest()[:16]
    return cache_folder() / f"ceilings-{digest}.json"


def _kept(path: Path) -> Ceilings | None:
    """What was measured before; None where there is nothing that can be read."""
    try:
        document = json.loads(path.read_text())
        read, copy = _rate(document.pop("read")), _rate(document.pop("copy"))
        matrix = {name: _rate(rate) for name, rate in document.pop("matrix").items()}
        return Ceilings(read=read, copy=copy, matrix=matrix, **document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _rate(document: Mapping[str, Any]) -> Rate:
    return Rate(Interval(**document["per_s"]), document["through"])
