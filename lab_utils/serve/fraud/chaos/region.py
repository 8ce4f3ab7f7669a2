"""One region: a Redis of its own and a gateway before it, each of which can be broken and mended.

    with Region("eu", stage, port=lasting_port(), audit=…, folder=folder, epoch_s=…) as eu:
        eu.kill_gateway()
        eu.start_gateway()

Its address stays; what listens there is another gateway.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from lab_utils.components.process import Process
from lab_utils.components.redis_server import RedisServer
from lab_utils.features.redis_store import FILL_S, RedisStore, connect
from lab_utils.serve.fraud.chaos import replica
from lab_utils.serve.fraud.chaos.replica import Switches
from lab_utils.serve.fraud.chaos.stage import NOW_S, Stage
from lab_utils.serve.fraud.service import FraudService

MEMORY_MB = 256
KEYS_A_TRIP = 5_000
POISON_AMOUNT, POISON_TOGETHER, POISON_EVERY_S = 20_000.0, 20, 0.005


class Region:
    """Alive inside the `with` block; its address, `url`, stays while its gateways come and go.

    port: a lasting one. audit: the log, which all regions write. reserve_mb: of the log. folder:
    for its switches. epoch_s: when the payments' count began, Unix seconds.
    """

    def __init__(
        self,
        name: str,
        stage: Stage,
        *,
        port: int,
        audit: Path,
        folder: Path,
        epoch_s: float,
        reserve_mb: float = 0,
    ) -> None:
        self.name = name
        self._stage = stage
        self._audit = audit
        self._reserve_mb = reserve_mb
        self._switches = folder / f"{name}.json"
        self._epoch_s = epoch_s
        self._port = port
        self.url = f"http://127.0.0.1:{port}"
        self.store: RedisServer | None = None
        self.gateway: FraudService | None = None

    def __enter__(self) -> Self:
        try:
            self.start_store()
            self.start_gateway()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.gateway is not None:
            self.gateway.__exit__()
        if self.store is not None:
            self.store.__exit__()
        self.gateway = self.store = None

    def start_store(self) -> None:
        """A Redis with the past in it; does nothing where there is one."""
        if self.store is not None:
            return
        self.store = RedisServer(memory_mb=MEMORY_MB).__enter__()
        self.fill()

    def fill(self) -> None:
        """Tell the store the past, in the place of what it holds of it."""
        filled = self._stage.filled
        with connect(self._socket, timeout_s=FILL_S) as client, self._stage.filling:
            trip: Any = client.pipeline(transaction=False)
            if not filled:
                store = RedisStore(self._socket)
                self._stage.world.fill(store)
                store.close()
                keys = list(client.scan_iter(count=KEYS_A_TRIP))
                for key in keys:
                    trip.dump(key)
                filled.update(zip(keys, trip.execute(), strict=True))
            else:
                for key, held in filled.items():
                    trip.restore(key, 0, held, replace=True)
                trip.execute()

    def poison(self) -> None:
        """Tell the store of one more payment of each customer, far larger than any, as a feed
        would that takes cents for units."""
        coming = {payment.customer: payment for payment in self._stage.world.coming}
        bad = [replace(one, time_s=NOW_S, amount=POISON_AMOUNT) for one in coming.values()]
        store = RedisStore(self._socket)
        # All at once they would keep the store busy, which is another fault.
        for start in range(0, len(bad), POISON_TOGETHER):
            store.add(bad[start : start + POISON_TOGETHER])
            time.sleep(POISON_EVERY_S)
        store.close()

    def start_gateway(self) -> None:
        """A gateway before the store, where there is none."""
        if self.gateway is not None:
            return
        self.gateway = FraudService(
            self._stage.models,
            self._stage.world.rules,
            self._stage.policy,
            audit=self._audit,
            redis=self._socket,
            epoch_s=self._epoch_s,
            audit_reserve_mb=self._reserve_mb,
            port=self._port,
            module=replica.MODULE,
            arguments=[str(self._switches)],
        ).__enter__()

    def kill_gateway(self) -> None:
        """SIGKILL: it has no time for anything."""
        assert self.gateway is not None
        _kill(self.gateway)
        self.gateway.__exit__()
        self.gateway = None

    def deploy(self, model: Path, version: str) -> None:
        """Put a model in the first tier's place, while payments come."""
        assert self.gateway is not None
        self.gateway.switch("gpu", model, version)

    def kill_store(self) -> None:
        """The same of Redis; all that it held is gone."""
        assert self.store is not None
        _kill(self.store.process)
        self.store.__exit__()
        self.store = None

    def switch(self, switches: Switches) -> None:
        """What its gateway's models and clock do from now on."""
        switches.write(self._switches)

    @property
    def _socket(self) -> Path:
        assert self.store is not None
        return self.store.socket


def _kill(process: Process) -> None:
    for one in process.processes():
        one.kill()
