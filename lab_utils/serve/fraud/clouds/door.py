"""A stand-in for a cloud's front door: its API on loopback, before containers that are real.

    with FrontDoor(SAGEMAKER, [container.predict_url] * 4) as door:
        client = boto3.client("sagemaker-runtime", endpoint_url=door.url, …)
        door.hold(0, seconds=1.0)          # the first replica is slow from now on

It maps the cloud's addresses to the container's, refuses what is documented as too long or too
late, in the cloud's own form, and picks a replica as the cloud says that it does. It has none of
what is between you and a cloud: no way there, no TLS, no check of a signature, no throttling. What
is measured through it is what the client, the contract and the routing cost, and nothing else.

Routing: SageMaker's default picks a replica at random, "least outstanding" is its other strategy
(RoutingConfig: RANDOM, LEAST_OUTSTANDING_REQUESTS; Amazon SageMaker API Reference,
ProductionVariantRoutingConfig).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Literal, get_args

import httpx

from lab_utils.components.process import Process
from lab_utils.errors import LabError
from lab_utils.machine.cores import thread_environment
from lab_utils.serve.fraud.clouds.contract import SAGEMAKER, Contract
from lab_utils.serve.fraud.clouds.door_app import ENDPOINT, READY, VERTEX_ENDPOINT

APP = "lab_utils.serve.fraud.clouds.door_app"
Routing = Literal["random", "least outstanding"]


class FrontDoor(Process):
    """The door of one cloud, alive only inside the `with` block; `url` is known inside.

    replicas: where each container takes bodies (`Container.predict_url`). One container may stand
    for several: only `hold` tells them apart. Raises LabError for none, and for another routing.
    """

    def __init__(
        self, contract: Contract, replicas: Sequence[str], *, routing: Routing = "random"
    ) -> None:
        if not replicas:
            raise LabError("A front door was given no replica; expected at least one address.")
        if routing not in get_args(Routing):
            expected = " or ".join(repr(name) for name in get_args(Routing))
            raise LabError(f"The routing is {routing!r}; expected {expected}.")
        self.contract, self.count = contract, len(replicas)
        asked = {"cloud": contract.name, "replicas": list(replicas), "routing": routing}
        super().__init__(
            f"The front door of {contract.name}",
            [sys.executable, "-m", APP, json.dumps(asked)],
            ready=lambda: READY in self.log() and bool(self.url),
            environment=thread_environment(1),
        )

    @property
    def predict_url(self) -> str:
        """Where the cloud's API takes bodies, for a client that is none of the cloud's."""
        if self.contract is SAGEMAKER:
            return f"{self.url}/endpoints/{ENDPOINT}/invocations"
        return f"{self.url}/v1/{VERTEX_ENDPOINT}:predict"

    def hold(self, replica: int, seconds: float) -> None:
        """From now on this replica's answers come so much later; 0 mends it."""
        if not 0 <= replica < self.count or not seconds >= 0:
            raise LabError(
                f"Replica {replica} was to be held for {seconds:g} s; expected 0 to "
                f"{self.count - 1}, and 0 s or more."
            )
        asked = {"replica": replica, "hold_s": seconds}
        httpx.post(f"{self.url}/-/hold", json=asked, trust_env=False).raise_for_status()

    def received(self) -> list[int]:
        """How many requests each replica was given so far."""
        answer = httpx.get(f"{self.url}/-/received", trust_env=False).raise_for_status()
        found: list[int] = answer.json()["received"]
        return found
