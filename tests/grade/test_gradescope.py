"""Gradescope's autograder: its archive unpacked and run as Gradescope runs it, at another root."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lab_utils.files import ROOT, cache_folder
from lab_utils.grade.classroom.gradescope import results
from lab_utils.grade.workers import isolation
from tests.conftest import Lab
from tests.grade.mixed_class import TASKS, UNIT, answered, packed, solution
from tests.started import lab

WRONG = (ROOT / "curriculum" / UNIT / "wrong" / "drops_softmax.py").read_text()
VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}
STUB = """#!/bin/sh
test "$1" = doctor && ln -s {venv} .venv
"""
"""Stands for ./lab, which would install 7 GB: the environment of these tests."""


@pytest.fixture(scope="module")
def autograder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is /autograder there, after its image was built."""
    root = tmp_path_factory.mktemp("autograder")
    archive = root / "autograder.zip"
    options = [word for task in TASKS for word in ("--task", task)]
    made = lab("release", archive, "--gradescope", "1", *options)
    assert made.returncode == 0, made.stderr
    with zipfile.ZipFile(archive) as files:
        for member in files.infolist():
            path = Path(files.extract(member, root / "source"))
            path.chmod(member.external_attr >> 16)
    for folder in ("submission", "results"):
        (root / folder).mkdir()
    run = root / "run_autograder"
    run.write_bytes((root / "source" / "run_autograder").read_bytes())
    run.chmod(0o755)
    stub = root / "source" / "course" / "lab"
    stub.write_text(STUB.format(venv=sys.prefix))
    said = start(root, root / "source" / "setup.sh")
    assert said.returncode == 0, said.stderr
    return root


def start(root: Path, script: Path) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {
        "INFERENCE_LAB_AUTOGRADER": str(root),
        "INFERENCE_LAB_CACHE": str(cache_folder()),
        "PYTHONPATH": str(root / "source" / "course"),  # the environment is another checkout's
    }
    return subprocess.run(
        [str(script)], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )


def graded(root: Path, **files: bytes) -> dict[str, Any]:
    """The results for a submission of these files."""
    for old in (*(root / "submission").iterdir(), *(root / "results").iterdir()):
        old.unlink()
    for name, content in files.items():
        (root / "submission" / name.replace("_", ".")).write_bytes(content)
    done = start(root, root / "run_autograder")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads((root / "results" / "results.json").read_text())
    return document


def encoded(notebook: dict[str, Any]) -> bytes:
    return json.dumps(notebook).encode()


def test_the_archive_is_gradescopes(autograder: Path) -> None:
    source = autograder / "source"
    for script in ("setup.sh", "run_autograder"):
        assert (source / script).stat().st_mode & 0o111
        assert (source / script).read_text().startswith("#!/usr/bin/env bash\n")
    course = source / "course"
    assert (course / "lab_utils" / "grade" / "engine.py").exists()
    assert (course / "curriculum" / UNIT / "grader.py").exists()
    assert not (course / "solutions").exists()
    assert not list(course.glob("curriculum/*/wrong"))
    assert not list(course.glob("curriculum/*/lab.py"))
    assert not (course / "tests").exists()


def test_a_right_and_a_wrong_answer(autograder: Path) -> None:
    document = graded(autograder, lab_ipynb=encoded(solution()))
    assert document["score"] == 4
    assert document["output"] == f"Answers ran {isolation()}."
    assert [(t["score"], t["max_score"], t["status"]) for t in document["tests"]] == [
        (2, 2, "passed")
    ] * 2
    wrong = encoded(answered(postprocess=WRONG))
    document = graded(autograder, work_zip=packed({"any/lab.ipynb": wrong}))
    assert document["score"] == 2
    by_score = {test["score"]: test for test in document["tests"]}
    assert by_score[0]["status"] == "failed"
    assert "raw logits" in by_score[0]["output"]
    assert_documented(document)


def assert_documented(document: dict[str, Any]) -> None:
    """Only fields and values of the published format."""
    assert set(document) <= {
        *("score", "execution_time", "output", "output_format", "test_output_format"),
        *("test_name_format", "visibility", "stdout_visibility", "extra_data", "tests"),
        "leaderboard",
    }
    assert {document["visibility"], document["stdout_visibility"]} <= VISIBILITIES
    assert isinstance(document["score"], int | float)
    for test in document["tests"]:
        assert set(test) <= {
            *("score", "max_score", "status", "name", "name_format", "number", "output"),
            *("output_format", "tags", "visibility", "extra_data"),
        }
        assert test["visibility"] in VISIBILITIES
        assert test.get("status", "passed") in ("passed", "failed")
        assert 0 <= test["score"] <= test["max_score"]


def test_what_cannot_be_read_has_no_points_and_a_reason(autograder: Path) -> None:
    document = graded(autograder, lab_ipynb=encoded(solution())[:2000])
    assert (document["score"], document["tests"]) == (0, [])
    assert "lab.ipynb is not a notebook" in document["output"]
    assert str(autograder) not in document["output"]
    assert "holds no notebook" in graded(autograder)["output"]
    assert_documented(document)


def test_part_of_the_points_is_neither_passed_nor_failed() -> None:
    verdict = {
        "task": "fast",
        "title": "Be fast",
        "state": "failed",
        "points": 1.5,
        "out_of": 3,
        "message": "1.7 times.",
        "figures": {},
        "isolation": "isolated",
        "duration_s": 1.4,
    }
    document = results([verdict])
    (test,) = document["tests"]
    assert (document["score"], test["score"], test["max_score"]) == (1.5, 1.5, 3)
    assert "status" not in test
    assert_documented(document)


def test_an_archive_that_was_changed_is_one_sentence(autograder: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "course").symlink_to(autograder / "source" / "course")
    done = start(tmp_path, autograder / "source" / "run_autograder")
    assert done.returncode == 1
    assert "order.json is not an autograder's order; make the archive with" in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--gradescope", "9"], "There is no graded lab in unit '9'"),
        (["--gradescope", "1", "--task", "nothing"], "There is no task 'nothing'"),
        (["--task", "postprocess"], "--task goes with --gradescope UNIT"),
    ],
)
def test_bad_input_is_one_sentence(
    options: list[str], said: str, lab_here: Lab, tmp_path: Path
) -> None:
    done = lab_here("release", tmp_path / "x.zip", *options)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "x.zip").exists()
