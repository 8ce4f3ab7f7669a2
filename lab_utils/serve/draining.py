"""What every asyncio service of ours has: sentences in JSON, /metrics, /health, a drain.

    class Chat(Draining):
        name, takes = "service", "POST /generate"

    chat = Chat(metrics)
    server, port = await chat.listen([web.post("/generate", chat.generate)], host, port, longest)
    await chat.until_done(drain_s)
    await server.cleanup()

A service that is told to end takes nothing new, answers what it has taken, and says so at /health
meanwhile, so that whoever shares out the requests goes elsewhere.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NoReturn, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST

from lab_utils.errors import LabError
from lab_utils.serve.asynchronous import in_json, listening
from lab_utils.serve.spinning import spinning_loop

DRAINING, READY = 503, 200
FAULT = 500


class Figured(Protocol):
    """Has a page for Prometheus."""

    def text(self) -> bytes:
        """The page."""


class Draining:
    """What the handlers share, and how it ends. name, takes, asked: for the sentences."""

    name: ClassVar[str]
    takes: ClassVar[str]
    asked: ClassVar[str] = "requests"

    def __init__(self, figures: Figured) -> None:
        self.figures = figures
        self.draining, self.ending, self.idle = False, asyncio.Event(), asyncio.Event()
        self.idle.set()
        self.inside = 0

    def drain(self) -> None:
        """Take nothing new."""
        self.draining = True
        self.ending.set()

    async def until_done(self, drain_s: float) -> None:
        """Returns when all that was taken is answered, or `drain_s` after the drain began."""
        await self.ending.wait()
        try:
            await asyncio.wait_for(self.idle.wait(), drain_s)
        except TimeoutError:
            print(f"{self.inside} {self.asked} were not answered before the end.", flush=True)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Around a request: the service does not end within it."""
        self.inside += 1
        self.idle.clear()
        try:
            yield
        finally:
            self.inside -= 1
            if not self.inside:
                self.idle.set()

    async def listen(
        self,
        routes: Sequence[web.RouteDef],
        host: str,
        port: int,
        longest_body: int,
        *,
        leavers_end: bool = False,
    ) -> tuple[web.AppRunner, int]:
        """The server, which answers from now on, and its port, as `listening` has them.

        SIGTERM and Ctrl-C drain the service from now on.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.drain)
        server, bound = await listening(
            [*routes, web.get("/metrics", self.page), web.get("/health", self.health)],
            host,
            port,
            longest_body=longest_body,
            middlewares=[self._in_sentences],
            leavers_end=leavers_end,
        )
        # What is loaded by now stays. Python's full collection would look at all of it, some tens
        # of milliseconds in which nobody is answered.
        gc.collect()
        gc.freeze()
        return server, bound

    async def page(self, _: web.Request) -> web.Response:
        """The page that Prometheus reads, in its text form."""
        kind = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=self.figures.text(), headers=kind)

    async def health(self, _: web.Request) -> web.Response:
        """Whether to send requests here: 200 or 503."""
        if self.draining:
            return in_json({"status": "draining"}, DRAINING)
        return in_json({"status": "ready"}, READY)

    @web.middleware
    async def _in_sentences(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every answer that is no success is one sentence in JSON."""
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge as error:
            return in_json({"error": f"The body is too long. {error.text}"}, error.status)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            sentence = f"There is no {request.method} {request.path}; "
            sentence += f"expected {self.takes}, GET /metrics or GET /health."
            return in_json({"error": sentence}, error.status)
        except (web.HTTPException, ConnectionError):  # who has left is told nothing
            raise
        except Exception:
            logging.getLogger(__name__).exception("%s %s", request.method, request.path)
            return in_json({"error": f"The {self.name} has a fault; its log says more."}, FAULT)


def as_process(run: Callable[[], Coroutine[Any, Any, None]], *, spin_s: float = 0.0) -> NoReturn:
    """A service's process, to its end. A LabError is its last words, and its status is then 1.

    spin_s: for how long its event loop looks again before it sleeps; see `spinning`.
    """
    status = 0
    try:
        with asyncio.Runner(loop_factory=lambda: spinning_loop(spin_s)) as runner:
            runner.run(run())
    except LabError as error:
        print(error, flush=True)
        status = 1
    sys.exit(status)
