"""A region: a fraud gateway, its Redis and its audit log; it can be killed and brought back.

    with Region("west", {"cpu": trees_file}, rules, policy, folder) as west:
        httpx.post(f"{west.url}/score", json=…)      # says "model": "1 in west"
        west.kill()                                  # no request is finished, its Redis is empty
        west.restart()                               # healthy at once, and knows nothing
        west.refill([west.audit, east.audit])

Its address stays the same. Nothing is shared between two regions; `replication` copies.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import psutil

from lab_utils.components.ports import lasting_port
from lab_utils.components.redis_server import RedisServer
from lab_utils.errors import LabError
from lab_utils.features.redis_store import FILL_S, RedisStore
from lab_utils.models.fraud.rules import RuleEngine
from lab_utils.serve.fraud.policy import Policy
from lab_utils.serve.fraud.replication import paid
from lab_utils.serve.fraud.service import FraudService


class Region:
    """The region, alive only inside the `with` block; its store covers all there ever was.

    name: what its answers call it, in `model`. folder: for its log, which outlives the region. up:
    whether it runs and does not stand still. settings: of `FraudService`. Raises LabError as that
    and as `RedisServer`.
    """

    def __init__(
        self,
        name: str,
        models: Mapping[str, Path],
        rules: RuleEngine,
        policy: Policy,
        folder: Path,
        **settings: Any,
    ) -> None:
        self.name = name
        self.audit = folder / f"{name}.sqlite"
        self._port = lasting_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._models, self._rules, self._policy, self._settings = models, rules, policy, settings
        self.up = False
        self._stack = ExitStack()
        self._running: list[psutil.Process] = []
        self._store: RedisStore | None = None

    def __enter__(self) -> Self:
        self.restart()
        self.store.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on()  # what stands still cannot be ended politely
        self._stack.close()

    @property
    def store(self) -> RedisStore:
        """Its features, for filling and for looking at; there while the region is."""
        if self._store is None:
            raise LabError(f"The region {self.name} does not run; start it first.")
        return self._store

    def restart(self) -> None:
        """Start what has ended: at the same address, with the same log and an empty store."""
        if self._running:
            raise LabError(f"The region {self.name} runs already; kill it first.")
        with ExitStack() as stack:
            redis = stack.enter_context(RedisServer())
            self._store = RedisStore(redis.socket, deadline_s=FILL_S)
            stack.callback(self._gone)
            gateway = FraudService(
                self._models,
                self._rules,
                self._policy,
                audit=self.audit,
                redis=redis.socket,
                model=f"1 in {self.name}",
                port=self._port,
                **self._settings,
            )
            stack.enter_context(gateway)
            self._running = [*redis.process.processes(), *gateway.processes()]
            self._stack = stack.pop_all()
        self.up = True

    def refill(self, logs: Iterable[Path]) -> int:
        """Fill the store with the payments in these logs and let it be used; gives how many."""
        payments = [payment for log in logs for payment in paid(log)]
        self.store.add(payments)
        self.store.begin()
        return len({payment.transaction_id for payment in payments})

    def kill(self) -> None:
        """End it as a power cut does: nothing is finished, and what its Redis held is gone."""
        self.up = False
        self._signal(signal.SIGKILL)
        self._stack.close()

    def freeze(self) -> None:
        """It is there, takes connections, and answers nothing: as when a network fails."""
        self.up = False
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `freeze`: it works off what it was sent meanwhile."""
        self._signal(signal.SIGCONT)
        self.up = bool(self._running)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._running:
            if process.is_running():
                process.send_signal(number)

    def _gone(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store, self._running = None, []
