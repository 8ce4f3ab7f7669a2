"""A language model's engine in a process of its own, so that its memory is its own.

with EngineProcess(seeded(SMALL, "q4_0"), threads=2, KV_CACHE_PRECISION="u8") as engine:
    engine.steps["libraries"], engine.steps["model"]     # Resident, after each step
    engine.admit(prompt(SMALL, 256)).memory              # with that user's tokens in the cache
    engine.finish()                                      # all answers done, their cache freed
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from lab_utils.components.asked import AskedProcess
from lab_utils.errors import LabError
from lab_utils.machine.cores import thread_environment
from lab_utils.measure.resident import Resident, resident, without_huge_pages


@dataclass(frozen=True)
class Held:
    """The process after a step of its engine.

    reserved_bytes: of the KV cache, set aside, whether written or not. used_bytes: of the blocks
    that belonged to somebody in that step.
    """

    memory: Resident
    reserved_bytes: int
    used_bytes: float


class EngineProcess(AskedProcess):
    """A loaded model, alive only inside the `with` block.

    cache_gb, settings: as `engine.Engine` takes them. steps: memory after "Python",
    "libraries" and "model". Raises LabError where it cannot be loaded.
    """

    def __init__(self, path: Path, threads: int, cache_gb: int = 1, **settings: Any) -> None:
        self.steps: dict[str, Resident] = {}
        self._order = {"path": path, "threads": threads, "cache_gb": cache_gb, **settings}
        command = [sys.executable, "-m", "lab_utils.serve.llm.memory"]
        super().__init__(path.name, command, environment=thread_environment(threads))

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            loaded = self.ask(self._order)
        except BaseException:
            self.__exit__()
            raise
        self.steps = {n: Resident(**m) for n, m in {**self.told, **loaded}.items()}
        return self

    def admit(self, *prompts: Sequence[int]) -> Held:
        """Read these users' prompts in one pass; they stay, and so do those before them.

        Each has one more token to come when `finish` is asked for.
        """
        return _held(self.ask({"prompts": prompts}))

    def finish(self) -> Held:
        """Give every user what they wait for, and free their cache."""
        return _held(self.ask({"finish": True}))


def _held(said: dict[str, Any]) -> Held:
    return Held(Resident(**said["memory"]), said["reserved_bytes"], said["used_bytes"])


def _main(line: str) -> None:
    """The process: load what is ordered, then step when asked to until the line is closed."""
    connection = Connection(int(line))
    without_huge_pages()
    steps = {"Python": resident().as_dict()}
    from lab_utils.serve.llm.engine import Engine

    steps["libraries"] = resident().as_dict()
    connection.send(steps)
    try:
        engine = Engine(**connection.recv())
    except LabError as error:
        connection.send({"error": str(error)})
        return
    connection.send({"model": resident().as_dict()})
    users: list[Any] = []  # whose handle is let go has left
    while True:
        try:
            question = connection.recv()
        except EOFError:
            os._exit(0)  # taking the engine apart takes a second
        try:
            connection.send(_answer(engine, question, users))
        except (LabError, RuntimeError) as error:
            connection.send({"error": str(error).splitlines()[-1]})


def _answer(engine: Any, question: dict[str, Any], users: list[Any]) -> dict[str, Any]:
    pipeline = engine.pipeline
    if "finish" in question:
        engine.finish()
        users.clear()
    else:
        users += [engine.submit(prompt, new_tokens=2) for prompt in question["prompts"]]
        pipeline.step()
    metrics = pipeline.get_metrics()
    reserved = metrics.cache_size_in_bytes
    return {
        "memory": resident().as_dict(),
        "reserved_bytes": reserved,
        "used_bytes": reserved * metrics.cache_usage / 100,
    }


if __name__ == "__main__":
    _main(*sys.argv[1:])
