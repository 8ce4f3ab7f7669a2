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
from aiohttp import web
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from lab_utils.serve.asynchronous import in_json
from lab_utils.serve.draining import Draining, as_process
from lab_utils.serve.llm.engine_process import EngineProcess
from lab_utils.serve.llm.messages import Settings
from lab_utils.serve.llm.metrics import Metrics
from lab_utils.serve.llm.request import LONGEST_BODY, Limits, Refused, parse
from lab_utils.serve.llm.scheduler import Scheduler, Ticket

READ_MOST = 64 * LONGEST_BODY
"""Bytes that are read in order to say, and to count, that they are too many."""
LAST_WORDS_S = 1.0
"""For sending the refusals of those that a drain could not finish."""


class _Lines(web.StreamResponse):
    """An answer in lines of JSON, which begins with the first of them."""

    def __init__(self, request: web.Request) -> None:
        super().__init__(headers={"Content-Type": "application/x-ndjson"})
        self._request = request

    async def say(self, said: dict[str, Any]) -> None:
        """A line, on its way now. Raises ConnectionError where nobody listens any more."""
        if not self.prepared:
            await self.prepare(self._request)
        await self.write(json.dumps(said).encode() + b"\n")


class Service(Draining):
    """What answers, and the order in which it all ends."""

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

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """An answer, whole or token by token, or why there is none.

        It is cancelled when the client leaves before the end, and then the engine stops as well.
        """
        body = await request.read()
        lines = _Lines(request)
        with self.in_flight():
            try:
                return await self._answer(body, lines)
            except (asyncio.CancelledError, ConnectionError):
                self.metrics.disconnects.inc()
                raise
            except Refused as refusal:
                self.metrics.rejections.labels(refusal.reason).inc()
                said = {"error": str(refusal)}
                if lines.prepared:
                    await lines.say(said)
                    return lines
                after_s = refusal.retry_after_s
                headers = {} if after_s is None else {"Retry_After": str(after_s)}
                return in_json(said, refusal.status, **headers)

    async def _answer(self, body: bytes, lines: _Lines) -> web.StreamResponse:
        if self.draining:
            raise _leaving("The service is about to end and takes nothing new.")
        asked = parse(body, self.limits, self.encode if self.tokenizer else None)
        ticket = Ticket(asked)
        self.scheduler.submit(ticket)
        try:
            async with asyncio.timeout_at(ticket.deadline_s):
                if not asked.stream:
                    return await self._whole(ticket)
                await self._stream(ticket, lines)
                return lines
        except TimeoutError:
            raise Refused(
                503,
                "deadline passed",
                f"The deadline of {asked.deadline_s:g} s passed with {len(ticket.token_s)} of "
                f"{asked.new_tokens} tokens written.",
            ) from None
        finally:
            self.scheduler.leave(ticket)

    async def _whole(self, ticket: Ticket) -> web.Response:
        tokens = [token async for token in _tokens(ticket)]
        said: dict[str, Any] = {"tokens": tokens}
        if self.tokenizer:
            said["text"] = self.tokenizer.decode(tokens)
        return in_json(said | _times(ticket))

    async def _stream(self, ticket: Ticket, lines: _Lines) -> None:
        text = DecodeStream(skip_special_tokens=True)
        async for token in _tokens(ticket):
            line: dict[str, Any] = {"token": token}
            if self.tokenizer:
                line["text"] = text.step(self.tokenizer, token) or ""
            await lines.say(line)
        await lines.say({"done": True} | _times(ticket))


async def _tokens(ticket: Ticket) -> AsyncIterator[int]:
    while True:
        news = await ticket.inbox.get()
        if isinstance(news, Refused):
            raise news
        for token in news.tokens:
            yield token
        if news.last:
            return


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
    routes = [web.post("/generate", service.generate)]
    server, port = await service.listen(
        routes, settings.host, settings.port, READ_MOST, leavers_end=True
    )
    print(f"Serving {Path(settings.path).name} at http://{settings.host}:{port}/", flush=True)
    done = asyncio.create_task(service.until_done(settings.drain_s))
    steps = asyncio.create_task(scheduler.run())
    await asyncio.wait([done, steps], return_when=asyncio.FIRST_COMPLETED)
    if steps.done():
        service.drain()
        await done
    await server.cleanup()  # the refusals are sent
    if steps.done():
        steps.result()


def main() -> None:
    """The process: its one argument is `Settings.json()`."""
    as_process(lambda: run(Settings.read(sys.argv[1])))


if __name__ == "__main__":
    main()
