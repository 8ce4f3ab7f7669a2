import numpy as np
import pandas as pd
import pytest
import torch

from lab_utils.errors import LabError
from lab_utils.models.fraud.network import STUDENT, PaymentNetwork, fit, probabilities


@pytest.fixture(scope="module")
def toy() -> tuple[pd.DataFrame, np.ndarray]:
    """Fraud is where both columns are large: a product, which no single column tells."""
    rng = np.random.default_rng(0)
    known = pd.DataFrame(rng.lognormal(2, 2, (4_000, 2)).astype(np.float32))
    return known, ((known > known.median()).sum(axis=1) == 2).to_numpy()


def test_it_learns_what_no_single_column_tells(toy: tuple[pd.DataFrame, np.ndarray]) -> None:
    known, fraud = toy
    network = fit(PaymentNetwork((32,), features=2), known, fraud, epochs=30)
    found = probabilities(network, known)
    assert found.shape == (4_000,)
    assert ((found > 0.5) == fraud).mean() > 0.95


def test_the_same_seed_gives_the_same_network(toy: tuple[pd.DataFrame, np.ndarray]) -> None:
    known, fraud = toy
    torch.manual_seed(7)
    first = probabilities(fit(PaymentNetwork((4,), 2), known, fraud, epochs=1, seed=1), known)
    torch.manual_seed(8)
    again = probabilities(fit(PaymentNetwork((4,), 2), known, fraud, epochs=1, seed=1), known)
    other = probabilities(fit(PaymentNetwork((4,), 2), known, fraud, epochs=1, seed=2), known)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_raw_features_may_be_anything_finite() -> None:
    values = torch.tensor([[-5.0, 1e30], [0.0, 0.0]])
    assert PaymentNetwork(STUDENT, 2)(values).isfinite().all()


@pytest.mark.parametrize("target", [[0.1], [0.1, 1.5], [0.1, float("nan")]])
def test_targets_that_are_no_probabilities_are_refused(target: list[float]) -> None:
    with pytest.raises(LabError, match="expected a probability"):
        fit(PaymentNetwork((2,), 1), pd.DataFrame({"a": [1.0, 2.0]}), target)
