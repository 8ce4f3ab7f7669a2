"""The service's own process: HTTP before `scheduler`. The engine has another.

    POST /generate  {"prompt": [1, 2, 3], "new_tokens": 16}  → {"tokens": […], "queueing_s": …, …}
                    with "stream": true, lines of JSON: {"token": 5} …, {"done": true, …}
    GET  /metrics   for Prometheus
    GET  /health    200 while requests are taken, 503 while it drains

What is refused is said in {"error": "…"}; in a stream that has begun, as its last line.
`service.LLMService` starts it. SIGTERM and Ctrl-C drain it: it takes nothing new, finishes what
it has taken, and ends. The second one ends it at once.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from tornado.iostream import StreamClosedError

from lab_utils.serve.draining import Answering, Draining, as_process, listen
from lab_utils.serve.llm.engine_process import EngineProcess
from lab_utils.serve.llm.messages import Settings
from lab_utils.serve.llm.metrics import Metrics
from lab_utils.serve.llm.request import Limits, Refused, parse
from lab_utils.serve.llm.scheduler import Scheduler, Ticket

LAST_WORDS_S = 1.0
"""For sending the refusals of those that a drain could not finish."""


class Service(Draining):
    """What the handlers share, and the order in which it all ends."""

    name, takes = "service", "POST /generate"

    def __init__(
        self, scheduler: Scheduler, metrics: Metrics, limits: Limits, tokenizer: Tokenizer | None
    ) -> None:
        super().__init__(metrics)
        self.scheduler, self.metrics = scheduler, metrics
        self.limits, self.tokenizer = limits, tokenizer
        self.at_once = asyncio.Event()

    def drain(self) -> None:
        """Take nothing new; the second time, wait for nothing."""
        if self.draining:
            self.at_once.set()
        super().drain()

    def encode(self, text: str) -> list[int]:
        """The tokens of a text."""
        assert self.tokenizer is not None
        found: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return found

    async def until_done(self, drain_s: float) -> None:
        """Returns when the service may end: all is answered, or `drain_s` are over."""
        await self.ending.wait()
        waits = [asyncio.create_task(event.wait()) for event in (self.idle, self.at_once)]
        await asyncio.wait(waits, timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
        self.scheduler.end(_leaving("The service ends, and the answer was not finished in time."))
        with suppress(TimeoutError):
            await asyncio.wait_for(self.idle.wait(), LAST_WORDS_S)


class Generate(Answering):
    """An answer, whole or token by token."""

    def initialize(self, service: Service) -> None:
        """By tornado."""
        super().initialize(service)
        self.ticket: Ticket | None = None

    def on_connection_close(self) -> None:
        """By tornado: the client has left before the end."""
        if self.ticket:
            self.ticket.inbox.put_nowait(None)

    async def post(self) -> None:
        """Answers, or says why not."""
        metrics = self.service.metrics
        with self.service.in_flight():
            try:
                await self._generate()
            except StreamClosedError:
                metrics.disconnects.inc()
            except Refused as refusal:
                metrics.rejections.labels(refusal.reason).inc()
                with suppress(StreamClosedError):
                    await self._refuse(refusal)

    async def _generate(self) -> None:
        service = self.service
        if service.draining:
            raise _leaving("The service is about to end and takes nothing new.")
        encode = service.encode if service.tokenizer else None
        asked = parse(self.request.body, service.limits, encode)
        self.ticket = ticket = Ticket(asked)
        service.scheduler.submit(ticket)
        try:
            async with asyncio.timeout_at(ticket.deadline_s):
                await (self._stream(ticket) if asked.stream else self._whole(ticket))
        except TimeoutError:
            raise Refused(
                503,
                "deadline passed",
                f"The deadline of {asked.deadline_s:g} s passed with {len(ticket.token_s)} of "
                f"{asked.new_tokens} tokens written.",
            ) from None
        finally:
            service.scheduler.leave(ticket)

    async def _tokens(self, ticket: Ticket) -> AsyncIterator[int]:
        while True:
            news = await ticket.inbox.get()
            if news is None:
                raise StreamClosedError
            if isinstance(news, Refused):
                raise news
            for token in news.tokens:
                yield token
            if news.last:
                return

    async def _whole(self, ticket: Ticket) -> None:
        tokens = [token async for token in self._tokens(ticket)]
        said: dict[str, Any] = {"tokens": tokens}
        if self.service.tokenizer:
            said["text"] = self.service.tokenizer.decode(tokens)
        await self.finish(said | _times(ticket))

    async def _stream(self, ticket: Ticket) -> None:
        tokenizer, text = self.service.tokenizer, DecodeStream(skip_special_tokens=True)
        async for token in self._tokens(ticket):
            if not self._headers_written:
                self.set_header("Content-Type", "application/x-ndjson")
                # Without, the second token waits for the first one's acknowledgement: 40 ms.
                self.request.connection.stream.set_nodelay(True)  # type: ignore[union-attr]
            line: dict[str, Any] = {"token": token}
            if tokenizer:
                line["text"] = text.step(tokenizer, token) or ""
            self._line(line)
            await self.flush()
        self._line({"done": True} | _times(ticket))
        await self.finish()

    def _line(self, said: dict[str, Any]) -> None:
        self.write(json.dumps(said) + "\n")

    async def _refuse(self, refusal: Refused) -> None:
        said = {"error": str(refusal)}
        if self._headers_written:
            self._line(said)
            await self.finish()
            return
        self.set_status(refusal.status)
        if refusal.retry_after_s is not None:
            self.set_header("Retry-After", str(refusal.retry_after_s))
        await self.finish(said)


def _times(ticket: Ticket) -> dict[str, float]:
    """Seconds from arrival, as the service sees them."""
    return {
        "queueing_s": ticket.begun_s - ticket.arrived_s,
        "first_token_s": ticket.token_s[0] - ticket.arrived_s,
        "last_token_s": ticket.written_s - ticket.arrived_s,
        "request_s": ticket.token_s[-1] - ticket.arrived_s,
    }


def _leaving(sentence: str) -> Refused:
    return Refused(503, "draining", sentence, retry_after_s=1)


async def run(settings: Settings) -> None:
    """Load, warm up, say the address, serve until told to end. Raises LabError where it cannot."""
    start_s = {"service's libraries": time.time() - psutil.Process().create_time()}
    engine = await EngineProcess.start(settings)
    try:
        await _serve(engine, settings, start_s | engine.hello.start_s)
    finally:
        engine.kill()


async def _serve(engine: EngineProcess, settings: Settings, start_s: dict[str, float]) -> None:
    metrics = Metrics()
    for stage, seconds in start_s.items():
        metrics.start.labels(stage).set(seconds)
    scheduler = Scheduler(
        engine.step,
        metrics,
        batch_most=settings.batch_most,
        queue_most=settings.queue_most,
        batching=settings.batching,
        step_s=engine.hello.step_s,
    )
    limits = Limits(engine.hello.context, engine.hello.vocabulary)
    tokenizer = None if settings.tokenizer is None else Tokenizer.from_file(settings.tokenizer)
    service = Service(scheduler, metrics, limits, tokenizer)
    _, port = listen(service, [(r"/generate", Generate)], settings.host, settings.port)
    print(f"Serving {Path(settings.path).name} at http://{settings.host}:{port}/", flush=True)
    done = asyncio.create_task(service.until_done(settings.drain_s))
    steps = asyncio.create_task(scheduler.run())
    await asyncio.wait([done, steps], return_when=asyncio.FIRST_COMPLETED)
    if steps.done():
        service.drain()
        await done  # the refusals are sent
        steps.result()


def main() -> None:
    """The process: its one argument is `Settings.json()`."""
    as_process(lambda: run(Settings.read(sys.argv[1])))


if __name__ == "__main__":
    main()
