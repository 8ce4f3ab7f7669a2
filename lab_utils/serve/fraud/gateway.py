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
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lab_utils.errors import LabError
from lab_utils.features.online import OnlineFeatures
from lab_utils.features.redis_store import RedisStore
from lab_utils.features.sqlite_store import SqliteStore
from lab_utils.features.store import Store
from lab_utils.resilience.session_tier import SessionTier
from lab_utils.serve.draining import Answering, Draining, listen
from lab_utils.serve.fraud.audit import AuditError, AuditLog
from lab_utils.serve.fraud.metrics import Metrics
from lab_utils.serve.fraud.request import LONGEST_BODY, Refused, not_ahead, parse
from lab_utils.serve.fraud.scoring import ModelCall, Scoring, chain_of, model_tier
from lab_utils.serve.fraud.settings import Settings

UNRECORDED = 503
REDIS_THREADS = 4
Around = Callable[[str, ModelCall], ModelCall]
"""A tier's name and its model's call → the call that is made in its place."""


class Gateway(Draining):
    """What the handlers share."""

    name, takes = "gateway", "POST /score"

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

    async def until_done(self) -> None:
        """Returns when all that was taken is answered, or the drain's time is over."""
        await self.ending.wait()
        try:
            await asyncio.wait_for(self.idle.wait(), self.settings.drain_s)
        except TimeoutError:
            print(f"{self.inside} payments were not answered before the end.", flush=True)


class Score(Answering):
    """A payment's answer."""

    async def post(self) -> None:
        """Answers 200 with a decision, or says in a sentence why there is none."""
        metrics, begun_s = self.service.metrics, time.perf_counter()
        with self.service.in_flight():
            try:
                reply = await self._reply()
            except Refused as error:
                metrics.refused.labels(error.reason).inc()
                self.set_status(error.status)
                await self.finish({"error": str(error)})
            except AuditError as error:
                metrics.refused.labels("unrecorded").inc()
                self.set_status(UNRECORDED)
                await self.finish({"error": str(error)})
            else:
                metrics.answered(reply, time.perf_counter() - begun_s)
                await self.finish(reply)

    async def _reply(self) -> dict[str, Any]:
        gateway: Gateway = self.service
        if gateway.draining:
            raise Refused(UNRECORDED, "draining", "The gateway ends; ask another one.")
        payment = parse(self.request.body)
        if (epoch_s := gateway.settings.epoch_s) is not None:
            not_ahead(payment, gateway.clock() - epoch_s, gateway.settings.clock_slack_s)
        return await gateway.scoring.reply(payment)


def _store(settings: Settings) -> Store:
    if settings.redis is not None:
        return RedisStore(settings.redis, deadline_s=settings.policy.features_s)
    return SqliteStore(Path(settings.sqlite))


def itself(name: str, score: ModelCall) -> ModelCall:
    """An `Around` that changes nothing."""
    return score


async def run(
    settings: Settings, *, around: Around = itself, clock: Callable[[], float] = time.time
) -> None:
    """The gateway, until it is told to end and has. clock: this machine's, in Unix seconds."""
    with ExitStack() as stack:
        features = OnlineFeatures(_store(settings), stale_after_s=settings.stale_after_s)
        stack.callback(features.store.close)
        tiers = []
        for name, path in settings.models.items():
            session = stack.enter_context(SessionTier(Path(path), "cpu"))
            tiers.append(model_tier(name, around(name, session), settings.policy))
        reserve = settings.audit_reserve_bytes
        log = stack.enter_context(AuditLog(Path(settings.audit), reserve_bytes=reserve))
        chain = chain_of(tiers, settings.rules, settings.policy)
        threads = 1 if settings.redis is None else REDIS_THREADS  # a file has one connection
        scoring = Scoring(features, chain, log, settings.policy, settings.model, threads)
        stack.callback(scoring.close)
        gateway = Gateway(scoring, Metrics(lambda: log.reserve_left), settings, clock)
        server, port = listen(
            gateway,
            [(r"/score", Score)],
            settings.host,
            settings.port,
            max_body_size=LONGEST_BODY,
        )
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
