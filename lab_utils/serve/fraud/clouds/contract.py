"""What two managed clouds ask of a container, and what their front doors allow, as documented.

    SAGEMAKER.environment(port=8080)        # what the cloud tells the container
    told(os.environ)                        # what the container makes of it

Both run somebody's HTTP server, ask it for its health, and forward bodies to it. They differ in
routes, variables and limits. The body is one that both take: {"instances": [row, …]} in,
{"predictions": [number, …]} out. Vertex AI asks for it; SageMaker hands on any bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab_utils.errors import LabError

PORT = 8080
"""Both clouds' default."""
PORTS = 65_535


@dataclass(frozen=True)
class Contract:
    """One cloud's.

    port_variable: names the port on which the container has to listen. route_variables: variable →
    route, where the cloud says the routes. healthy_within_s: the health route has so long for its
    200; None: no figure was found. longest_bytes: of a request, and of an answer. answer_within_s:
    the container has so long for a prediction. source: where it is documented.
    """

    name: str
    port_variable: str
    health_route: str
    predict_route: str
    healthy_within_s: float | None
    longest_bytes: int
    answer_within_s: float
    source: str
    route_variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self, port: int) -> dict[str, str]:
        """The variables that the cloud sets in the container."""
        return {self.port_variable: str(port), **self.route_variables}


SAGEMAKER = Contract(
    name="SageMaker",
    port_variable="SAGEMAKER_BIND_TO_PORT",
    health_route="/ping",
    predict_route="/invocations",
    healthy_within_s=2.0,
    longest_bytes=6 * 2**20,
    answer_within_s=60.0,
    source="https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html",
)
"""A real-time endpoint. The limit of a body is the one that the service's own description in
botocore carries (InvokeEndpointInput, Body); AWS's FAQ on hosting has 25 MB by now."""
VERTEX = Contract(
    name="Vertex AI",
    port_variable="AIP_HTTP_PORT",
    health_route="/health",
    predict_route="/predict",
    healthy_within_s=None,
    longest_bytes=10_000_000,
    answer_within_s=600.0,
    source="https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements",
    route_variables={"AIP_HEALTH_ROUTE": "/health", "AIP_PREDICT_ROUTE": "/predict"},
)
"""A dedicated public endpoint, with its limit of a body and its usual time limit ("Use dedicated
public endpoints for online inference", "Create a public endpoint"). The routes are of our choice:
whoever uploads a model names them (healthRoute, predictRoute)."""
CONTRACTS = {contract.name: contract for contract in (SAGEMAKER, VERTEX)}


@dataclass(frozen=True)
class Listening:
    """What a container makes of its variables."""

    port: int
    health_route: str
    predict_route: str


def told(environment: Mapping[str, str]) -> Listening:
    """Where to listen, by whichever cloud has set the variables.

    Where neither has, it is SageMaker's form on port 8080: there the variable is set only where
    several containers share a host. Raises LabError for a port that is none and a route without a
    slash, which say that the deployment is wrong; a container that guesses would never be healthy.

    >>> told({"SAGEMAKER_BIND_TO_PORT": "9000"})
    Listening(port=9000, health_route='/ping', predict_route='/invocations')
    >>> told({}).port
    8080
    """
    vertex = VERTEX.port_variable in environment
    contract = VERTEX if vertex else SAGEMAKER
    given = environment.get(contract.port_variable, str(PORT))
    if not (given.isdecimal() and 0 < int(given) <= PORTS):
        raise LabError(f"{contract.port_variable} is {given!r}; expected a port, 1 to {PORTS}.")
    routes = []
    for variable, route in (
        ("AIP_HEALTH_ROUTE", contract.health_route),
        ("AIP_PREDICT_ROUTE", contract.predict_route),
    ):
        found = environment.get(variable, route) if vertex else route
        if not found.startswith("/"):
            raise LabError(f"{variable} is {found!r}; expected a path that begins with a slash.")
        routes.append(found)
    return Listening(int(given), *routes)
