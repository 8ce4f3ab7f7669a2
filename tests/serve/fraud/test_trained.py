"""The parts that benches and experiments share: they fit together, and payments never end."""

from itertools import islice

import numpy as np
import pytest

from lab_utils.features.memory_store import MemoryStore
from lab_utils.features.online import OnlineFeatures
from lab_utils.models.fraud.feature_names import AT_HAND
from lab_utils.optimize.fraud_scorers import Scorer
from lab_utils.serve.fraud.request import parse
from lab_utils.serve.fraud.trained import Trained, trained


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained(tmp_path_factory.mktemp("trained"))


def test_each_version_scores_what_the_filled_store_tells(world: Trained) -> None:
    store = MemoryStore()
    world.fill(store)
    online = OnlineFeatures(store)
    served = [online.of(payment) for payment in world.coming[:200]]
    assert not any(one.missing for one in served)
    assert any(one.values[len(AT_HAND) :].any() for one in served)
    rows = np.stack([one.values for one in served])
    scores = [Scorer(path.read_bytes())(rows) for path in (world.trees, world.smaller)]
    assert all(((each >= 0) & (each <= 1)).all() for each in scores)
    assert not np.array_equal(*scores)


def test_the_rules_need_the_payment_alone(world: Trained) -> None:
    assert set(world.rules.features) <= set(AT_HAND)


def test_the_stream_goes_on_after_its_week_without_a_number_twice(world: Trained) -> None:
    some = list(islice(world.stream(), len(world.coming) + 100))
    assert tuple(some[: len(world.coming)]) == world.coming
    assert len({payment.transaction_id for payment in some}) == len(some)
    times_s = [payment.time_s for payment in some]
    assert times_s == sorted(times_s)


def test_a_body_is_its_payment(world: Trained) -> None:
    body = next(world.bodies())
    assert parse(body) == world.coming[0]
