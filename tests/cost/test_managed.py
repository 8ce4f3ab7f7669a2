from datetime import date
from pathlib import Path

import pytest

from lab_utils.cost.managed import (
    HOUR,
    SECOND,
    billed_s,
    break_even_rate,
    cost_per_thousand_served,
    managed_offers,
)
from lab_utils.cost.prices import FOLDER
from lab_utils.errors import LabError

TEXT = (FOLDER / "managed.csv").read_text()


def test_every_price_has_a_date_its_place_and_its_item() -> None:
    offers = managed_offers()
    assert {offer.unit for offer in offers.values()} == {HOUR, SECOND}
    for offer in offers.values():
        assert date(2020, 1, 1) < offer.seen < date.today()
        assert offer.source.startswith("https://")
        assert offer.item
        assert len(offer.currency) == 3


def test_a_service_around_a_machine_is_not_free() -> None:
    with_own = [offer for offer in managed_offers().values() if offer.own_price is not None]
    assert with_own
    for offer in with_own:
        assert offer.own_price is not None
        assert offer.price > offer.own_price


def test_at_the_break_even_both_cost_the_same() -> None:
    hour, second, busy = 0.115, 0.00006, 0.0042
    rate = break_even_rate(hour, second, busy)
    assert rate * 3600 / 1000 * cost_per_thousand_served(second, busy) == pytest.approx(hour)


@pytest.mark.parametrize(
    ("busy", "billed"), [(1e-6, 0.001), (0.001, 0.001), (0.0010001, 0.002), (0.25, 0.25)]
)
def test_work_is_billed_in_whole_milliseconds(busy: float, billed: float) -> None:
    assert billed_s(busy) == pytest.approx(billed)


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_what_cannot_be_is_refused(wrong: float) -> None:
    with pytest.raises(LabError, match="busy_s is"):
        billed_s(wrong)
    with pytest.raises(LabError, match="price_per_s is"):
        break_even_rate(0.1, wrong, 0.01)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("unit", "month", "expected hour or second"),
        ("price", "0", "price is 0; expected more than 0"),
        ("seen", "lately", "isoformat"),
        ("source", "a friend", "expected an address"),
        ("own", "cheap", "could not convert"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, column: str, value: str, said: str) -> None:
    header, first, *_ = (line for line in TEXT.splitlines() if not line.startswith("#"))
    row = dict(zip(header.split(","), first.split(","), strict=True)) | {column: value}
    (tmp_path / "managed.csv").write_text(f"{header}\n{','.join(row.values())}\n")
    with pytest.raises(LabError, match=f"managed.csv, row 1: .*{said}"):
        managed_offers(tmp_path)
