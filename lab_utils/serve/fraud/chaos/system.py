"""The whole of it: two regions, one audit log, those who pay, and all the ways to break it.

    system = FraudSystem(stage, folder, rate_rps=80)
    with system, system.watched(window_s=1) as prometheus:
        system.faults["slow_redis"].break_it()

Both regions write one log (on one machine that is one file; over an ocean it would be a replicated
one, and lesson 3.5 is about its price). So a payment that is asked in both has one answer.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Self

from lab_utils.components.ports import lasting_port
from lab_utils.components.prometheus import Prometheus
from lab_utils.components.small_disk import SmallDisk
from lab_utils.components.together import Together
from lab_utils.errors import LabError
from lab_utils.serve.fraud.audit_file import BUSY_S
from lab_utils.serve.fraud.chaos.control import Control, Fault
from lab_utils.serve.fraud.chaos.payers import Payers, Terms
from lab_utils.serve.fraud.chaos.region import Region
from lab_utils.serve.fraud.chaos.replica import Switches
from lab_utils.serve.fraud.chaos.stage import NOW_S, Stage

REGIONS = ("eu", "us")
PAYERS = "payers"
DISK_MB, RESERVE_MB = 32, 12
BEHIND_S = 600.0
RULES = Path(__file__).with_name("rules.yml")
SCRAPE_S = 0.1


class FraudSystem:
    """Alive inside the `with` block.

    folder: for its files; the log lies there too, unless small_disk: then it lies on a disk of
    `DISK_MB`, which can be filled (as root only). rate_rps: of the payers, all together. repaired:
    with what the experiments of lesson 3.7 have taught: payers ask elsewhere after any refusal, and
    the log has a reserve.
    """

    def __init__(
        self,
        stage: Stage,
        folder: Path,
        *,
        rate_rps: float,
        repaired: bool = True,
        small_disk: bool = False,
    ) -> None:
        self._stage = stage
        self._folder = folder
        self._repaired = repaired
        self._epoch_s = time.time() - NOW_S
        self._stack = ExitStack()
        self._disk = SmallDisk(DISK_MB) if small_disk else None
        self._ports = {name: lasting_port() for name in (*REGIONS, PAYERS)}
        self._regions: Together[Region] | None = None
        self._control: Control | None = None
        self.audit = folder / "audit.sqlite"
        self.rate_rps = rate_rps
        self.payers: Payers | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self._disk is not None:
                self.audit = stack.enter_context(self._disk).folder / "audit.sqlite"
            self._regions = Together({name: self._region(name) for name in REGIONS})
            stack.callback(self._regions.stop)
            terms = Terms(
                [region.url for region in self._regions.values()],
                self.rate_rps,
                self._stage.deadline_s,
                self._epoch_s,
                ask_elsewhere=self._repaired,
            )
            port = self._ports[PAYERS]
            payers = Payers(terms, self._stage.world.coming, self._folder, port=port)
            self.payers = stack.enter_context(payers)
            self._control = stack.enter_context(Control(self.faults))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """Where Chaos Toolkit breaks and mends."""
        assert self._control is not None
        return self._control.url

    @property
    def faults(self) -> dict[str, Fault]:
        """What can be broken here, by the names of the experiments' files."""
        assert self._regions is not None
        eu, us = self._regions["eu"], self._regions["us"]

        def both(switches: Switches) -> None:
            eu.switch(switches)
            us.switch(switches)

        def stores(verb: str) -> None:
            for region in (eu, us):
                assert region.store is not None
                getattr(region.store, verb)()

        def kill_region() -> None:
            eu.kill_gateway()
            eu.kill_store()

        def start_region() -> None:
            eu.start_store()
            eu.start_gateway()

        slow = Switches(delay_s={"gpu": self._stage.deadline_s})
        faults = {
            "replica_killed": Fault(eu.kill_gateway, eu.start_gateway),
            "region_killed": Fault(kill_region, start_region),
            "slow_redis": Fault(lambda: stores("pause"), lambda: stores("go_on")),
            "slow_gpu": Fault(lambda: both(slow), lambda: both(Switches())),
            "clock_skew": Fault(
                lambda: eu.switch(Switches(clock_s=-BEHIND_S)), lambda: eu.switch(Switches())
            ),
            "bad_model": Fault(
                lambda: eu.deploy(self._stage.swapped, "swapped"),
                lambda: eu.deploy(self._stage.models["gpu"], "1"),
            ),
            "poisoned_feature": Fault(eu.poison, eu.fill),
        }
        if self._disk is not None:
            faults["full_disk"] = Fault(self._fill_disk, self._disk.clear)
        return faults

    def _fill_disk(self) -> None:
        """With the log's journal just cut, as it is every now and then.

        In a journal that has been longer there is room for some seconds more of answers.
        """
        assert self._disk is not None
        with closing(sqlite3.connect(self.audit, timeout=BUSY_S)) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._disk.fill()

    def watched(self, window_s: float) -> Prometheus:
        """A Prometheus, ready to be started, that looks at the payers and at both gateways.

        It takes some seconds until it has looked for the first time, and may be started with this
        or before. window_s: what the records of `rules.yml` look back. Raises LabError for less
        than three scrapes.
        """
        if window_s < 3 * SCRAPE_S:
            raise LabError(f"window_s is {window_s:g}; expected {3 * SCRAPE_S:g} s or more.")
        targets = {name: f"http://127.0.0.1:{port}" for name, port in self._ports.items()}
        rules = RULES.read_text().replace("[1m]", f"[{round(1000 * window_s)}ms]")
        return Prometheus(targets, rules=rules, every_s=SCRAPE_S, job="fraud")

    def _region(self, name: str) -> Region:
        return Region(
            name,
            self._stage,
            port=self._ports[name],
            audit=self.audit,
            folder=self._folder,
            epoch_s=self._epoch_s,
            reserve_mb=RESERVE_MB if self._repaired else 0,
        )
