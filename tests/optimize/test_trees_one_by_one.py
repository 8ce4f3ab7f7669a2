import lightgbm
import numpy as np
import pandas as pd
import pytest

from lab_utils.errors import LabError
from lab_utils.models.fraud.trees import train
from lab_utils.optimize.trees_one_by_one import OneByOne
from tests.optimize.small_networks import FEATURES, rows


@pytest.fixture(scope="module")
def booster() -> lightgbm.Booster:
    made = np.tile(rows(), (10, 1))
    return train(pd.DataFrame(made), made[:, 0] * made[:, 1] > 20, trees=40)


def test_each_payment_gets_lightgbms_probability(booster: lightgbm.Booster) -> None:
    expected = booster.predict(rows())
    assert expected.std() > 0.1
    scorer = OneByOne(booster)
    found = [scorer(rows()[n : n + 1]) for n in range(len(rows()))]
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=0, atol=1e-6)


def test_two_of_them_do_not_share_an_answer(booster: lightgbm.Booster) -> None:
    few = OneByOne(train(pd.DataFrame(rows()), rows()[:, 2] > 3, trees=1))
    many = OneByOne(booster)
    first = many(rows()[:1])
    other = few(rows()[:1])
    np.testing.assert_array_equal(many(rows()[:1]), first)
    assert other != first
    del few
    np.testing.assert_array_equal(many(rows()[:1]), first)


@pytest.mark.parametrize(
    "some", [np.zeros((2, FEATURES), np.float32), np.zeros((1, FEATURES)), np.zeros(FEATURES)]
)
def test_other_rows_are_refused(some: np.ndarray, booster: lightgbm.Booster) -> None:
    with pytest.raises(LabError, match=r"expected \(1, 15\) of float32"):
        OneByOne(booster)(some)
