"""The process that owns the engine: one step each time it is told to.

OpenVINO GenAI keeps Python's lock while a step computes. In a thread of the service it would hold
up every answer, refusal and token for as long as a step takes; so it has a process of its own.

It reads `Orders` from its standard input, writes `Report`s to its standard output, and ends with
the input.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import gguf
import psutil

from lab_utils.errors import LabError
from lab_utils.serve.llm.engine import BATCHED_TOKENS, Engine
from lab_utils.serve.llm.messages import Hello, Message, Orders, Report, Settings

WARM_TOKENS = 8


class Worker:
    """An engine and the requests in it, by the service's numbers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._handles: dict[int, Any] = {}

    def step(self, orders: Orders) -> Report:
        """Let go, take on, give one token to each."""
        pipeline = self._engine.pipeline
        for number in orders.cancel:
            self._handles.pop(number).cancel()
        for number, prompt, new_tokens in orders.begin:
            self._handles[number] = self._engine.submit(prompt, new_tokens)
        start_s = time.monotonic()
        if pipeline.has_non_finished_requests():
            pipeline.step()
        ended_s = time.monotonic()
        figures, more = pipeline.get_metrics(), pipeline.has_non_finished_requests()
        return Report(
            ended_s=ended_s,
            step_s=ended_s - start_s,
            batch=figures.scheduled_requests,
            # The figure is the last step's; when nobody is left, nothing is kept.
            cache_usage=figures.cache_usage / 100 if more else 0.0,
            news=[news for number in list(self._handles) if (news := self._news(number))],
            more=more,
        )

    def _news(self, number: int) -> tuple[int, list[int], str] | None:
        handle = self._handles[number]
        tokens: list[int] = []
        while handle.can_read():
            for output in handle.read().values():
                tokens += [int(token) for token in output.generated_ids]
        status = handle.get_status().name
        if status != "RUNNING":
            del self._handles[number]
        elif not tokens:
            return None
        return number, tokens, status


def hello(path: Path, engine: Engine, start_s: dict[str, float]) -> Hello:
    """Warm the engine up: its first step takes many times as long as those after it.

    start_s: the stages so far.
    """
    begun_s = time.monotonic()
    fields = gguf.GGUFReader(path).fields
    kind = fields["general.architecture"].contents()
    warm = engine.run([[0]], new_tokens=WARM_TOKENS)
    return Hello(
        context=min(int(fields[f"{kind}.context_length"].contents()), BATCHED_TOKENS),
        vocabulary=len(fields["tokenizer.ggml.tokens"].data),
        step_s=warm.token_s.tolist(),
        start_s=start_s | {"warm-up": time.monotonic() - begun_s},
    )


def main() -> None:
    """The process: its one argument is `Settings.json()`."""
    start_s = {"engine's libraries": time.time() - psutil.Process().create_time()}
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the service's process decides when this one ends
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print belongs into the log

    def say(message: Message) -> None:
        print(message.json(), file=output, flush=True)

    settings = Settings.read(sys.argv[1])
    path = Path(settings.path)
    begun_s = time.monotonic()
    try:
        engine = Engine(
            path,
            settings.threads,
            settings.cache_gb,
            settings.batch_most,
            chunk_tokens=settings.chunk_tokens,
            **settings.engine,
        )
    except LabError as error:
        sys.exit(str(error))
    start_s["weights"] = time.monotonic() - begun_s
    say(hello(path, engine, start_s))
    worker = Worker(engine)
    for line in sys.stdin:
        say(worker.step(Orders.read(line)))
    os._exit(0)  # at once: the engine is not taken apart piece by piece


if __name__ == "__main__":
    main()
