"""One variant in a process of its own: its start, its memory and its times are its own.

    with VariantProcess("ONNX Runtime", artefact, threads=2) as worker:
        worker.startup.durations_s       # {"start Python": …, "import": …, "load": …}
        worker.resident_bytes()
        answered = worker.answer(inputs)     # logits, and the seconds of each picture

Side by side in one process, engines disturb each other: each keeps its helper threads spinning for
a while after its last picture, and memory cannot be told apart. Here a process computes when asked
and sleeps otherwise. The clock stands in the process, around the runner alone.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil

from lab_utils.components.asked import AskedProcess
from lab_utils.components.together import Together
from lab_utils.errors import LabError
from lab_utils.machine.cores import thread_environment
from lab_utils.measure.stages import Stages
from lab_utils.optimize.artefacts import Artefact
from lab_utils.optimize.onednn import Primitive, primitives
from lab_utils.optimize.variant import Floats, Runner
from lab_utils.optimize.variants import load, variant


@dataclass(frozen=True)
class Answered:
    """Pictures answered one by one: logits (pictures, labels), and seconds for each."""

    logits: Floats
    durations_s: list[float]


class VariantProcess(AskedProcess):
    """A loaded variant, alive only inside the `with` block.

    engine, threads, precision: as `Runner` has them. startup: from starting Python until it has
    answered an empty picture. resident: bytes of memory (the kernel's RSS) after the stages
    "import" and "load". Raises LabError where it cannot be loaded.
    """

    def __init__(self, name: str, artefact: Artefact, threads: int) -> None:
        variant(name)
        self.artefact = artefact
        self.startup = Stages()
        self.resident: dict[str, int] = {}
        self.engine, self.threads, self.precision = "", 0, ""
        command = [sys.executable, "-m", "lab_utils.optimize.worker", name, str(artefact.folder)]
        command += [str(threads)]
        super().__init__(name, command, environment=thread_environment(threads))

    def __enter__(self) -> Self:
        super().__enter__()
        self.startup = Stages(durations_s=self.told["startup"])
        self.resident = self.told["resident"]
        self.engine, self.threads = self.told["engine"], self.told["threads"]
        self.precision = self.told["precision"]
        return self

    def answer(self, inputs: Floats, warm_up: int = 0) -> Answered:
        """Each of the pictures (N, 3, 224, 224) by itself, after `warm_up` of them untimed."""
        said = self.ask({"inputs": np.ascontiguousarray(inputs), "warm_up": warm_up})
        return Answered(said["logits"], said["durations_s"])

    def primitives(self, inputs: Floats) -> list[Primitive]:
        """What oneDNN executes for the pictures (N, 3, 224, 224); only PyTorch's eager modes tell.

        Writing each line costs time, so no speed is taken from such a run.
        """
        self.answer(inputs[:1])
        before = len(self.log())
        self.ask({"inputs": np.ascontiguousarray(inputs), "warm_up": 0, "verbose": True})
        return primitives(self.log()[before:])

    def resident_bytes(self) -> int:
        """Memory of the process now: code, weights and activations (the kernel's RSS)."""
        return int(self.ask({"memory": True})["resident_bytes"])


class Running(Together[VariantProcess]):
    """Several variants, kept until `stop()`."""

    def start(
        self, artefacts: Mapping[str, Artefact], threads: int, at_once: int | None = None
    ) -> None:
        """Start more of them, at the same time; a name that runs already is left as it is.

        artefacts: by the variants' names. threads: compute threads of each. at_once: as for `add`.
        """
        new = [name for name in artefacts if name not in self]
        self.add({name: VariantProcess(name, artefacts[name], threads) for name in new}, at_once)


def _main(name: str, folder: str, threads: str, line: str) -> None:
    """The process: load, say so, then answer until the line is closed."""
    startup = Stages(durations_s={"start Python": time.time() - psutil.Process().create_time()})
    resident: dict[str, int] = {}
    connection = Connection(int(line))
    try:
        with startup.stage("import"):
            for module in variant(name).imports:
                importlib.import_module(module)
        resident["import"] = _resident_bytes()
        with startup.stage("load"):
            runner = load(name, Path(folder), int(threads))
        resident["load"] = _resident_bytes()
    except LabError as error:
        connection.send({"error": str(error)})
        return
    connection.send(
        {
            "startup": startup.durations_s,
            "resident": resident,
            "engine": runner.engine,
            "threads": runner.threads,
            "precision": runner.precision,
        }
    )
    while True:
        try:
            question = connection.recv()
        except EOFError:
            os._exit(0)  # taking PyTorch apart object by object costs a second
        if "memory" in question:
            connection.send({"resident_bytes": _resident_bytes()})
            continue
        try:
            with _verbose(question.get("verbose", False)):
                answered = _answer(runner, question["inputs"], question["warm_up"])
            connection.send(answered)
        except LabError as error:
            connection.send({"error": str(error)})


def _answer(runner: Runner, pictures: Floats, warm_up: int) -> dict[str, Any]:
    for picture in pictures[:warm_up]:
        runner(picture[None])
    logits, durations_s = [], []
    for picture in pictures:
        start_s = time.perf_counter()
        logits.append(runner(picture[None]))
        durations_s.append(time.perf_counter() - start_s)
    return {"logits": np.concatenate(logits), "durations_s": durations_s}


@contextmanager
def _verbose(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    import torch

    mkldnn = torch.backends.mkldnn
    with mkldnn.verbose(mkldnn.VERBOSE_ON):
        yield
    ctypes.CDLL(None).fflush(None)  # oneDNN prints through C's own buffer


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    _main(*sys.argv[1:])
