"""Two services under the same requests, in turn: which is faster, and are the answers the same?

Both are started for real and stay up. A block is a handful of requests, sent by a few clients that
each wait for their answer (a closed loop: both services are always busy, so the rate is what they
can do). Each pair of blocks sends the same fresh requests to both, in an order that is drawn anew,
so a disturbance of the machine meets either; the figure is the median of the pairs' ratios, and
`decision.py` says when there are enough of them. The reference's replies say what the answers
should have been, and every reply that was timed is judged.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from lab_utils.components.sandbox import Sandbox
from lab_utils.components.watch import Share, Watch
from lab_utils.errors import LabError
from lab_utils.grade.answer import ANSWER
from lab_utils.grade.clients import Block, send
from lab_utils.grade.decision import Look, Plan, Standing, curve_of, stand
from lab_utils.grade.faults import all_judged, own
from lab_utils.grade.spec import Deployment, NotComparable, ServiceTask, Wrong
from lab_utils.grade.verdict import Figure
from lab_utils.machine.cores import available_cores, limited_to
from lab_utils.measure.interval import Interval, interval
from lab_utils.measure.percentile import percentile, samples_needed
from lab_utils.serve.freeze import still
from lab_utils.serve.web import WebService

MAX_CORES = 4
"""Services get at most this many cores: with one worker a core, memory stays within 4 GB."""
CLIENTS_PER_CORE = 2
BLOCK_S = 2.0
"""How long the slower service is kept busy in each pair, within these numbers of requests: """
LEAST_PER_CORE, MOST_PER_CORE = 2, 12
PLAN = Plan(
    (
        Look(2, 0.0025, margin=3.0),
        Look(4, 0.0025, margin=1.25),
        Look(7, 0.008),
        Look(18, 0.004),
    ),
    usual=7,
)
"""A pair takes seconds, so far from the bar two or four have to do; at the bar itself a side is
wrong in at most 1.7 % of gradings."""
ANSWER_APP = "lab_utils.grade.answer_app:create_app()"
PRELOAD = ("torch", "torchvision", "flask", "lab_utils.models.resnet")


@dataclass(frozen=True)
class Comparison:
    """ratio: the answer's requests per second over the reference's, in pairs."""

    ratio: Interval
    reference_rps: Interval
    answer_rps: Interval
    cores: int
    standing: Standing
    tails_s: tuple[Interval, Interval] | None = None
    """The task's percentile of both latencies, the reference's first."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """What `judge_all` found."""


def cores_to_use() -> int:
    """How many cores a service task is graded on."""
    return min(available_cores(), MAX_CORES)


def compare(
    task: ServiceTask,
    deployment: Deployment,
    answer_file: Path | None,
    seed: int,
    sandbox: Sandbox | None = None,
    share: Share = Share(),  # noqa: B008  frozen
    plan: Plan = PLAN,
    progress: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Start both services and compare them, for longer where the first pairs cannot decide.

    answer_file: what `answer_app` reads, for a deployment of the answer's own predictor. sandbox:
    where that one runs. share: what it and all that it starts may take. Raises Greedy where it
    took more; Wrong where the answer's service does not start, does not answer, or answers
    otherwise than the task's judge allows; NotComparable where the reference does not work.
    """
    cores = cores_to_use()
    curve = curve_of(task.bar(cores))
    seeds = random.Random(seed)
    needed = 0 if task.tail is None else samples_needed(task.tail)
    with ExitStack() as stack:
        progress("starting both services")
        reference, answer = _start_both(
            stack,
            _service(task.reference(cores), None),
            _service(deployment, answer_file, sandbox),
        )
        assert answer.process.pid is not None  # it has been started
        watch = stack.enter_context(Watch(answer.process.pid, share))
        pair = _Pair(task, reference, answer, watch, clients=CLIENTS_PER_CORE * cores)
        count = pair.clients
        warm = pair.run(task.draw(seeds.getrandbits(63), count), answer_first=True)
        wanted = round(BLOCK_S / (max(block.duration_s for block in warm) / count))
        count = min(max(wanted, LEAST_PER_CORE * cores), MOST_PER_CORE * cores)
        usual = max(plan.usual, math.ceil(needed / count))
        longest = max(usual, plan.longest)
        blocks: list[tuple[Block, Block]] = []
        standing = None
        while standing is None or (standing.share and count * len(blocks) < needed):
            of = usual if len(blocks) < usual else longest
            progress(f"pair {len(blocks) + 1} of at most {of}, {count} requests each")
            answer_first = bool(seeds.getrandbits(1))
            blocks.append(pair.run(task.draw(seeds.getrandbits(63), count), answer_first))
            standing = stand(_ratios(blocks), curve, plan)
    sides = list(zip(*blocks, strict=True))
    rates = [interval([count / block.duration_s for block in side]) for side in sides]
    enough = count * len(blocks) >= needed
    return Comparison(
        interval(_ratios(blocks)),
        rates[0],
        rates[1],
        cores,
        standing,
        _tails_s(task, sides) if enough else None,
        _figures(task, sides) if enough else {},
    )


