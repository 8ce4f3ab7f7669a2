import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.machine.facts import facts
from lab_utils.optimize import kept_search
from lab_utils.optimize.kept_search import FILES, LEVELS, ORIGIN, RECORDS, Search, folder_of

FOLDER = folder_of("AVX2")
every_level = pytest.mark.parametrize("level", LEVELS)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    folder = tmp_path / "search"
    shutil.copytree(FOLDER, folder)
    return folder


def record(*runs_s: float) -> str:
    return json.dumps([0, [["trace"], list(runs_s), {"kind": "llvm"}, []]]) + "\n"


@every_level
def test_the_course_s_search_is_whole_and_says_where_it_comes_from(level: str) -> None:
    search = kept_search.read(folder_of(level))
    assert search.needs == level
    assert search.origin["target"]["mcpu"] == LEVELS[level]
    assert search.trials == sum(run["trials"] for run in search.origin["runs"])
    assert search.duration_s == pytest.approx(sum(r["duration_s"] for r in search.origin["runs"]))
    assert {"eager", "oneDNN", "TVM, untuned", "TVM, tuned"} < set(search.recorded_s)
    assert set(search.built) < set(search.recorded_s)
    assert search.origin["tvm"]
    assert search.machine
    assert search.date


@every_level
def test_the_kept_program_is_the_best_that_was_tried(level: str) -> None:
    search = kept_search.read(folder_of(level))
    [kept] = kept_search.trials_ms((search.folder / RECORDS).read_text())
    assert kept == search.best_so_far_ms()[-1]


@every_level
def test_what_is_kept_is_small(level: str) -> None:
    assert sum((folder_of(level) / name).stat().st_size for name in FILES) < 200_000


def test_the_newest_instructions_that_the_processor_has_decide(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for has, chosen in ((("AVX2", "AVX-512"), "AVX-512"), (("AVX2",), "AVX2"), ((), "AVX2")):
        here = dataclasses.replace(facts(), instruction_sets=has)
        monkeypatch.setattr(kept_search, "facts", lambda here=here: here)
        search = kept_search.load()
        assert search.needs == chosen
        assert (search.lacks() is None) == bool(has)


def test_older_processors_have_a_search_of_their_own() -> None:
    newest, oldest = (kept_search.read(folder_of(level)) for level in (*LEVELS,))
    older = newest.for_older_processors()
    assert older is not None
    assert older.needs == oldest.needs
    assert oldest.for_older_processors() is None


def test_a_failed_program_has_no_time_and_is_never_the_best() -> None:
    records = record(1e10) + record(0.004, 0.006, 0.005) + record(0.002, 0.9, 0.003) + record(1e10)
    assert kept_search.trials_ms(records) == [None, 5.0, 3.0, None]
    assert kept_search.best_record(records) == record(0.002, 0.9, 0.003)
    with pytest.raises(LabError, match="No program of the search ran"):
        kept_search.best_record(record(1e10))


def test_the_best_so_far_only_falls() -> None:
    search = Search(FOLDER, {"trials_ms": [None, 5.0, 7.0, 3.0, None, 4.0]})
    assert search.best_so_far_ms() == [5.0, 5.0, 3.0, 3.0]
    assert search.trials == 6


def test_this_machine_s_own_search_comes_first(
    copied: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))
    assert not kept_search.load().is_own
    copied.rename(kept_search.own_folder())
    assert kept_search.load().is_own
    (kept_search.own_folder() / ORIGIN).unlink()  # it is written last: half a search is none
    assert not kept_search.load().is_own


@pytest.mark.parametrize("name", FILES)
def test_a_search_that_is_not_whole_is_refused(copied: Path, name: str) -> None:
    (copied / name).write_text("")
    with pytest.raises(LabError, match=r"holds no search that is whole.*optimize\.tune"):
        kept_search.read(copied)


def test_an_origin_that_lacks_something_is_refused(copied: Path) -> None:
    origin = json.loads((copied / ORIGIN).read_text())
    del origin["machine"]
    (copied / ORIGIN).write_text(json.dumps(origin))
    with pytest.raises(LabError, match="holds no search that is whole"):
        kept_search.read(copied)


def test_another_kind_of_processor_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    search = kept_search.read(FOLDER)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert str(search.lacks()).endswith(f"this machine is aarch64 ({facts().processor}).")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    search.origin["needs"] = "an instruction set of the next century"
    assert "next century" in str(search.lacks())
