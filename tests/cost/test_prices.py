from datetime import date
from pathlib import Path

import pytest

from lab_utils.cost.prices import FOLDER, KINDS, Catalogue, catalogue
from lab_utils.errors import LabError

MACHINES = (FOLDER / "machines.csv").read_text()
GPUS = (FOLDER / "gpus.csv").read_text()


@pytest.fixture(scope="module")
def prices() -> Catalogue:
    return catalogue()


def test_every_price_has_a_date_and_its_place(prices: Catalogue) -> None:
    for offer in prices.offers:
        assert date(2020, 1, 1) < offer.seen < date.today()
        assert offer.source.startswith("https://")
        assert len(offer.currency) == 3


def test_who_commits_pays_less(prices: Catalogue) -> None:
    for offer in prices.offers:
        paid = offer.prices_per_h
        for dear, cheap in (
            ("on demand", "reserved 1 year"),
            ("reserved 1 year", "reserved 3 years"),
            ("on demand", "spot"),
        ):
            if dear in paid and cheap in paid:
                assert paid[cheap] < paid[dear], (offer.machine, cheap)


def test_both_kinds_of_machine_and_every_way_to_pay_are_there(prices: Catalogue) -> None:
    for with_gpu in (True, False):
        offers = [offer for offer in prices.offers if bool(offer.gpu) == with_gpu]
        assert set(KINDS) <= {kind for offer in offers for kind in offer.prices_per_h}


def test_a_machine_with_as_many_cores_or_the_next_larger(prices: Catalogue) -> None:
    sizes = sorted({offer.cores for offer in prices.offers if not offer.gpu})
    for size in sizes:
        assert prices.with_cores(size).cores == size
        assert not prices.with_cores(size).gpu
    assert prices.with_cores(sizes[0] + 1).cores == sizes[1]
    assert prices.with_cores(10_000).cores == sizes[-1]


def test_the_next_dearer_machine_with_a_gpu(prices: Catalogue) -> None:
    offers = sorted((o for o in prices.offers if o.gpu), key=lambda o: o.price())
    assert prices.next_with_gpu(0) == offers[0]
    assert prices.next_with_gpu(offers[0].price()).price() > offers[0].price()
    assert prices.next_with_gpu(1e9) == offers[-1]


def test_a_price_says_how_old_it_is(prices: Catalogue) -> None:
    offer = prices.offers[0]
    later = date.fromordinal(offer.seen.toordinal() + 40)
    assert offer.seen_text(later) == f"seen {offer.seen}, 40 days ago"


def test_an_unknown_machine_is_told_the_nearest(prices: Catalogue) -> None:
    with pytest.raises(LabError, match="'g2-standart-4'; the nearest are g2-standard-4"):
        prices.offer("g2-standart-4")
    with pytest.raises(LabError, match="no price in 'moon-1'; expected us-"):
        prices.offer("g2-standard-4", "moon-1")


def test_a_price_that_was_not_sourced_is_not_there(tmp_path: Path) -> None:
    header, *rest = (line for line in MACHINES.splitlines() if not line.startswith("#"))
    first = dict(zip(header.split(","), rest[0].split(","), strict=True)) | {"spot": ""}
    offer = read(tmp_path, "\n".join((header, ",".join(first.values())))).offers[0]
    with pytest.raises(LabError, match="no price 'spot'; expected one of on demand"):
        offer.price("spot")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("on_demand", "", "could not convert"),
        ("on_demand", "0", "on_demand is 0; expected more than 0"),
        ("reserved_1y", "cheap", "could not convert"),
        ("seen", "last week", "isoformat"),
        ("source", "a friend", "expected an address"),
        ("gpu", "L5", "L5 is not in gpus.csv"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, column: str, value: str, said: str) -> None:
    header, *rest = (line for line in MACHINES.splitlines() if not line.startswith("#"))
    row = dict(zip(header.split(","), rest[0].split(","), strict=True)) | {column: value}
    with pytest.raises(LabError, match=f"machines.csv, row 1: .*{said}"):
        read(tmp_path, "\n".join((header, ",".join(row.values()))))


def test_missing_columns_twins_and_empty_files_are_refused(tmp_path: Path) -> None:
    header, first, *_ = (line for line in MACHINES.splitlines() if not line.startswith("#"))
    with pytest.raises(LabError, match="twice"):
        read(tmp_path, "\n".join((header, first, first)))
    with pytest.raises(LabError, match="no column 'currency'"):
        read(tmp_path, "\n".join((header.replace("currency", "money"), first)))
    with pytest.raises(LabError, match="no row"):
        read(tmp_path, header)
    with pytest.raises(LabError, match="could not be read"):
        catalogue(tmp_path / "nowhere")


def read(folder: Path, machines: str) -> Catalogue:
    (folder / "machines.csv").write_text(machines)
    (folder / "gpus.csv").write_text(GPUS)
    return catalogue(folder)
