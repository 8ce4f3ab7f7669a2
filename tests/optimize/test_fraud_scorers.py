"""Each file against the model it was made of."""

import lightgbm
import numpy as np
import pandas as pd
import pytest

from lab_utils.errors import LabError
from lab_utils.models.fraud.network import PaymentNetwork, fit, probabilities
from lab_utils.models.fraud.trees import train
from lab_utils.optimize.fraud_scorers import Scorer, of_network, of_trees

COLUMNS = list("abcde")


@pytest.fixture(scope="module")
def toy() -> tuple[pd.DataFrame, np.ndarray]:
    """Small whole numbers, rates of them, and amounts: many payments lie exactly on a threshold."""
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (3_000, 2))
    rates = rng.integers(0, 4, (3_000, 2)) / rng.integers(4, 9, (3_000, 2))
    amounts = np.round(rng.lognormal(3, 1, (3_000, 1)), 2)
    known = pd.DataFrame(np.hstack([counts, rates, amounts]).astype(np.float32), columns=COLUMNS)
    return known, (known["a"] * known["c"] + 0.01 * known["e"] > 1.5).to_numpy()


@pytest.fixture(scope="module")
def booster(toy: tuple[pd.DataFrame, np.ndarray]) -> lightgbm.Booster:
    return train(*toy, trees=40)


def test_trees_give_lightgbms_probabilities(
    toy: tuple[pd.DataFrame, np.ndarray], booster: lightgbm.Booster
) -> None:
    rows = toy[0].to_numpy()
    found = Scorer(of_trees(booster))(rows)
    np.testing.assert_allclose(found, booster.predict(rows), rtol=0, atol=1e-6)


def test_a_payment_on_a_threshold_goes_the_same_way(booster: lightgbm.Booster) -> None:
    """Each threshold as a feature's value, and its neighbours in 32 bits."""
    thresholds: list[tuple[int, float]] = []

    def collect(node: dict) -> None:
        if "threshold" in node:
            thresholds.append((node["split_feature"], node["threshold"]))
            collect(node["left_child"])
            collect(node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        collect(tree["tree_structure"])
    rows = np.ones((3 * len(thresholds), len(COLUMNS)), np.float32)
    for place, (feature, threshold) in enumerate(thresholds):
        value = np.float32(threshold)
        rows[3 * place, feature] = value
        rows[3 * place + 1, feature] = np.nextafter(value, np.float32(-np.inf))
        rows[3 * place + 2, feature] = np.nextafter(value, np.float32(np.inf))
    assert len(thresholds) > 100
    found = Scorer(of_trees(booster))(rows)
    np.testing.assert_allclose(found, booster.predict(rows), rtol=0, atol=1e-6)


def test_a_network_gives_pytorchs_probabilities(toy: tuple[pd.DataFrame, np.ndarray]) -> None:
    known, fraud = toy
    network = fit(PaymentNetwork((8,), features=5), known, fraud, epochs=2)
    scorer = Scorer(of_network(network))
    found = scorer(known.to_numpy())
    np.testing.assert_allclose(found, probabilities(network, known), rtol=0, atol=1e-6)
    np.testing.assert_allclose(scorer(known.to_numpy()[:1]), found[:1], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "rows", [np.zeros(5, np.float32), np.zeros((1, 4), np.float32), np.zeros((1, 5))]
)
def test_rows_of_another_form_are_refused(rows: np.ndarray, booster: lightgbm.Booster) -> None:
    with pytest.raises(LabError, match=r"expected \(N, 5\) of float32"):
        Scorer(of_trees(booster))(rows)


def test_a_booster_of_another_kind_is_refused(toy: tuple[pd.DataFrame, np.ndarray]) -> None:
    known, fraud = toy
    settings = {"objective": "regression", "verbosity": -1, "num_threads": 1}
    data = lightgbm.Dataset(known, fraud.astype(float))
    with pytest.raises(LabError, match="expected binary"):
        of_trees(lightgbm.train(settings, data, num_boost_round=2))
