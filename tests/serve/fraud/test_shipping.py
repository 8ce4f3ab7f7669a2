"""Real gateways behind a real Envoy: the weights follow the plan, and end where its rule ends."""

import itertools
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from lab_utils.components.envoy import Envoy
from lab_utils.components.redis_server import RedisServer
from lab_utils.components.together import Together
from lab_utils.errors import LabError
from lab_utils.features.redis_store import RedisStore
from lab_utils.measure.load.generator import closed_loop, post
from lab_utils.models.fraud.feature_names import FEATURES
from lab_utils.models.fraud.rules import Condition, Rule, RuleEngine
from lab_utils.models.onnx_file import onnx_file
from lab_utils.resilience.rollout import Counts, Plan, Slo
from lab_utils.serve.fraud import shipping
from lab_utils.serve.fraud.metrics import Metrics
from lab_utils.serve.fraud.policy import Policy
from lab_utils.serve.fraud.service import FraudService
from tests.scraped import page

RULES = RuleEngine((Rule((Condition("amount", True, 220.0),), 0.99),), ("amount",), 0.01)
GENEROUS = Policy(
    decline_from=0.9, review_from=0.5, review_amount=1e6, deadline_s=4, features_s=1, model_s=2
)
PLAN = Plan(Slo(limit_s=1, usual=0.005, worse=0.1), steps=(20, 50), flagged=3, alpha=1e-6, beta=0.1)
A_SEND = 100
NUMBERS = itertools.count()


class Logistic(torch.nn.Module):
    """Fraud by the amount alone; `flags` from which amount on, `last` its last step."""

    def __init__(self, flags: float, last: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.flags, self.last = flags, last

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.last((rows[:, :1] - self.flags) / 5.0)


MODELS = {
    "old": Logistic(75.0, torch.sigmoid),
    "same": Logistic(75.0, torch.sigmoid),
    "logits": Logistic(75.0, lambda logits: logits),
}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together[FraudService]]:
    folder = tmp_path_factory.mktemp("versions")
    with RedisServer() as redis:
        store = RedisStore(redis.socket, deadline_s=5)
        store.begin()
        store.close()
        made = {}
        for name, model in MODELS.items():
            path = folder / f"{name}.onnx"
            path.write_bytes(onnx_file(model, torch.zeros(2, len(FEATURES))))
            made[name] = FraudService(
                {"cpu": path}, RULES, GENEROUS, audit=folder / f"{name}.sqlite", redis=redis.socket
            )
        started = Together(made)
        yield started
        started.stop()


def payment(number: int) -> bytes:
    """Amounts of 0 to 99, so that the old version flags a quarter."""
    told = {"transaction_id": number, "time_s": 5e6, "customer": number % 50, "terminal": 2}
    return json.dumps(told | {"amount": float(37 * number % 100)}).encode()


def sending(envoy: Envoy, sent: list[int]) -> Callable[[], None]:
    def send() -> None:
        bodies = [payment(next(NUMBERS)) for _ in range(A_SEND)]
        url = f"{envoy.url(shipping.ROUTE)}/score"
        load = closed_loop(post(url), bodies, connections=4, requests=A_SEND)
        assert load.failed == 0
        sent.append(A_SEND)

    return send


def weights(envoy: Envoy, service: FraudService) -> float:
    """The share of the next payments that a version answers."""
    before = shipping.counted(service, 1).answers
    sending(envoy, [])()
    return (shipping.counted(service, 1).answers - before) / A_SEND


def test_what_a_gateway_counted_is_read_from_its_page(services: Together[FraudService]) -> None:
    before = shipping.counted(services["same"], 1)
    bodies = [payment(next(NUMBERS)) for _ in range(100)] + [b"no payment"]
    closed_loop(post(f"{services['same'].url}/score"), bodies, connections=1, requests=101)
    assert shipping.counted(services["same"], 1) - before == Counts(100, 0, 25)
    with pytest.raises(LabError, match=r"The limit is 0.06 s; the gateway counts up to"):
        shipping.counted(services["same"], 0.06)


def test_late_degraded_and_unrecorded_answers_are_bad() -> None:
    """Of a page as the gateway makes it; what was refused for its own content is no answer."""
    metrics = Metrics()
    reply = {"tier": "cpu", "decision": "approve", "degraded": False, "repeated": False}
    for change, took_s in (({}, 0.01), ({}, 2.0), ({"degraded": True, "decision": "review"}, 0.01)):
        metrics.answered(reply | change, took_s)
    metrics.refused.labels("unrecorded").inc()
    metrics.refused.labels("malformed").inc()
    with page(metrics.registry) as url:
        found = shipping.counted(cast(FraudService, SimpleNamespace(url=url)), 1)
    assert found == Counts(answers=4, bad=3, flagged=1)


def test_a_good_version_gets_everything(services: Together[FraudService]) -> None:
    with shipping.front(services["old"], services["same"]) as envoy:
        sent: list[int] = []
        rollout = shipping.ship(
            envoy, services["old"], services["same"], PLAN, sending(envoy, sent)
        )
        assert rollout.outcome == "promoted"
        assert sum(sent) == rollout.payments[-1]
        assert list(dict.fromkeys(rollout.weights)) == [20, 50]
        at_50 = [look for look in rollout.looks if look.weight == 50]
        new, old = (sum(getattr(look, one).answers for look in at_50) for one in ("new", "old"))
        assert 0.25 < new / (new + old) < 0.75
        assert weights(envoy, services["same"]) == 1


def test_a_bad_one_is_rolled_back_without_an_error(services: Together[FraudService]) -> None:
    old, new = services["old"], services["logits"]
    with shipping.front(old, new) as envoy:
        send = sending(envoy, [])
        shadow = shipping.shadow(envoy, old, new, PLAN, send)
        assert shadow.outcome == "rolled back"
        assert "bad answers" in shadow.reason
        assert weights(envoy, new) == 0  # and nothing is copied any more
        rollout = shipping.ship(envoy, old, new, PLAN, send)
        assert rollout.outcome == "rolled back"
        assert "bad answers" in rollout.reason
        assert weights(envoy, old) == 1


def test_what_goes_wrong_meanwhile_leaves_the_old_one(services: Together[FraudService]) -> None:
    def broken() -> None:
        raise RuntimeError("the traffic has ended")

    with shipping.front(services["old"], services["same"]) as envoy:
        with pytest.raises(RuntimeError, match="the traffic has ended"):
            shipping.ship(envoy, services["old"], services["same"], PLAN, broken)
        assert weights(envoy, services["old"]) == 1
