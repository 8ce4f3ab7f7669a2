"""The gateway over gRPC: `fraud.proto`, beside HTTP, with the same sentences for what is refused.

    server, port = await listen(gateway, "127.0.0.1", 0)

Messages are taken as bytes and read here. Where gRPC itself reads them, a malformed one is answered
with INTERNAL, as if the server were at fault, before anybody here has seen it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError

from lab_utils.features.payment import Payment
from lab_utils.serve.fraud import fraud_pb2
from lab_utils.serve.fraud.request import (
    BAD,
    CONFLICT,
    LONGEST_BODY,
    NUMBERS,
    TOO_LARGE,
    UNPROCESSABLE,
    UNRECORDED,
    Refused,
    checked,
    not_too_long,
)

SERVICE, METHOD = "fraud.Scoring", "Score"
STATUS = {
    BAD: grpc.StatusCode.INVALID_ARGUMENT,
    UNPROCESSABLE: grpc.StatusCode.INVALID_ARGUMENT,
    TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    UNRECORDED: grpc.StatusCode.UNAVAILABLE,
}
MOST_BYTES = 4 * LONGEST_BODY
"""gRPC's own limit, with its own words; up to it the gateway reads, and says what is too long."""


class Answers(Protocol):
    """Whoever answers payments, over any protocol: the gateway."""

    def in_flight(self) -> AbstractContextManager[None]:
        """Around a request: the process does not end within it."""

    async def reply(self, read: Callable[[], Payment]) -> dict[str, Any]:
        """The answer to the payment that `read` gives. Raises Refused."""
        ...


def parse(body: bytes) -> Payment:
    """The payment in a message, or Refused as for JSON."""
    not_too_long(body)
    try:
        message = fraud_pb2.Payment.FromString(body)
    except DecodeError:
        raise Refused(
            BAD, "malformed", "The message is no fraud.Payment; expected the one of fraud.proto."
        ) from None
    return checked({name: getattr(message, name) for name in NUMBERS if message.HasField(name)})


async def listen(gateway: Answers, host: str, port: int) -> tuple[grpc.aio.Server, int]:
    """The server, which answers from now on, and its port; 0 is any free one."""

    async def score(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
        with gateway.in_flight():
            try:
                reply = await gateway.reply(lambda: parse(body))
            except Refused as error:
                await context.abort(STATUS[error.status], str(error))
            answer: bytes = fraud_pb2.Answer(**reply).SerializeToString()
            return answer

    handler = grpc.unary_unary_rpc_method_handler(score)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", MOST_BYTES)])
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler})]
    )
    bound = server.add_insecure_port(f"{host}:{port}")
    await server.start()
    return server, bound
