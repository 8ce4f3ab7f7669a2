"""A class is graded once, whatever interrupts it."""

import json
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.grade.classroom.handed_in import HandedIn
from lab_utils.grade.classroom.run import Order, _Run
from lab_utils.grade.classroom.seeds import key_in, seed_id, seed_of
from lab_utils.grade.classroom.store import STORE, Row, Store
from lab_utils.grade.classroom.version import digest, version_of

TOYS = Path(__file__).with_name("class_of_toys.py")
LEARNERS = 30


def toy_class(folder: Path) -> Path:
    """30 submissions: right, half right, wrong; three of them cannot be read."""
    folder.mkdir()
    for i in range(LEARNERS):
        words = ("first second", "first", "")[i % 3]
        cell = {"cell_type": "code", "metadata": {}, "source": f"# {i} {words}"}
        facts = {"inference_lab": {"unit": "1_toy"}}
        content = json.dumps({"cells": [cell], "metadata": facts})
        (folder / f"learner{i:02}.ipynb").write_text(content[:20] if i % 10 == 9 else content)
    return folder


def start(folder: Path, out: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(TOYS), str(folder), str(out), str(out.with_suffix(".log"))]
    return subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, int]:
    said, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    kept, graded = map(int, said.split())
    return kept, graded


def rows(out: Path) -> list[tuple[str, str, str, float]]:
    with sqlite3.connect(out / STORE) as database:
        found: list[tuple[str, str, str, float]] = database.execute(
            "SELECT learner, task, state, points FROM verdicts ORDER BY learner, task, id"
        ).fetchall()
    return found


def verdicts_so_far(out: Path) -> int:
    try:
        return len(rows(out))
    except sqlite3.OperationalError:  # not there yet
        return 0


def killed_at_random(folder: Path, out: Path, times: int, draws: random.Random) -> None:
    """Start the run, kill it after some verdicts, `times` times."""
    for _ in range(times):
        before = verdicts_so_far(out)
        process = start(folder, out)
        more = draws.randrange(0, 5)
        while process.poll() is None and verdicts_so_far(out) < before + more:
            time.sleep(0.001)
        time.sleep(draws.uniform(0, 0.01))
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_a_class_that_is_killed_ten_times_is_graded_exactly_once(tmp_path: Path) -> None:
    folder, out = toy_class(tmp_path / "class"), tmp_path / "out"
    draws = random.Random(4)
    killed_at_random(folder, out, 10, draws)
    before = verdicts_so_far(out)
    kept, graded = finish(start(folder, out))
    assert kept == before > 0
    assert kept + graded == 27 * 2 + 3
    expected = []
    for i in range(LEARNERS):
        name = f"learner{i:02}"
        if i % 10 == 9:
            expected.append((name, "", "error", 0))
            continue
        points = ((2, 2), (2, 0), (0, 0))[i % 3]
        for task, got in zip(("first", "second"), points, strict=True):
            expected.append((name, task, "passed" if got else "failed", got))
    assert rows(out) == expected
    # What was graded and not yet recorded when the run was killed: two at most, each time.
    logged = Counter(out.with_suffix(".log").read_text().splitlines())
    assert sum(logged.values()) - len(logged) <= 10 * 2
    assert finish(start(folder, out)) == (57, 0)


def test_again_grades_once_more_and_keeps_the_old_rows(tmp_path: Path) -> None:
    folder, out = toy_class(tmp_path / "class"), tmp_path / "out"
    assert finish(start(folder, out)) == (0, 57)
    process = start(folder, out, "--again")
    while process.poll() is None and verdicts_so_far(out) < 57 + 10:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    given = verdicts_so_far(out) - 57
    kept, graded = finish(start(folder, out))  # what is left of "again", without asking again
    assert given + graded == 54
    assert kept == 57 - graded
    assert Counter(Counter((learner, task) for learner, task, *_ in rows(out)).values()) == {
        2: 54,
        1: 3,  # a notebook that cannot be read is not read again
    }


def test_a_notebook_that_changes_is_graded_and_the_others_are_kept(tmp_path: Path) -> None:
    folder, out = toy_class(tmp_path / "class"), tmp_path / "out"
    finish(start(folder, out))
    changed = folder / "learner02.ipynb"
    changed.write_text(changed.read_text().replace("# 2", "# first 2"))
    (folder / "learner09.ipynb").write_text(changed.read_text())
    assert finish(start(folder, out)) == (54, 4)
    with Store(out) as store:
        known = {k.learner: store.verdicts(k) for k in store.submissions()}
    assert known["learner02"]["first"].verdict["state"] == "passed"
    assert set(known["learner09"]) == {"first", "second"}


