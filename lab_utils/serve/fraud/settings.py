"""What the gateway's process is told, as one line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from lab_utils.models.fraud.rules import Condition, Rule, RuleEngine
from lab_utils.serve.fraud.policy import Policy


@dataclass(frozen=True)
class Settings:
    """As `FraudService` has them; paths as text.

    models: a tier's name → its model's source (`live_model.opened`), the best first. redis: a
    server's Unix socket; None: the store is the file `sqlite`. epoch_s: when the payments' count
    began, on this machine's clock; None: payments are not held against it. audit_reserve_bytes: of
    the log's reserve. spin_s: for how long it looks again before it sleeps. host, port, grpc_port:
    where it listens; 0 is any free port.
    """

    models: dict[str, str]
    model: str
    rules: RuleEngine
    policy: Policy
    audit: str
    redis: str | None
    sqlite: str
    stale_after_s: float
    epoch_s: float | None
    clock_slack_s: float
    drain_s: float
    audit_reserve_bytes: int = 0
    spin_s: float = 0.0
    host: str = "127.0.0.1"
    port: int = 0
    grpc_port: int = 0

    def json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> Self:
        """From its line."""
        told = json.loads(line)
        told["rules"], told["policy"] = _rules(told["rules"]), Policy(**told["policy"])
        return cls(**told)


def _rules(told: dict[str, Any]) -> RuleEngine:
    rules = tuple(
        Rule(tuple(Condition(**condition) for condition in rule["conditions"]), rule["score"])
        for rule in told["rules"]
    )
    return RuleEngine(rules, tuple(told["features"]), told["otherwise"])
