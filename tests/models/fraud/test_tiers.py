from itertools import pairwise

import pytest

from lab_utils.models.fraud.tiers import caught, measured


def test_the_tiers_stand_in_their_order() -> None:
    """Lab 3 gives marks for the frauds that a chain catches: a worse tier must catch fewer."""
    found = caught()
    assert list(found) == ["large", "small", "rules", "rules at hand"]
    shares = list(found.values())
    assert all(better > worse for better, worse in pairwise(shares))
    assert shares[-1] < 0.6 * shares[0]


def test_what_is_kept_is_what_is_measured() -> None:
    assert measured() == pytest.approx(dict(caught()), abs=0.01)