def test_ctrl_c_keeps_what_was_graded(tmp_path: Path) -> None:
    folder, out = toy_class(tmp_path / "class"), tmp_path / "out"
    process = start(folder, out, "--never-ends")  # however late the signal, it comes before the end
    while process.poll() is None and verdicts_so_far(out) < 8:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, graded = finish(process)
    assert 8 <= graded < 57
    kept, rest = finish(start(folder, out))
    assert kept in (graded, graded + 1)  # stopped between recording a verdict and counting it
    assert kept + rest == 57


def test_whoever_hands_out_jobs_imports_nothing_that_takes_seconds() -> None:
    look = (
        "import sys, lab_utils.grade.classroom.run, lab_utils.grade.classroom.cluster_worker; "
        "print({'torch', 'scipy.stats'} & {*sys.modules})"
    )
    said = subprocess.check_output([sys.executable, "-c", look], cwd=ROOT, text=True)
    assert said == "set()\n"


def test_a_grader_imports_little_besides_torch() -> None:
    """Each took longer than many a verdict, and stands in every grader's way anew."""
    look = (
        "import sys, lab_utils.grade.engine; from lab_utils.grade.spec import load_lab; "
        "load_lab('1'); print({'flask', 'lark', 'scipy.stats', 'triton'} & {*sys.modules})"
    )
    said = subprocess.check_output([sys.executable, "-c", look], cwd=ROOT, text=True)
    assert said == "set()\n"


def row(learner: str = "anna", task: str = "double") -> Row:
    verdict = {
        "task": task,
        "title": "Double it",
        "state": "passed",
        "points": 3,
        "out_of": 3,
        "message": "",
        "figures": {},
        "isolation": "isolated",
        "duration_s": 0.1,
    }
    return Row(learner, "1_toy", task, "c", "v", verdict, {}, {}, "s", "then", "now")


def test_a_store_is_locked_private_and_in_wal_mode(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Store(out) as store:
        store.record(row())
        with pytest.raises(LabError, match=r"Another ./lab grade is at work"), Store(out):
            pass
        with Store(out, read_only=True):  # an export meanwhile
            pass
        with sqlite3.connect(out / STORE) as database:
            assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (out / STORE).stat().st_mode & 0o777 == 0o600
    assert out.stat().st_mode & 0o777 == 0o700
    with Store(out):
        pass


def test_what_is_no_store_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / STORE).write_bytes(b"not a database, surely not one" * 100)
    with pytest.raises(LabError, match="is not a store of marks"), Store(tmp_path):
        pass
    other = tmp_path / "other"
    other.mkdir()
    with sqlite3.connect(other / STORE) as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(LabError, match="schema 9, expected 1"), Store(other):
        pass
    with (
        pytest.raises(LabError, match="holds no marks"),
        Store(tmp_path / "nowhere", read_only=True),
    ):
        pass


def test_the_copy_of_a_notebook_is_what_was_graded(tmp_path: Path) -> None:
    with Store(tmp_path / "out") as store:
        submission = HandedIn("anna", "1_toy", "anna.ipynb", b"{}")
        store.found(submission, "v")
        assert store.notebook(submission.digest).read_bytes() == b"{}"


def test_a_seed_depends_on_key_unit_task_and_notebook_alone(tmp_path: Path) -> None:
    key = key_in(tmp_path)
    assert key_in(tmp_path) == key
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    seeds = {
        seed_of(*parts)
        for parts in (
            (key, "1", "a", "c"),
            (key, "1", "b", "c"),
            (key, "1", "a", "d"),
            (key, "2", "a", "c"),
            (key + b"0", "1", "a", "c"),
        )
    }
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(b"k" * 16, "1_toy", "double", "c") == 4963748716056858630
    assert re.fullmatch("[0-9a-f]{12}", seed_id(5))


def test_what_cannot_be_read_belongs_to_the_unit_of_the_others(tmp_path: Path) -> None:
    """The course has two labs; a class hands in one of them."""
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "aaa.ipynb").write_text("{")
    (folder / "anna.ipynb").write_bytes((ROOT / "labs/2_llm_serving/lab.ipynb").read_bytes())
    with Store(tmp_path / "out") as store:
        shared, alone = _Run(Order([folder], tmp_path / "out"), store).left_to_grade()
        assert {known.learner: known.unit for known in store.submissions()} == {
            "aaa": "2_llm_serving",
            "anna": "2_llm_serving",
        }
    assert [job.task for job in alone] == ["chatbot"]
    assert {job.unit for job in shared} == {"2_llm_serving"}


def test_the_version_follows_the_grader(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1\n")
    first = digest([tmp_path / "a.py"], tmp_path)
    (tmp_path / "a.py").write_bytes(b"1\r\n")
    assert digest([tmp_path / "a.py"], tmp_path) == first
    (tmp_path / "a.py").write_text("2\n")
    assert digest([tmp_path / "a.py"], tmp_path) != first
    assert re.fullmatch("[0-9a-f]{12}", version_of("1_resnet_service"))
