"""A contract's clauses, each tried on a running container from outside, as a cloud would.

for clause in checked(container, rows): print(clause)
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx
import numpy as np
from numpy.typing import ArrayLike

from lab_utils.serve.fraud.clouds.body import instances, scores_of
from lab_utils.serve.fraud.clouds.container import Container

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Clause:
    """One thing that a cloud asks for, whether it is so, and what was seen."""

    asks: str
    holds: bool
    seen: str

    def __str__(self) -> str:
        return f"{'yes' if self.holds else 'NO '}  {self.asks}: {self.seen}"


def checked(container: Container, rows: ArrayLike) -> list[Clause]:
    """The clauses of the container's own contract. rows: (N, features), which it is to score."""
    contract = container.contract
    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
        begun_s = time.perf_counter()
        healthy = client.get(f"{container.url}{contract.health_route}")
        healthy_s = time.perf_counter() - begun_s
        body = instances(rows)
        begun_s = time.perf_counter()
        answered = client.post(container.predict_url, content=body)
        answered_s = time.perf_counter() - begun_s
        broken = client.post(container.predict_url, content=b"{")
        after = client.get(f"{container.url}{contract.health_route}")
    scores = scores_of(answered.content) if answered.is_success else []
    expected, limit_s = len(np.asarray(rows)), contract.healthy_within_s
    return [
        Clause(
            f"GET {contract.health_route} answers 200"
            + ("" if limit_s is None else f" within {limit_s:g} s"),
            healthy.status_code == httpx.codes.OK and (limit_s is None or healthy_s < limit_s),
            f"{healthy.status_code} after {1e3 * healthy_s:.1f} ms",
        ),
        Clause(
            f"POST {contract.predict_route} answers 200, a prediction for each instance",
            answered.is_success and len(scores) == expected,
            f"{answered.status_code}, {len(scores)} predictions for {expected} instances",
        ),
        Clause(
            "a body that makes no sense gets a 4xx, and the container lives on",
            broken.is_client_error and after.status_code == httpx.codes.OK,
            f"{broken.status_code}, then healthy with {after.status_code}",
        ),
        Clause(
            f"the answer comes within {contract.answer_within_s:g} s",
            answered_s < contract.answer_within_s,
            f"{1e3 * answered_s:.1f} ms",
        ),
    ]
