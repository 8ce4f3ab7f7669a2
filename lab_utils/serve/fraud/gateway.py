"""The gateway's process: HTTP before `scoring`.

    POST /score    a payment, as `request.FORM` has it
                   → {"transaction_id": 7, "fraud": 0.01, "decision": "approve", "tier": "cpu",
                      "degraded": false, "reason": "", "model": "…", "repeated": false}
    GET  /metrics  for Prometheus
    GET  /health   200 while payments are taken, 503 while it drains

What is refused is said in {"error": "…"}. `service.FraudService` starts it. SIGTERM and Ctrl-C
drain it: it takes nothing new, answers what it has taken, and ends.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler

from lab_utils.errors import LabError
from lab_utils.features.online import OnlineFeatures
from lab_utils.features.redis_store import RedisStore
from lab_utils.features.sqlite_store import SqliteStore
from lab_utils.features.store import Store
from lab_utils.resilience.session_tier import SessionTier
from lab_utils.serve.fraud.audit import AuditError, AuditLog
from lab_utils.serve.fraud.metrics import Metrics
from lab_utils.serve.fraud.request import LONGEST_BODY, Refused, not_ahead, parse
from lab_utils.serve.fraud.scoring import Scoring, chain_of, model_tier
from lab_utils.serve.fraud.settings import Settings

BACKLOG = 2048
UNRECORDED = 503
REDIS_THREADS = 4


class Gateway:
    """What the handlers share."""

    def __init__(self, scoring: Scoring, metrics: Metrics, settings: Settings) -> None:
        self.scoring, self.metrics, self.settings = scoring, metrics, settings
        self.draining, self.ending, self.idle = False, asyncio.Event(), asyncio.Event()
        self.idle.set()
        self.in_flight = 0

    def drain(self) -> None:
        """Take nothing new."""
        self.draining = True
        self.ending.set()

    def entered(self) -> None:
        """A payment has come in."""
        self.in_flight += 1
        self.idle.clear()

    def left(self) -> None:
        """A payment's reply has been given."""
        self.in_flight -= 1
        if not self.in_flight:
            self.idle.set()

    async def until_done(self) -> None:
        """Returns when all that was taken is answered, or the drain's time is over."""
        await self.ending.wait()
        try:
            await asyncio.wait_for(self.idle.wait(), self.settings.drain_s)
        except TimeoutError:
            print(f"{self.in_flight} payments were not answered before the end.", flush=True)


class Answering(RequestHandler):
    """Every answer that is no success is one sentence in JSON."""

    def initialize(self, gateway: Gateway) -> None:
        """By tornado, with what the route says."""
        self.gateway = gateway

    def write_error(self, status_code: int, **_: Any) -> None:
        """By tornado: an unknown path, a wrong verb, or a fault of this program."""
        if status_code in (404, 405):
            sentence = f"There is no {self.request.method} {self.request.path}; "
            sentence += "expected POST /score, GET /metrics or GET /health."
        else:
            sentence = "The gateway has a fault; its log says more."
        self.finish({"error": sentence})


class Unknown(Answering):
    """Any other path."""

    def prepare(self) -> None:
        """Before the verb is looked at."""
        raise HTTPError(404)


class Health(Answering):
    """Whether to send payments here."""

    async def get(self) -> None:
        """Answers 200 or 503."""
        self.set_status(503 if self.gateway.draining else 200)
        await self.finish({"status": "draining" if self.gateway.draining else "ready"})


class Figures(Answering):
    """The page that Prometheus reads."""

    async def get(self) -> None:
        """In Prometheus's text form."""
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        await self.finish(self.gateway.metrics.text())


class Score(Answering):
    """A payment's answer."""

    async def post(self) -> None:
        """Answers 200 with a decision, or says in a sentence why there is none."""
        gateway, begun_s = self.gateway, time.perf_counter()
        gateway.entered()
        try:
            if gateway.draining:
                raise Refused(UNRECORDED, "draining", "The gateway ends; ask another one.")
            payment = parse(self.request.body)
            if (epoch_s := gateway.settings.epoch_s) is not None:
                not_ahead(payment, time.time() - epoch_s, gateway.settings.clock_slack_s)
            reply = await gateway.scoring.reply(payment)
        except Refused as error:
            gateway.metrics.refused.labels(error.reason).inc()
            self.set_status(error.status)
            await self.finish({"error": str(error)})
        except AuditError as error:
            gateway.metrics.refused.labels("unrecorded").inc()
            self.set_status(UNRECORDED)
            await self.finish({"error": str(error)})
        else:
            gateway.metrics.answered(reply, time.perf_counter() - begun_s)
            await self.finish(reply)
        finally:
            gateway.left()


def _store(settings: Settings) -> Store:
    if settings.redis is not None:
        return RedisStore(settings.redis, deadline_s=settings.policy.features_s)
    return SqliteStore(Path(settings.sqlite))


async def run(settings: Settings) -> None:
    """The gateway, until it is told to end and has."""
    with ExitStack() as stack:
        features = OnlineFeatures(_store(settings), stale_after_s=settings.stale_after_s)
        stack.callback(features.store.close)
        tiers = []
        for name, path in settings.models.items():
            session = stack.enter_context(SessionTier(Path(path), "cpu"))
            tiers.append(model_tier(name, session, settings.policy))
        log = AuditLog(Path(settings.audit))
        chain = chain_of(tiers, settings.rules, settings.policy)
        threads = 1 if settings.redis is None else REDIS_THREADS  # a file has one connection
        scoring = Scoring(features, chain, log, settings.policy, settings.model, threads)
        stack.callback(scoring.close)
        gateway = Gateway(scoring, Metrics(), settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, gateway.drain)
        shared = {"gateway": gateway}
        application = Application(
            [
                (r"/score", Score, shared),
                (r"/metrics", Figures, shared),
                (r"/health", Health, shared),
            ],
            default_handler_class=Unknown,
            default_handler_args=shared,
            log_function=lambda handler: None,  # a line for each payment would cost more than it
        )
        sockets = bind_sockets(settings.port, settings.host, backlog=BACKLOG)
        server = HTTPServer(application, max_body_size=LONGEST_BODY)
        server.add_sockets(sockets)
        port = sockets[0].getsockname()[1]
        print(f"Scoring payments at http://{settings.host}:{port}/", flush=True)
        await gateway.until_done()
        server.stop()
        await server.close_all_connections()


def main() -> None:
    """The process: its one argument is `Settings.json()`."""
    status = 0
    try:
        asyncio.run(run(Settings.read(sys.argv[1])))
    except LabError as error:
        print(error, flush=True)
        status = 1
    sys.exit(status)


if __name__ == "__main__":
    main()
