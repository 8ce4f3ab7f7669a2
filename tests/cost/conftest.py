import gzip
from pathlib import Path

import pytest

from lab_utils.cost.focus import Bill
from lab_utils.cost.made_bill import Plan, export

DAYS = Plan(days=3)


@pytest.fixture(scope="session")
def exported() -> str:
    return export(DAYS)


@pytest.fixture(scope="session")
def bill(exported: str, tmp_path_factory: pytest.TempPathFactory) -> Bill:
    path: Path = tmp_path_factory.mktemp("bill") / "focus.csv.gz"
    path.write_bytes(gzip.compress(exported.encode()))
    return Bill(path)
