"""boto3's real client of SageMaker's runtime, pointed at a front door on loopback.

    client = runtime(door.url)                                # as it comes
    client = runtime(door.url, read_timeout=0.05, retries={"total_max_attempts": 1})
    invoke(client, body)

Everything is the client's own but the address and the credentials, which are made up: signing,
serialising, connections, time limits, retries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab_utils.errors import LabError
from lab_utils.serve.fraud.clouds.door_app import ENDPOINT

REGION = "us-east-1"


@dataclass(frozen=True)
class Settings:
    """What a client does by itself. connections: that it keeps. mode: of its retries."""

    connect_timeout_s: float
    read_timeout_s: float
    connections: int
    mode: str


def runtime(url: str, **config: Any) -> Any:
    """A client; config: of `botocore.config.Config`, all that is not given is the client's default.

    Variables and files of AWS on this machine count as they always do. Raises LabError where they
    are such that no client can be made.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.session.Session().client(  # of its own, as a program has it
            "sagemaker-runtime",
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
            config=Config(proxies={}, **config),  # to loopback, whatever proxy there is
        )
    except BotoCoreError as error:
        raise LabError(f"No client of AWS could be made here: {error}") from None


def settings(client: Any) -> Settings:
    """The client's own account of itself."""
    told = client.meta.config
    return Settings(
        told.connect_timeout, told.read_timeout, told.max_pool_connections, told.retries["mode"]
    )


def longest_body(client: Any) -> int:
    """Bytes: the limit that the service's own model states, which the client does not hold."""
    operation = client.meta.service_model.operation_model("InvokeEndpoint")
    most: int = operation.input_shape.members["Body"].metadata["max"]
    return most


def invoke(client: Any, body: bytes, endpoint: str = ENDPOINT) -> bytes:
    """The answer's body. Raises what the client raises."""
    answer = client.invoke_endpoint(
        EndpointName=endpoint, ContentType="application/json", Body=body
    )
    content: bytes = answer["Body"].read()
    return content


def cause(error: Exception) -> str:
    """A failure of the client in a few words: the service's error code, or the client's own."""
    told = getattr(error, "response", None)
    return str(told["Error"]["Code"]) if told else type(error).__name__
