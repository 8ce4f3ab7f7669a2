"""`./lab grade` and `./lab check` as a person and a script meet them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from lab_utils.files import ROOT
from lab_utils.grade import batch
from lab_utils.grade.classroom.seeds import key_in, seed_of
from lab_utils.grade.spec import load_lab
from lab_utils.grade.verdict import Marks
from lab_utils.grade.workers import Workers
from tests.conftest import Lab
from tests.started import lab

LAB = ROOT / "labs" / "1_resnet_service" / "lab.ipynb"
WELCOME = str(ROOT / "notebooks" / "welcome.ipynb")
SOLUTION = ROOT / "solutions" / "1_resnet_service" / "lab.ipynb"
ISOLATION = Workers().isolation


def test_grade_gives_marks_as_json_and_goes_on_after_a_bad_notebook(tmp_path: Path) -> None:
    bad = tmp_path / "cut.ipynb"
    bad.write_text(SOLUTION.read_text()[:3000])
    chosen = ["--task", "postprocess", "--task", "measure_latency"]
    done = lab("grade", bad, LAB, SOLUTION, "--json", *chosen, timeout=300)
    document = json.loads(done.stdout.splitlines()[-1])
    assert [(s["points"], s["out_of"]) for s in document["submissions"]] == [(0, 4), (4, 4)]
    assert list(document["unread"]) == [str(bad)]
    assert done.returncode == 1  # one of three could not be read
    assert done.stderr.count("Error: ") == 1
    assert {"machine", "versions"} <= set(document)
    for task in document["submissions"][1]["tasks"]:
        assert (task["state"], task["isolation"]) == ("passed", ISOLATION)


def test_check_marks_the_learners_own_lab(lab_here: Lab) -> None:
    done = lab_here("check", "1", "--task", "postprocess")
    assert done.returncode == 0, done.stderr
    assert f"of 2 points; answers ran {ISOLATION}." in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["grade", "nowhere.ipynb"], "could not be read"),
        (["grade", str(ROOT / "README.md")], "is not a notebook"),
        (["grade", WELCOME], "add --unit NAME"),
        (["grade", WELCOME, "--unit", "1"], "holds no answer to any task"),
        (["grade", str(SOLUTION), "--task", "nothing"], "There is no task 'nothing'"),
        (["grade", str(SOLUTION), "--unit", "9_nothing"], "no graded lab in unit '9_nothing'"),
        (["check", "7"], "no graded lab in unit '7'; expected one of 1_resnet_service, 2_llm"),
        (["check"], "More than one unit has a graded lab; name one of 1_resnet_service, 2_llm"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], said: str, lab_here: Lab) -> None:
    done = lab_here(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_inputs_are_drawn_from_a_key_as_in_a_class_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One notebook alone is graded on the inputs that it gets in a class."""
    seeds: dict[str, int] = {}

    def graded(submission: Any, lab: Any, only: Any, *, seed: Any, **_: Any) -> Marks:
        seeds.update({task.name: seed(task) for task in lab.tasks})
        return Marks(str(submission.path), lab.unit, ())

    monkeypatch.setattr(batch, "grade", graded)
    key = key_in(tmp_path)
    assert batch.grade_notebooks([LAB], "1", None, key=key, as_json=False)
    digest = hashlib.sha256(LAB.read_bytes()).hexdigest()
    unit = load_lab("1").unit
    wanted = {task.name: seed_of(key, unit, task.name, digest) for task in load_lab("1").tasks}
    assert seeds == wanted