def _ratios(blocks: Sequence[tuple[Block, Block]]) -> list[float]:
    """How many times as fast the answer is in each pair of blocks, the reference's first."""
    return [reference.duration_s / answer.duration_s for reference, answer in blocks]


def _tails_s(
    task: ServiceTask, sides: Sequence[Sequence[Block]]
) -> tuple[Interval, Interval] | None:
    if task.tail is None:
        return None
    latencies_s = [[r.latency_s for block in side for r in block.replies] for side in sides]
    return percentile(latencies_s[0], task.tail), percentile(latencies_s[1], task.tail)


def _figures(task: ServiceTask, sides: Sequence[Sequence[Block]]) -> Mapping[str, Figure]:
    if task.judge_all is None:
        return {}
    documents = [[d for block in side for d in block.documents] for side in sides]
    try:
        return task.judge_all(documents[0], documents[1])
    except Wrong:
        raise
    except Exception as error:  # every reply has been judged before
        raise own(error) from error


@dataclass(frozen=True)
class _Pair:
    """Both services, ready for the same requests."""

    task: ServiceTask
    reference: WebService
    answer: WebService
    watch: Watch
    clients: int

    def run(self, bodies: Sequence[bytes], answer_first: bool) -> tuple[Block, Block]:
        """Send the requests to both and judge all replies; gives the reference's block first."""
        order = [(self.reference, self.answer), (self.answer, self.reference)]
        blocks = {}
        for service, other in reversed(order) if answer_first else order:
            with still(other):  # whatever it would do meanwhile
                blocks[service] = send(f"{service.url}{self.task.path}", bodies, self.clients)
        expected, given = blocks[self.reference], blocks[self.answer]
        if failures := expected.failures:
            raise NotComparable(f"The reference service failed: {failures[0]}")
        self.watch.check()
        if failures := given.failures:
            raise Wrong(
                f"Your service failed {len(failures)} of {len(bodies)} requests ({failures[0]}). "
                "Every request needs an answer: call your function on a picture in the notebook "
                "and mend what it says."
            )
        all_judged(self.task.judge, expected.documents, given.documents)
        return expected, given


def _start_both(
    stack: ExitStack, reference: WebService, answer: WebService
) -> tuple[WebService, WebService]:
    """Both services, started at the same time and stopped with the stack."""
    services = reference, answer
    with limited_to(cores_to_use()), ThreadPoolExecutor(2) as threads:
        starting = [threads.submit(service.__enter__) for service in services]
    for service, future in zip(services, starting, strict=True):
        if future.exception() is None:
            stack.push(service)
    for future, failure in zip(starting, (_reference_failed, _answer_failed), strict=True):
        error = future.exception()
        if isinstance(error, LabError):
            raise failure(error)
        future.result()
    return services


def _reference_failed(error: LabError) -> Exception:
    return NotComparable(f"The reference service did not start: {error}")


def _answer_failed(error: LabError) -> Exception:
    reason = (str(error).strip().splitlines() or [""])[-1]
    return Wrong(
        f"Your service did not start ({reason}). Restart the kernel, run all cells, and mend "
        "what fails: the service runs your cells from the top."
    )


def _service(
    deployment: Deployment, answer_file: Path | None, sandbox: Sandbox | None = None
) -> WebService:
    return WebService(
        deployment.app or ANSWER_APP,
        workers=deployment.workers,
        compute_threads=deployment.compute_threads,
        folder=answer_file.parent if answer_file else None,
        environment=None if answer_file is None else {ANSWER: str(answer_file)},
        preload=PRELOAD,
        sandbox=sandbox,
    )
