"""The gateway's process: HTTP and gRPC before `scoring`.

    POST /score    a payment, as `request.FORM` has it
                   → {"transaction_id": 7, "fraud": 0.01, "decision": "approve", "tier": "cpu",
                      "degraded": false, "reason": "", "model": "…", "repeated": false}
    GET  /metrics  for Prometheus
    GET  /health   200 while payments are taken, 503 while it drains

What is refused is said in {"error": "…"}. `rpc` has the same over gRPC, `administration` what an
operator asks for on a port of its own. `service.FraudService` starts it. SIGTERM and Ctrl-C drain
it: it takes nothing new, answers what it has taken, and ends.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from lab_utils.features.awaited import AwaitedFeatures, InThreads, OverALine
from lab_utils.features.payment import Payment
from lab_utils.features.redis_store import RedisStore
from lab_utils.features.sqlite_store import SqliteStore
from lab_utils.serve.asynchronous import LAST_ANSWERS_S, in_json
from lab_utils.serve.draining import Draining, as_process
from lab_utils.serve.fraud import rpc
from lab_utils.serve.fraud.administration import administer
from lab_utils.serve.fraud.audit import AuditLog
from lab_utils.serve.fraud.audit_file import AuditError
from lab_utils.serve.fraud.live_model import LiveModel, ModelCall, opened
from lab_utils.serve.fraud.metrics import Metrics
from lab_utils.serve.fraud.request import LONGEST_BODY, UNRECORDED, Refused, not_ahead, parse
from lab_utils.serve.fraud.scoring import Scoring, chain_of, model_tier
from lab_utils.serve.fraud.settings import Settings

Around = Callable[[str, ModelCall], ModelCall]
"""A tier's name and its model's call → the call that is made in its place."""


class Gateway(Draining):
    """What answers, over HTTP or gRPC."""

    name, takes, asked = "gateway", "POST /score", "payments"

    def __init__(
        self,
        scoring: Scoring,
        metrics: Metrics,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(metrics)
        self.scoring, self.metrics, self.settings = scoring, metrics, settings
        self.clock = clock

    async def score(self, request: web.Request) -> web.Response:
        """Answers 200 with a decision, or says in a sentence why there is none."""
        body = await request.read()
        with self.in_flight():
            try:
                return in_json(await self.reply(lambda: parse(body)))
            except Refused as error:
                return in_json({"error": str(error)}, error.status)

    async def reply(self, read: Callable[[], Payment]) -> dict[str, Any]:
        """The answer to the payment that `read` gives, counted. Raises Refused, counted as well."""
        begun_s = time.perf_counter()
        try:
            reply = await self._reply(read)
        except Refused as error:
            self.metrics.refused.labels(error.reason).inc()
            raise
        self.metrics.answered(reply, time.perf_counter() - begun_s)
        return reply

    async def _reply(self, read: Callable[[], Payment]) -> dict[str, Any]:
        if self.draining:
            raise Refused(UNRECORDED, "draining", "The gateway ends; ask another one.")
        payment = read()
        if (epoch_s := self.settings.epoch_s) is not None:
            not_ahead(payment, self.clock() - epoch_s, self.settings.clock_slack_s)
        try:
            return await self.scoring.reply(payment)
        except AuditError as error:
            raise Refused(UNRECORDED, "unrecorded", str(error)) from None


def _features(settings: Settings) -> AwaitedFeatures:
    stale_after_s = settings.stale_after_s
    if settings.redis is None:  # a file has one connection
        return InThreads(SqliteStore(Path(settings.sqlite)), stale_after_s=stale_after_s)
    store = RedisStore(settings.redis, deadline_s=settings.policy.features_s)
    return OverALine(store, settings.redis, stale_after_s=stale_after_s)


async def run(
    settings: Settings, *, around: Around | None = None, clock: Callable[[], float] = time.time
) -> None:
    """The gateway, until it is told to end and has. clock: this machine's, in Unix seconds."""
    async with AsyncExitStack() as stack:
        features = _features(settings)
        stack.callback(features.close)
        models = {}
        for name, source in settings.models.items():
            model = await opened(source, settings.model)
            models[name] = LiveModel(model, None if around is None else partial(around, name))
            stack.push_async_callback(models[name].close)
        tiers = [model_tier(name, model, settings.policy) for name, model in models.items()]
        reserve = settings.audit_reserve_bytes
        log = AuditLog(Path(settings.audit), reserve_bytes=reserve)
        await stack.enter_async_context(log)
        chain = chain_of(tiers, settings.rules, settings.policy)
        scoring = Scoring(features, chain, log, settings.policy)
        gateway = Gateway(scoring, Metrics(lambda: log.reserve_left), settings, clock)
        routes = [web.post("/score", gateway.score)]
        server, port = await gateway.listen(routes, settings.host, settings.port, LONGEST_BODY)
        stack.push_async_callback(server.cleanup)
        calls, grpc_port = await rpc.listen(gateway, settings.host, settings.grpc_port)
        stack.push_async_callback(calls.stop, grace=LAST_ANSWERS_S)
        office, operators = await administer(models, settings.host)
        stack.push_async_callback(office.cleanup)
        print(f"gRPC at {settings.host}:{grpc_port}", flush=True)
        print(f"For operators at http://{settings.host}:{operators}/", flush=True)
        print(f"Scoring payments at http://{settings.host}:{port}/", flush=True)
        await gateway.until_done(settings.drain_s)


def main() -> None:
    """The process: its one argument is `Settings.json()`."""
    settings = Settings.read(sys.argv[1])
    as_process(lambda: run(settings), spin_s=settings.spin_s)


if __name__ == "__main__":
    main()
