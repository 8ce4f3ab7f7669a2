from collections.abc import Sequence

import pytest

from lab_utils.bench.resnet import agreement
from lab_utils.grade.clients import Block, Reply


def block(labels: Sequence[str]) -> Block:
    """Replies whose best label is each of these; the second is the other one."""
    other = {"cat": "moon", "moon": "cat"}
    documents = [
        {"top5": [{"label": label, "probability": 0.6}, {"label": other[label]}]}
        for label in labels
    ]
    return Block(1.0, [Reply(0.01, document) for document in documents])


def test_agreement_counts_first_places_over_all_rounds() -> None:
    expected = [block(["cat", "moon"]), block(["cat", "cat"])]
    given = [block(["cat", "moon"]), block(["cat", "moon"])]
    found = agreement(expected, given)
    assert (found.median, found.n) == (0.75, 4)
    assert found.low < 0.75 < found.high


def test_only_pictures_that_both_answered_count() -> None:
    found = agreement([block(["cat"])], [block(["cat", "moon", "moon"])])
    assert (found.median, found.n) == (1, 1)


def test_rounds_must_pair() -> None:
    with pytest.raises(ValueError, match="shorter"):
        agreement([block(["cat"])] * 2, [block(["cat"])])
