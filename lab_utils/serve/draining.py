"""What every service of ours behind tornado has: sentences in JSON, /metrics, /health, a drain.

    class Chat(Draining):
        name, takes = "service", "POST /generate"

    listen(Chat(metrics), [(r"/generate", Generate)], host, port)    # → server, port

A service that is told to end takes nothing new, answers what it has taken, and says so at /health
meanwhile, so that whoever shares out the requests goes elsewhere.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NoReturn, Protocol

from prometheus_client import CONTENT_TYPE_LATEST
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from lab_utils.errors import LabError
from lab_utils.serve.spinning import spinning_loop

BACKLOG = 2048
DRAINING, READY = 503, 200


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


class Answering(RequestHandler):
    """Every answer that is no success is one sentence in JSON."""

    def initialize(self, service: Any) -> None:
        """By tornado, with what the route says."""
        self.service = service

    def write_error(self, status_code: int, **_: Any) -> None:
        """By tornado: an unknown path, a wrong verb, or a fault of this program."""
        if status_code in (404, 405):
            sentence = f"There is no {self.request.method} {self.request.path}; "
            sentence += f"expected {self.service.takes}, GET /metrics or GET /health."
        else:
            sentence = f"The {self.service.name} has a fault; its log says more."
        self.finish({"error": sentence})


class Unknown(Answering):
    """Any other path."""

    def prepare(self) -> None:
        """Before the verb is looked at."""
        self.send_error(404)


class Health(Answering):
    """Whether to send requests here."""

    async def get(self) -> None:
        """Answers 200 or 503."""
        self.set_status(DRAINING if self.service.draining else READY)
        await self.finish({"status": "draining" if self.service.draining else "ready"})


class Figures(Answering):
    """The page that Prometheus reads."""

    async def get(self) -> None:
        """In Prometheus's text form."""
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        await self.finish(self.service.figures.text())


def listen(
    service: Draining,
    routes: Sequence[tuple[str, type[Answering]]],
    host: str,
    port: int,
    **settings: Any,
) -> tuple[HTTPServer, int]:
    """The server, which answers from now on, and its port; SIGTERM and Ctrl-C drain the service.

    port: 0 is any free one. settings: tornado's own, of its HTTPServer.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, service.drain)
    shared = {"service": service}
    both = [*routes, (r"/metrics", Figures), (r"/health", Health)]
    application = Application(
        [(path, handler, shared) for path, handler in both],
        default_handler_class=Unknown,
        default_handler_args=shared,
        log_function=lambda handler: None,  # under load, each refusal would be a line of the log
    )
    sockets = bind_sockets(port, host, backlog=BACKLOG)
    server = HTTPServer(application, **settings)
    server.add_sockets(sockets)
    # What is loaded by now stays. Python's full collection would look at all of it, some tens of
    # milliseconds in which nobody is answered.
    gc.collect()
    gc.freeze()
    return server, sockets[0].getsockname()[1]


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
