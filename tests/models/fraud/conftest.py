"""Payments of the Handbook's own size, made once for all tests of the folder."""

import pandas as pd
import pytest

from lab_utils.models.fraud.features import features
from lab_utils.models.fraud.transactions import simulate_transactions


@pytest.fixture(scope="session")
def payments() -> pd.DataFrame:
    return simulate_transactions(customers=5_000, terminals=10_000, days=60, seed=0)


@pytest.fixture(scope="session")
def known(payments: pd.DataFrame) -> pd.DataFrame:
    return features(payments)
