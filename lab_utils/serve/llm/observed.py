"""A running service as a monitor sees it: its own figures, and the processor time it takes.

scraped(service)["llm_queue_depth"]                     # of all labels together
watched(service, users=9, asked={"prompt": […], "new_tokens": 16}, for_s=3)
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import httpx
import numpy as np
import psutil
from prometheus_client.parser import text_string_to_metric_families

from lab_utils.errors import LabError
from lab_utils.measure.load.http import Poster
from lab_utils.serve.llm.service import LLMService

SAMPLE_S = 0.1
PACE_S = 0.5
"""A shared machine keeps a speed for some seconds; a look takes a few milliseconds."""
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Watched:
    """What a monitor showed while a number of users kept asking; means over the time.

    busy: of the service's cores, 0 to 1. waiting, running: requests. answers_per_s: tokens a
    second over tokens an answer. token_s: from one token of an answer to the next.
    """

    busy: float
    waiting: float
    running: float
    answers_per_s: float
    token_s: float


def scraped(service: LLMService) -> dict[str, float]:
    """The page at /metrics: sample name → value, the sum of its labels."""
    return _sums(_page(service))


def start_stages(service: LLMService) -> dict[str, float]:
    """Seconds of each stage of the service's start, in order, as it counts them itself."""
    return {
        sample.labels["stage"]: sample.value
        for family in text_string_to_metric_families(_page(service))
        for sample in family.samples
        if sample.name == "llm_start_seconds"
    }


@dataclass(frozen=True)
class Steps:
    """Steps of the engine so far, by the sequences in them. seconds: of all together."""

    seconds: Mapping[int, float]
    count: Mapping[int, float]

    def since(self, earlier: Steps) -> dict[int, tuple[float, float]]:
        """Sequences → seconds of all steps and their number since then, where there was one."""
        return {
            size: (seconds - earlier.seconds.get(size, 0), steps)
            for size, seconds in sorted(self.seconds.items())
            if (steps := self.count[size] - earlier.count.get(size, 0))
        }

    def mean_s(self, since: Steps) -> dict[int, float]:
        """What a step took since an earlier look: sequences → seconds, where there was one."""
        return {size: seconds / steps for size, (seconds, steps) in self.since(since).items()}


@dataclass(frozen=True)
class Pace:
    """The steps of a run, looked at again and again. looked_s: since the first look."""

    looked_s: Sequence[float]
    steps: Sequence[Steps]

    def mean_s(self) -> dict[int, float]:
        """What a step took over the whole run: sequences → seconds."""
        return self.steps[-1].mean_s(since=self.steps[0])

    def slowness(self) -> Callable[[float], float]:
        """Seconds since the first look → what steps took then, over what the same steps take.

        "The same": as many of each size, at their means over the whole run. So it is the machine's
        change of speed and says nothing of how full the batches were.
        """
        mean_s = self.mean_s()
        factors = []
        for earlier, later in pairwise(self.steps):
            since_s = later.since(earlier)
            usual_s = sum(mean_s[size] * steps for size, (_, steps) in since_s.items())
            took_s = sum(seconds for seconds, _ in since_s.values())
            factors.append(took_s / usual_s if usual_s else 1.0)
        ends_s = np.asarray(self.looked_s[1:])

        def factor(now_s: float) -> float:
            return factors[min(int(np.searchsorted(ends_s, now_s)), len(factors) - 1)]

        return factor


@contextmanager
def paced(service: LLMService, every_s: float = PACE_S) -> Iterator[Callable[[], Pace]]:
    """Look at the service's steps while the block runs; what is given tells them after it."""
    looks: list[tuple[float, Steps]] = []
    ended = threading.Event()

    def look() -> None:
        looks.append((time.monotonic(), steps_so_far(service)))

    def look_on() -> None:
        while not ended.wait(every_s):
            look()

    look()  # before the block's first request, not beside it
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look_on)
        try:
            yield lambda: Pace([at_s - looks[0][0] for at_s, _ in looks], [s for _, s in looks])
        finally:
            ended.set()
            looking.result()
            look()


def steps_so_far(service: LLMService) -> Steps:
    """What the service has counted, since it started."""
    found: dict[str, dict[int, float]] = {"sum": {}, "count": {}}
    for family in text_string_to_metric_families(_page(service)):
        if family.name == "llm_step_seconds":
            for sample in family.samples:
                kind = sample.name.rpartition("_")[2]
                found[kind][int(sample.labels["sequences"])] = sample.value
    return Steps(found["sum"], found["count"])


def watched(
    service: LLMService, users: int, asked: Mapping[str, Any], for_s: float, settle_s: float = 1.0
) -> Watched:
    """Let users ask the same again and again, each when it has its answer, and watch.

    The first `settle_s` are not counted. At the end they leave, whatever is still unanswered.
    Raises LabError where there is nobody, or where the service sends somebody away.
    """
    if users < 1 or not for_s > 0:
        raise LabError(f"{users} users were to ask for {for_s:g} s; expected at least 1, above 0.")
    crowd = _watch(service, users, dict(asked), settle_s, for_s)
    with ThreadPoolExecutor(1) as pool:  # a notebook's own thread has an event loop already
        return pool.submit(asyncio.run, crowd).result()


async def _watch(
    service: LLMService, users: int, asked: dict[str, Any], settle_s: float, for_s: float
) -> Watched:
    body = json.dumps(asked).encode()

    async def user() -> None:
        poster = Poster(f"{service.url}/generate")
        try:
            while True:
                status, said = await poster.post(body)
                if status != 200:
                    raise LabError(f"The service sent a user away: {said.decode()[:200]}")
        finally:
            poster.close()

    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:

        async def look() -> dict[str, float]:
            return _sums((await client.get(f"{service.url}/metrics")).text)

        tasks = [asyncio.create_task(user()) for _ in range(users)]
        try:
            await _pause(tasks, settle_s)
            first, first_cpu_s, begun_s = await look(), _cpu_s(service), time.monotonic()
            looks = [first]
            while time.monotonic() - begun_s < for_s:
                await _pause(tasks, SAMPLE_S)
                looks.append(await look())
            lasted_s = time.monotonic() - begun_s
            cpu_s = _cpu_s(service) - first_cpu_s
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError, LabError):
                    await task
    last = looks[-1]

    def grown(name: str) -> float:
        return last[name] - first[name]

    def mean(name: str) -> float:
        return sum(seen[name] for seen in looks) / len(looks)

    tokens = _answer_tokens(last) - _answer_tokens(first)
    return Watched(
        busy=cpu_s / lasted_s / service.threads,
        waiting=mean("llm_queue_depth"),
        running=mean("llm_running"),
        answers_per_s=tokens / asked["new_tokens"] / lasted_s,
        token_s=grown("llm_inter_token_seconds_sum") / grown("llm_inter_token_seconds_count"),
    )


async def _pause(tasks: list[asyncio.Task[None]], for_s: float) -> None:
    """Wait, and raise what befell a user meanwhile."""
    done, _ = await asyncio.wait(tasks, timeout=for_s, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


def _cpu_s(service: LLMService) -> float:
    used_s = 0.0
    for process in service.processes():
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used_s += times.user + times.system
    return used_s


def _page(service: LLMService) -> str:
    return httpx.get(f"{service.url}/metrics", trust_env=False, timeout=TIMEOUT_S).text


def _sums(page: str) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found[sample.name] += sample.value
            if sample.name == "llm_tokens_total":
                found[f"{sample.name} {sample.labels['kind']}"] += sample.value
    return found


def _answer_tokens(seen: Mapping[str, float]) -> float:
    return seen["llm_tokens_total answer"]
