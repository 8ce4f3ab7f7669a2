"""The search itself takes minutes and is never run here; what is made of its end is."""

import json
import sys
from pathlib import Path

import pytest

from lab_utils.components import environments
from lab_utils.errors import LabError
from lab_utils.optimize import kept_search, tune
from lab_utils.optimize.kept_search import ORIGIN, RECORDS, WORKLOADS

SEARCH = kept_search.load()
FINDS = f"""
import shutil, sys
work = sys.argv[-3]
shutil.copy({str(SEARCH.folder / WORKLOADS)!r}, work)
records = open({str(SEARCH.folder / RECORDS)!r}).read()
open(work + "/{RECORDS}", "a").write(records)
"""


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A stand-in for the search, which finds at once what the course's found; gives its script."""
    try:
        environments.python("tvm")
    except LabError as error:
        pytest.skip(str(error))
    if SEARCH.lacks() is not None:
        pytest.skip(str(SEARCH.lacks()))
    monkeypatch.setattr(tune, "ROUNDS", 1)
    monkeypatch.setattr(tune, "cache_folder", lambda: tmp_path / "cache")
    script = tmp_path / "search.py"
    script.write_text(FINDS)
    real = environments.command

    def command(name: str, *given: object, **options: object) -> list[str]:
        if name == "tvm_tuning":
            return [sys.executable, str(script), *map(str, given)]
        return real(name, *given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(environments, "command", command)
    return script


def test_a_search_is_kept_with_its_origin_and_can_go_on(searches: Path, tmp_path: Path) -> None:
    for trials in (2, 0):
        found = tune.search(trials, 5, SEARCH.needs, tmp_path / "kept")
    kept = kept_search.read(tmp_path / "kept")
    assert kept.origin == found.origin
    assert [run["trials"] for run in kept.origin["runs"]] == [2]
    assert kept.trials == 1  # those that are in the database, whatever was asked for
    assert len((kept.folder / RECORDS).read_text().splitlines()) == 1
    assert kept.recorded_s["TVM, tuned"] < kept.recorded_s["TVM, untuned"]
    assert kept.built["TVM, tuned"]["loops"] == SEARCH.built["TVM, tuned"]["loops"]


def test_a_search_that_fails_says_so_and_counts_its_time(searches: Path, tmp_path: Path) -> None:
    searches.write_text("import sys\nsys.exit('no compiler')\n")
    with pytest.raises(LabError, match="The search ended with an error: no compiler"):
        tune.search(1, 1, "AVX2", tmp_path / "kept")
    begun = json.loads((tmp_path / "cache" / "tvm-search-of-AVX2" / ORIGIN).read_text())
    assert len(begun["runs"]) == 1
    assert not (tmp_path / "kept").exists()
