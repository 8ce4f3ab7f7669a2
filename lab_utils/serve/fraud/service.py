"""The fraud gateway as a process of its own, on a loopback port of its own.

    with FraudService({"cpu": trees_file}, rules, policy, audit=folder / "audit.sqlite") as service:
        httpx.post(f"{service.url}/score", json={"transaction_id": 7, "time_s": 90.0, …})

`gateway` says what it answers, `request` what may be asked, `scoring` how an answer comes about,
`policy` what is made of a score, `audit` what is kept, `live_model` how a model is replaced.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from lab_utils.components.process import Process
from lab_utils.errors import LabError
from lab_utils.machine.cores import thread_environment
from lab_utils.models.fraud.rules import RuleEngine
from lab_utils.serve.fraud.policy import Policy
from lab_utils.serve.fraud.settings import Settings

STOP_S = 2.0
"""Beyond the drain: the last answers are sent and the process ends."""
FOREVER_S = 1e12
SWITCH_S = 30.0
READY = re.compile(r"Scoring payments at (http://\S+?)/\s")
GRPC = re.compile(r"gRPC at (\S+)\s")
OPERATORS = re.compile(r"For operators at (http://\S+?)/\s")


class FraudService(Process):
    """The gateway, alive only inside the `with` block; `url` is known inside.

    models: a tier's name → its ONNX file, (N, features) → (N, 1), or grpc://HOST:PORT/NAME on a
    model server; the best first. rules: the last tier. audit: the log's file; what is in it already
    is remembered. redis: a server's Unix socket for the features; None keeps them in a file beside
    the log. model: what answers call the models' version, until `switch` names another.
    stale_after_s, epoch_s, clock_slack_s: as `OnlineFeatures` and `Settings` have them. drain_s:
    how long taken payments may go on after the block. audit_reserve_mb: room that the log keeps for
    a full disk; 0: none. spin_s: for how long it looks again before it sleeps, on a core of its
    own. port: where it listens; 0: any free one. module, arguments: of the process, where it is to
    be another than the gateway's; its first argument is the settings.

    Raises LabError for a file that is missing, and with the process's own words where it does not
    start.
    """

    def __init__(
        self,
        models: Mapping[str, Path | str],
        rules: RuleEngine,
        policy: Policy,
        *,
        audit: Path,
        redis: Path | str | None = None,
        model: str = "1",
        stale_after_s: float = math.inf,
        epoch_s: float | None = None,
        clock_slack_s: float = 60.0,
        drain_s: float = 2.0,
        audit_reserve_mb: float = 0,
        spin_s: float = 0.0,
        port: int = 0,
        module: str = "lab_utils.serve.fraud.gateway",
        arguments: Sequence[str] = (),
        start_timeout_s: float = 60,
    ) -> None:
        for name, where in models.items():
            if isinstance(where, Path) and not where.is_file():
                raise LabError(f"The model of tier {name}, {where}, is not there; expected a file.")
        told = Settings(
            models={name: _source(where) for name, where in models.items()},
            model=model,
            rules=rules,
            policy=policy,
            audit=str(audit.resolve()),
            redis=None if redis is None else str(redis),
            sqlite=str(audit.resolve().with_name("features.sqlite")),
            stale_after_s=min(stale_after_s, FOREVER_S),
            epoch_s=epoch_s,
            clock_slack_s=clock_slack_s,
            drain_s=drain_s,
            audit_reserve_bytes=round(audit_reserve_mb * 2**20),
            spin_s=spin_s,
            port=port,
        )
        super().__init__(
            "The fraud gateway",
            [sys.executable, "-m", module, told.json(), *arguments],
            ready=lambda: bool(self.url),
            environment=thread_environment(1),
            start_timeout_s=start_timeout_s,
            stop_timeout_s=drain_s + STOP_S,
        )

    @property
    def url(self) -> str:
        """Where it answers; empty until it does."""
        return self._said(READY)

    @property
    def grpc_address(self) -> str:
        """Where it answers over gRPC, as host:port."""
        return self._said(GRPC)

    @property
    def operators_url(self) -> str:
        """Where it is administered."""
        return self._said(OPERATORS)

    def switch(self, tier: str, to: Path | str, version: str) -> None:
        """Put another model in a tier's place, while it answers; the old one is closed then.

        Raises LabError in the gateway's words where it cannot; then the old one goes on.
        """
        asked = {"tier": tier, "to": _source(to), "version": version}
        self._operate("POST", "/switch", asked)

    def versions(self) -> dict[str, str]:
        """A tier's name → the version of its model."""
        found: dict[str, str] = self._operate("GET", "/models")
        return found

    def _operate(self, verb: str, path: str, body: dict[str, str] | None = None) -> Any:
        url = f"{self.operators_url}{path}"
        try:
            answer = httpx.request(verb, url, json=body, timeout=SWITCH_S, trust_env=False)
        except httpx.HTTPError as error:
            raise LabError(
                f"The fraud gateway gave no answer ({type(error).__name__}); see that it is "
                "running."
            ) from None
        said = answer.json()
        if answer.is_error:
            raise LabError(str(said["error"]))
        return said

    def _said(self, pattern: re.Pattern[str]) -> str:
        found = pattern.search(self.log())
        return found[1] if found else ""


def _source(where: Path | str) -> str:
    return where if isinstance(where, str) else str(where.resolve())
