"""The real gateway over gRPC: what HTTP says, and a clear word for what is no message."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_utils.errors import LabError
from lab_utils.serve.fraud.fraud_pb2 import Answer, Payment
from lab_utils.serve.fraud.request import LONGEST_BODY
from lab_utils.serve.fraud.service import FraudService
from tests.serve.fraud.made import GENEROUS, RULES, audit, constant

NEXT = iter(range(10**9))
Status = grpc.StatusCode


def payment(**change: Any) -> dict[str, Any]:
    usual = {"time_s": 5e6, "customer": 1, "terminal": 2, "amount": 9.5}
    return {"transaction_id": next(NEXT)} | usual | change


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FraudService]:
    folder = tmp_path_factory.mktemp("gateway")
    model = constant(folder / "model.onnx", 0.25)
    with FraudService({"cpu": model}, RULES, GENEROUS, audit=audit(folder)) as service:
        yield service


@pytest.fixture(scope="module")
def channel(service: FraudService) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(service.grpc_address) as channel:
        yield channel


def ask(channel: grpc.Channel, body: bytes) -> Answer:
    return Answer.FromString(channel.unary_unary("/fraud.Scoring/Score")(body, timeout=30))


def refused(channel: grpc.Channel, body: bytes) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        ask(channel, body)
    return caught.value.code(), caught.value.details()  # type: ignore[attr-defined]


def test_it_answers_what_http_does(service: FraudService, channel: grpc.Channel) -> None:
    asked = payment()
    answer = ask(channel, Payment(**asked).SerializeToString())
    assert (answer.transaction_id, answer.decision) == (asked["transaction_id"], "approve")
    assert answer.repeated is False
    over_http = httpx.post(f"{service.url}/score", content=json.dumps(asked), trust_env=False)
    names = [field.name for field in Answer.DESCRIPTOR.fields]
    said = {name: getattr(answer, name) for name in names}
    assert over_http.json() == said | {"repeated": True}


BAD = {
    "no message": (b"\xff\xff\xff", Status.INVALID_ARGUMENT, "is no fraud.Payment"),
    "cut off": (Payment(**payment()).SerializeToString()[:-3], Status.INVALID_ARGUMENT, "is no"),
    "nothing": (b"", Status.INVALID_ARGUMENT, "The field transaction_id is missing"),
    "missing": (
        Payment(transaction_id=1).SerializeToString(),
        Status.INVALID_ARGUMENT,
        "The field time_s is missing",
    ),
    "not a number": (
        Payment(**payment(amount=math.nan)).SerializeToString(),
        Status.INVALID_ARGUMENT,
        "The field amount is not finite",
    ),
    "negative": (
        Payment(**payment(amount=-1)).SerializeToString(),
        Status.INVALID_ARGUMENT,
        "amount is -1",
    ),
    "long": (b"\x00" * (LONGEST_BODY + 1), Status.RESOURCE_EXHAUSTED, "at most 16384 are read"),
    "far too long": (b"\x00" * 10**6, Status.RESOURCE_EXHAUSTED, "larger than max"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_payment_is_told_why(channel: grpc.Channel, kind: str) -> None:
    body, status, sentence = BAD[kind]
    code, details = refused(channel, body)
    assert (code, sentence in details) == (status, True), details


def test_a_number_of_another_payment_is_refused(channel: grpc.Channel) -> None:
    asked = payment()
    ask(channel, Payment(**asked).SerializeToString())
    code, details = refused(channel, Payment(**asked | {"amount": 9}).SerializeToString())
    assert (code, "expected a new number" in details) == (Status.ALREADY_EXISTS, True)


def test_a_switch_over_the_operators_port(
    service: FraudService, channel: grpc.Channel, tmp_path: Path
) -> None:
    """Beside gRPC, since both are this gateway's; `test_roll_over` does it under load."""
    second, bad = constant(tmp_path / "2.onnx", 0.75), constant(tmp_path / "3.onnx", math.nan)
    service.switch("cpu", second, "2")
    answer = ask(channel, Payment(**payment()).SerializeToString())
    assert (answer.model, answer.fraud) == ("2", 0.75)
    with pytest.raises(LabError, match="expected one probability"):
        service.switch("cpu", bad, "3")
    with pytest.raises(LabError, match="is not there"):
        service.switch("cpu", tmp_path / "nothing", "3")
    with pytest.raises(LabError, match="There is no tier 'gpu'; expected cpu"):
        service.switch("gpu", second, "3")
    with pytest.raises(LabError, match="gives no score"):
        service.switch("cpu", "grpc://127.0.0.1:9/nobody", "3")
    assert service.versions() == {"cpu": "2"}
    said = httpx.post(f"{service.operators_url}/switch", content=b"{", trust_env=False)
    assert (said.status_code, "is no switch" in said.json()["error"]) == (400, True)
    payments = httpx.post(f"{service.url}/switch", json={}, trust_env=False)
    assert payments.status_code == 404  # who sends payments cannot switch
    service.switch("cpu", constant(tmp_path / "1.onnx", 0.25), "1")


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    body=st.binary(max_size=60)
    | st.builds(
        lambda change: Payment(**payment(**change)).SerializeToString(),
        st.fixed_dictionaries(
            {},
            optional={
                "amount": st.floats(),
                "time_s": st.floats(),
                "customer": st.integers(-(2**63), 2**63 - 1),
                "transaction_id": st.integers(-(2**63), 2**63 - 1),
            },
        ),
    )
)
def test_no_message_is_a_fault_or_a_silent_approval(channel: grpc.Channel, body: bytes) -> None:
    """The last one: after a payment from far ahead, all others come late for the store."""
    call: Any
    try:
        said, call = channel.unary_unary("/fraud.Scoring/Score").with_call(body, timeout=30)
    except grpc.RpcError as error:
        said, call = b"", error
    if call.code() is Status.OK:
        found = Answer.FromString(said)
        assert 0 <= found.fraud <= 1
        assert found.decision in ("approve", "review", "decline")
        assert Payment.FromString(body).HasField("amount")
    else:
        assert call.code() in (Status.INVALID_ARGUMENT, Status.ALREADY_EXISTS)
        assert call.details().endswith(".")
