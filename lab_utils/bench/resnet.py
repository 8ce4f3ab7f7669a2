"""What unit 1 gains in all: the solution of Lab 1 against the service as it was deployed.

All three services are real: gunicorn, Flask, JPEG over HTTP, on the same cores, with the same
pictures, in turn. *As deployed* is one worker a core with default threads; *tuned* is one worker a
core with one thread each; the solution is task 7's (INT8).

- `served_speedup`, `served_speedup_over_tuned`: requests a second, the solution's over theirs.
- `served_over_in_process`: the solution served, over the same predictors run in as many processes
  without a service around them, decoding included. What is missing to 1 is the service's price,
  and its clients': they share the cores. `ab` sends where it is installed, whose C takes a small
  part of what clients in Python take.
- `top1_agreement`: the part of the pictures with the tuned service's top label.
- `roofline_fraction`: operations a second that the served answers are worth, over the measured
  int8 matrix rate of this machine on all cores. Decoding and resizing count as nothing.
- `ab_rps`, `wrk_rps`: what the classical tools say of the solution (left out where missing).

    ./lab bench resnet --json
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch

from lab_utils.bench._document import Figure, say
from lab_utils.components.asked import AskedProcess
from lab_utils.components.catalogue import program
from lab_utils.components.together import Together
from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.grade.answer import ANSWER, write_answer
from lab_utils.grade.clients import Block, send
from lab_utils.grade.services import ANSWER_APP, CLIENTS_PER_CORE, PRELOAD
from lab_utils.grade.spec import load_lab
from lab_utils.grade.submission import read
from lab_utils.grade.workers import Workers
from lab_utils.machine.ceilings import ceilings
from lab_utils.machine.cores import available_cores
from lab_utils.measure.interval import Interval, interval, ratio_interval
from lab_utils.measure.load import programs
from lab_utils.models import pictures, resnet
from lab_utils.models.layers import layer_costs
from lab_utils.scale import at
from lab_utils.serve.web import WebService

UNIT, TASK = "1_resnet_service", "build_int8_predictor"
JOB_APP = "lab_utils.serve.resnet_app:create_app()"
ROUNDS_A_REPEAT = 3
MOST_PER_CORE = 96
"""Requests a core in a round, of what is fast: about two seconds' worth."""
QUADS, QUAD_PER_CORE = 3, 48
"""`served_over` in a round, each time with another picture; requests a core in its blocks."""
MODEL_LIMIT_S = 300.0


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """All figures; each round sends pictures to every service, and to none."""
    cores = available_cores()
    clients = CLIENTS_PER_CORE * cores
    say(
        "Predicted: served_speedup 8 or more (threads that fight, then fp32, then int8), "
        "served_speedup_over_tuned 4.5, served_over_in_process 0.9."
    )
    peak = ceilings().peak_per_s("int8")
    with tempfile.TemporaryDirectory(prefix="inference-lab-bench-") as folder, ExitStack() as stack:
        answer_file = make_solution(Path(folder))
        say("the solution's model is made")
        alone = stack.enter_context(in_process(answer_file, cores))
        services = Together(
            {
                "deployed": WebService(JOB_APP, workers=cores, compute_threads=None),
                "tuned": WebService(JOB_APP, workers=cores, compute_threads=1),
                "solution": WebService(
                    ANSWER_APP,
                    workers=cores,
                    compute_threads=1,
                    folder=answer_file.parent,
                    environment={ANSWER: str(answer_file)},
                    preload=PRELOAD,
                ),
            }
        )
        stack.callback(services.stop)
        count = {"deployed": 8, "tuned": at(scale, ci=24, laptop=48), "solution": MOST_PER_CORE}
        rounds: dict[str, list[Block]] = {name: [] for name in services}
        kept_parts: list[float] = []
        for number in range(-1, ROUNDS_A_REPEAT * repeats):
            jpegs = [p.jpeg for p in pictures.draw(cores * MOST_PER_CORE, seed=1000 + number)]
            blocks = {}
            for name in list(services) if number % 2 else list(services)[::-1]:
                bodies = jpegs[: cores * count[name]]
                blocks[name] = send(f"{services[name].url}/predict", bodies, clients)
                if failures := blocks[name].failures:
                    raise LabError(f"The {name} service failed: {failures[0]}")
            kept = [
                served_over(alone, f"{services['solution'].url}/predict", jpeg, clients)
                for jpeg in jpegs[:QUADS]
            ]
            if number < 0:  # the warm-up
                continue
            for name, block in blocks.items():
                rounds[name].append(block)
            kept_parts += kept
            say(f"round {number + 1}: {rps(blocks['solution']):.1f} requests/s from the solution")
        classical = _classical(f"{services['solution'].url}/predict", jpegs, clients)
    rates = {name: [rps(block) for block in blocks] for name, blocks in rounds.items()}
    return {
        "served_speedup": ratio_interval(rates["solution"], rates["deployed"]),
        "served_speedup_over_tuned": ratio_interval(rates["solution"], rates["tuned"]),
        "served_over_in_process": interval(kept_parts),
        "top1_agreement": agreement(rounds["tuned"], rounds["solution"]),
        "roofline_fraction": interval(rates["solution"]).scaled(operations() / peak),
        "deployed_rps": interval(rates["deployed"]),
        "tuned_rps": interval(rates["tuned"]),
        "solution_rps": interval(rates["solution"]),
        **classical,
    }


