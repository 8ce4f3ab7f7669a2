import pytest

from lab_utils.cost.tokens import COST_PER_TOKEN
from lab_utils.errors import LabError

GIVEN = {"price_per_h": 2.0, "tokens_per_s": 2000.0, "utilisation": 1.0}


def test_a_million_tokens() -> None:
    """2 $ an hour at 2,000 tokens a second: 0.278 $ (arithmetic)."""
    assert COST_PER_TOKEN(GIVEN) == pytest.approx(0.278, abs=5e-4)


def test_idle_time_is_paid_as_well() -> None:
    assert COST_PER_TOKEN(GIVEN | {"utilisation": 0.25}) == pytest.approx(4 * 2 / 7.2)
    assert COST_PER_TOKEN(GIVEN | {"price_per_h": 0}) == 0


@pytest.mark.parametrize(
    "wrong", [{"price_per_h": -1}, {"tokens_per_s": 0}, {"utilisation": 0}, {"utilisation": 1.1}]
)
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(LabError, match="expected a p"):
        COST_PER_TOKEN(GIVEN | wrong)
