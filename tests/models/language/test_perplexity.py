import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.models.language.perplexity import (
    losses,
    perplexity,
    perplexity_of,
    perplexity_ratio,
    windows,
)

VOCABULARY = 50
KEPT = windows(list(np.random.default_rng(1).integers(VOCABULARY, size=1000)), 20)


def certain(ids: np.ndarray, sure: float) -> np.ndarray:
    """Logits that give the true next token a lead of `sure`."""
    logits = np.zeros((*ids.shape, VOCABULARY), np.float32)
    np.put_along_axis(logits[:, :-1], ids[:, 1:, None], sure, axis=-1)
    return logits


def test_windows_do_not_overlap_and_the_rest_is_left_out() -> None:
    assert windows(range(10), 4).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with pytest.raises(LabError, match="3 tokens were to be cut into windows of 4"):
        windows(range(3), 4)


def test_who_knows_nothing_hesitates_between_all() -> None:
    found = perplexity(lambda ids: certain(ids, 0), KEPT)
    assert found.median == pytest.approx(VOCABULARY)
    assert found.n == len(KEPT)


def test_who_is_certain_does_not_hesitate() -> None:
    assert perplexity(lambda ids: certain(ids, 100), KEPT).median == pytest.approx(1)


def test_in_between_it_is_the_formulas() -> None:
    probability = np.exp(3) / (np.exp(3) + VOCABULARY - 1)
    found = perplexity(lambda ids: certain(ids, 3), KEPT)
    assert found.median == pytest.approx(1 / probability)


def test_large_logits_do_not_overflow() -> None:
    assert np.isfinite(losses(1e4 * certain(KEPT[:1], 1), KEPT[:1])).all()


def test_a_ratio_is_known_better_than_what_it_compares() -> None:
    """Hard and easy windows: a model that hesitates 2 % longer everywhere is 2 % worse, exactly."""
    hard = np.random.default_rng(2).uniform(1, 4, (40, 1)) * np.ones((40, 19))
    found = perplexity_ratio(hard + np.log(1.02), hard)
    assert (found.median, found.low, found.high) == pytest.approx((1.02, 1.02, 1.02))
    alone = perplexity_of(hard)
    assert alone.high / alone.low > 1.3
    with pytest.raises(LabError, match="expected the same windows"):
        perplexity_ratio(hard, hard[:5])
