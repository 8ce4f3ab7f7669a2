"""The real gateway over HTTP: every body gets a clear answer, never a fault, never twice."""

import json
import math
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_utils.components.redis_server import RedisServer
from lab_utils.errors import LabError
from lab_utils.features.awaited import WAITING_ON_A_LINE
from lab_utils.features.redis_store import RedisStore
from lab_utils.models.fraud.feature_names import FEATURES
from lab_utils.models.onnx_file import onnx_file
from lab_utils.serve.fraud.audit_file import replayed
from lab_utils.serve.fraud.policy import Policy
from lab_utils.serve.fraud.scoring import LATE, SHED
from lab_utils.serve.fraud.service import FraudService
from tests.serve.fraud.made import GENEROUS, RULES

NEXT = iter(range(10**9))


def payment(**change: Any) -> dict[str, Any]:
    usual = {"time_s": 5e6, "customer": 1, "terminal": 2, "amount": 9.5}
    return {"transaction_id": next(NEXT)} | usual | change


class Logistic(torch.nn.Module):
    """Fraud by the amount alone, so that a test knows what the model says."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid((rows[:, :1] - 500.0) / 50.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "logistic.onnx"
    path.write_bytes(onnx_file(Logistic(), torch.zeros(2, len(FEATURES))))
    return path


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        store = RedisStore(server.socket, deadline_s=5)
        store.begin()
        store.close()
        yield server


@pytest.fixture(scope="module")
def service(
    model: Path, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FraudService]:
    audit = tmp_path_factory.mktemp("audit") / "audit.sqlite"
    with FraudService({"cpu": model}, RULES, GENEROUS, audit=audit, redis=redis.socket) as service:
        service.audit = audit  # type: ignore[attr-defined]
        yield service


def post(service: FraudService, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{service.url}/score", content=content, trust_env=False, timeout=30)


@pytest.mark.parametrize(
    ("amount", "decision"), [(9.5, "approve"), (520, "review"), (900, "decline")]
)
def test_a_score_becomes_a_decision(service: FraudService, amount: float, decision: str) -> None:
    said = post(service, asked := payment(amount=amount)).json()
    expected = 1 / (1 + math.exp(-(amount - 500) / 50))
    assert said.pop("fraud") == pytest.approx(expected, rel=1e-2)
    assert said == {
        "transaction_id": asked["transaction_id"],
        "decision": decision,
        "tier": "cpu",
        "degraded": False,
        "reason": "",
        "model": "1",
        "repeated": False,
    }


def test_who_asks_again_gets_the_same_answer(service: FraudService) -> None:
    asked = payment()
    first, second = post(service, asked).json(), post(service, asked).json()
    assert (first.pop("repeated"), second.pop("repeated")) == (False, True)
    assert first == second


def test_another_payment_under_the_same_number_is_refused(service: FraudService) -> None:
    post(service, asked := payment())
    answer = post(service, asked | {"amount": 900})
    assert answer.status_code == 409
    assert "expected a new number" in answer.json()["error"]


def test_many_at_once_are_each_in_the_log_once(service: FraudService) -> None:
    asked = [payment(amount=amount) for amount in range(40)]
    sent = asked * 3
    random.Random(1).shuffle(sent)
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda one: post(service, one).json(), sent))
    log = {one.transaction_id: json.loads(one.answered) for one in replayed(service.audit)}  # type: ignore[attr-defined]
    assert len(log) == len(list(replayed(service.audit)))  # type: ignore[attr-defined]
    for answer in said:
        answer.pop("repeated")
        assert answer == log[answer["transaction_id"]]


BAD = {
    "no JSON": (b"{", 400, "is not JSON"),
    "NaN": (json.dumps(payment(amount=math.nan)).encode(), 400, "is not JSON"),
    "infinite": (json.dumps(payment()).replace("9.5", "1e999").encode(), 400, "is not finite"),
    "a list": (b"[1]", 400, "is no JSON object"),
    "deep": (b"[" * 9_000, 400, "is not JSON"),
    "not UTF-8": (b'{"transaction_id": "\xff"}', 400, "is not JSON"),
    "missing": ({"transaction_id": 1}, 400, "The field time_s is missing"),
    "null": (payment(amount=None), 400, "The field amount is null"),
    "text": (payment(customer="7"), 400, "The field customer is a str"),
    "a boolean": (payment(terminal=True), 400, "The field terminal is a bool"),
    "half a customer": (payment(customer=1.5), 400, "expected a whole number"),
    "negative": (payment(amount=-1), 422, "amount is -1"),
    "huge": (payment(amount=1e12), 422, "amount is 1"),
    "a huge number": (payment(amount=10**400), 400, "is not finite"),
    "a huge customer": (payment(customer=2**63), 422, "customer is 9223372036854775808"),
    "negative time": (payment(time_s=-5), 422, "time_s is -5"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_payment_is_told_why(service: FraudService, kind: str) -> None:
    body, status, sentence = BAD[kind]
    answer = post(service, body)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text


def test_a_body_that_is_too_long_is_not_read(service: FraudService) -> None:
    answer = post(service, b" " * 20_000 + json.dumps(payment()).encode())
    assert answer.status_code in (400, 413)


def test_other_paths_are_told_what_there_is(service: FraudService) -> None:
    for answer in (
        httpx.get(f"{service.url}/nothing", trust_env=False),
        httpx.get(f"{service.url}/score", trust_env=False),
    ):
        assert answer.status_code in (404, 405)
        assert "expected POST /score" in answer.json()["error"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = ("transaction_id", "time_s", "customer", "terminal", "amount")


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    body=st.binary(max_size=200)
    | st.fixed_dictionaries(dict.fromkeys(FIELDS, JSON)).map(lambda d: json.dumps(d).encode())
    | st.tuples(st.sampled_from(FIELDS), JSON).map(
        lambda change: json.dumps(payment(**{change[0]: change[1]})).encode()
    )
)
def test_no_body_is_a_fault_or_a_silent_approval(service: FraudService, body: bytes) -> None:
    answer = post(service, body)
    said = answer.json()
    if answer.status_code == 200:
        assert 0 <= said["fraud"] <= 1
        assert said["decision"] in ("approve", "review", "decline")
        asked = json.loads(body)
        assert all(isinstance(asked[name], int | float) for name in FIELDS)
        assert 0 <= asked["amount"] < math.inf
    else:
        assert answer.status_code in (400, 409, 413, 422)
        assert said["error"].endswith(".")


def test_without_the_store_the_rules_answer_and_say_so(model: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "no redis here"
    with FraudService(
        {"cpu": model}, RULES, GENEROUS, audit=tmp_path / "a", redis=nowhere
    ) as service:
        small, large, fraud = (post(service, payment(amount=a)).json() for a in (9.5, 150, 300))
    assert [one["tier"] for one in (small, large, fraud)] == ["rules"] * 3
    assert all(
        one["degraded"] and one["reason"].startswith("features: down") for one in (small, large)
    )
    assert [one["decision"] for one in (small, large, fraud)] == ["approve", "review", "decline"]


def test_a_store_that_hangs_costs_its_part_of_the_deadline_and_no_more(
    model: Path, redis: RedisServer, tmp_path: Path
) -> None:
    policy = Policy(0.9, 0.5, 100.0, deadline_s=4, features_s=0.1, model_s=2)
    with FraudService(
        {"cpu": model}, RULES, policy, audit=tmp_path / "a", redis=redis.socket
    ) as service:
        assert post(service, payment()).json()["tier"] == "cpu"
        redis.pause()
        try:
            hung = post(service, payment()).json()
        finally:
            redis.go_on()
        deadline_s = time.monotonic() + 20
        while post(service, payment()).json()["tier"] != "cpu" and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert post(service, payment()).json()["tier"] == "cpu"
    assert (hung["tier"], hung["degraded"]) == ("rules", True)
    assert hung["reason"].startswith("features: slow")


def test_payments_beyond_those_that_a_store_keeps_waiting_are_shed_at_once(
    model: Path, redis: RedisServer, tmp_path: Path
) -> None:
    most, more = WAITING_ON_A_LINE, 8
    policy = Policy(0.9, 0.5, 100.0, deadline_s=4, features_s=0.3, model_s=2)
    with FraudService(
        {"cpu": model}, RULES, policy, audit=tmp_path / "a", redis=redis.socket
    ) as service:
        assert post(service, payment()).json()["tier"] == "cpu"
        redis.pause()
        try:
            with (
                httpx.Client(trust_env=False, timeout=30) as client,
                ThreadPoolExecutor(most + more) as threads,
            ):
                url, bodies = f"{service.url}/score", [payment() for _ in range(most + more)]
                asked = [threads.submit(client.post, url, json=body) for body in bodies]
                said = [one.result().json() for one in asked]
        finally:
            redis.go_on()
    assert {one["tier"] for one in said} == {"rules"}
    told = Counter(one["reason"] for one in said)
    assert told == {f"features: slow ({LATE})": most, f"features: slow ({SHED})": more}


def test_a_model_that_says_nonsense_is_no_answer(tmp_path: Path) -> None:
    class Poisoned(torch.nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows[:, :1] * float("nan")

    bad = tmp_path / "bad.onnx"
    bad.write_bytes(onnx_file(Poisoned(), torch.zeros(2, len(FEATURES))))
    with FraudService({"cpu": bad}, RULES, GENEROUS, audit=tmp_path / "a") as service:
        said = post(service, payment(amount=150)).json()
    assert (said["tier"], said["decision"], said["degraded"]) == ("rules", "review", True)


def test_a_payment_from_the_future_is_refused(model: Path, tmp_path: Path) -> None:
    began_s = time.time() - 1000
    with FraudService(
        {"cpu": model}, RULES, GENEROUS, audit=tmp_path / "a", epoch_s=began_s
    ) as service:
        assert post(service, payment(time_s=900)).status_code == 200
        answer = post(service, payment(time_s=5000))
    assert answer.status_code == 422
    assert "ahead of this machine's clock" in answer.json()["error"]


def test_what_was_answered_is_remembered_after_a_kill(model: Path, tmp_path: Path) -> None:
    asked = payment()
    with FraudService({"cpu": model}, RULES, GENEROUS, audit=tmp_path / "a") as service:
        first = post(service, asked).json()
        for process in service.processes():
            process.send_signal(signal.SIGKILL)
    with FraudService(
        {"cpu": model}, RULES, GENEROUS, audit=tmp_path / "a", model="2", spin_s=0.001
    ) as service:
        again = post(service, asked).json()
    assert again == first | {"repeated": True}


def test_what_it_counts(service: FraudService) -> None:
    post(service, asked := payment(amount=900))
    post(service, asked)
    post(service, b"{")
    page = httpx.get(f"{service.url}/metrics", trust_env=False).text
    assert 'fraud_answers_total{decision="decline",degraded="false",tier="cpu"}' in page
    assert "fraud_repeated_total" in page
    assert 'fraud_refused_total{reason="malformed"}' in page
    assert 'fraud_answer_seconds_bucket{le="0.05"}' in page


def test_impossible_settings_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="expected 0 ≤ review_from"):
        Policy(decline_from=0.2, review_from=0.5, review_amount=1)
    with pytest.raises(LabError, match="is not there"):
        FraudService({"cpu": tmp_path / "x"}, RULES, GENEROUS, audit=tmp_path / "a")
    late = Policy(0.9, 0.5, 100.0, deadline_s=0.02, features_s=0.01, model_s=0.02)
    with (
        pytest.raises(LabError, match="more than the deadline"),
        FraudService({"cpu": model}, RULES, late, audit=tmp_path / "a"),
    ):
        pass
    assert np.isfinite(late.deadline_s)