def make_solution(folder: Path) -> Path:
    """Have the solution make its model; gives the file that serves it.

    Raises LabError where it left no model: every process would then make one of its own.
    """
    task = load_lab(UNIT)[TASK]
    cells = read(ROOT / "solutions" / UNIT / "lab.ipynb").cells_for(task)
    made = folder / "made"
    with (
        Workers() as workers,
        workers.folder() as shared,
        workers.answer(cells, task.function, MODEL_LIMIT_S) as build,
    ):
        build(folder=str(shared), compute_threads=1)
        shutil.copytree(shared, made)
    if not any(made.iterdir()):
        raise LabError(f"The solution of {TASK} left no model in the folder that it was given.")
    path = folder / "answer.json"
    write_answer(path, cells, task.function, {"folder": str(made), "compute_threads": 1})
    return path


@contextmanager
def in_process(answer_file: Path, processes: int) -> Iterator[list[AskedProcess]]:
    """The predictor in so many processes, warm and waiting; they end with the block."""
    command = [sys.executable, "-m", "lab_utils.bench._in_process", str(answer_file)]
    with ExitStack() as stack:
        yield [
            stack.enter_context(AskedProcess(f"predictor {number + 1}", command))
            for number in range(processes)
        ]


def served_over(alone: Sequence[AskedProcess], url: str, jpeg: bytes, clients: int) -> float:
    """The rate over HTTP by the rate without, from four blocks: served, alone, alone, served.

    What is looked for is some per cent. A core that another tenant's work shares loses a third of
    its speed for some seconds, then has it back: blocks are well shorter than that, and in this
    order a drift meets both alike.
    """
    jpegs = [jpeg] * QUAD_PER_CORE * len(alone)
    rates: dict[str, list[float]] = {"served": [], "alone": []}
    for which in ("served", "alone", "alone", "served"):
        served = which == "served"
        rate_rps = served_rps(url, jpegs, clients) if served else together_rps(alone, jpegs)
        rates[which].append(rate_rps)
    return sum(rates["served"]) / sum(rates["alone"])


def served_rps(url: str, jpegs: Sequence[bytes], clients: int) -> float:
    """Requests a second of a closed loop: `ab`'s, or our own clients' where it is missing."""
    ab = program("ab")
    if ab is None:
        block = send(url, jpegs, clients)
        failed, rate_rps = len(block.failures), rps(block)
    else:
        result = programs.ab(ab, url, jpegs, connections=clients, requests=len(jpegs))
        failed, rate_rps = result.failed, result.rate_rps
    if failed:
        raise LabError(
            f"The solution failed {failed} of {len(jpegs)} requests; expected none. Run "
            "`./lab check 1` on it."
        )
    return rate_rps


def together_rps(processes: Sequence[AskedProcess], jpegs: Sequence[bytes]) -> float:
    """Pictures a second when the processes share them and work at the same time."""
    shares = [jpegs[i :: len(processes)] for i in range(len(processes))]
    with ThreadPoolExecutor(len(processes)) as pool:
        answers = pool.map(lambda process, share: process.ask({"jpegs": share}), processes, shares)
        return float(
            sum(
                len(share) / answer["duration_s"]
                for share, answer in zip(shares, answers, strict=True)
            )
        )


def agreement(expected: Sequence[Block], given: Sequence[Block]) -> Interval:
    """The part of the pictures with the same top label; the shorter block of a pair counts."""
    same = [
        right["top5"][0]["label"] == answer["top5"][0]["label"]
        for one, other in zip(expected, given, strict=True)
        for right, answer in zip(one.documents, other.documents, strict=False)
    ]
    return interval(np.asarray(same, dtype=float), np.mean)


def operations() -> float:
    """Multiplications and additions in the network's layers for one picture."""
    costs = layer_costs(resnet.load().network, torch.zeros(1, 3, 224, 224))
    return float(sum(2 * cost.multiply_adds for cost in costs.values()))


def rps(block: Block) -> float:
    """Requests a second in a block."""
    return len(block.replies) / block.duration_s


def _classical(url: str, jpegs: Sequence[bytes], clients: int) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    if (ab := program("ab")) is not None:
        found["ab_rps"] = programs.ab(ab, url, jpegs, connections=clients, requests=400).rate_rps
    if (wrk := program("wrk")) is not None:
        found["wrk_rps"] = programs.wrk(wrk, url, jpegs, connections=clients, duration_s=5).rate_rps
    return found
