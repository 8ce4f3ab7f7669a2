"""Marks handed on: read back as Canvas, Moodle, Gradescope and a person would read them."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.grade.classroom.export import export
from lab_utils.grade.classroom.gradebook import gradebook
from lab_utils.grade.classroom.handed_in import HandedIn
from lab_utils.grade.classroom.pages import file_name, mistakes
from lab_utils.grade.classroom.similar import alike, normalised
from lab_utils.grade.classroom.store import Row, Store

UNIT = "1_resnet_service"
FIGURES = {"speedup": {"median": 1.5, "low": 1.4, "high": 1.6, "n": 6, "unit": "×"}}
MOODLE = "Ben Ö_77_assignsubmission_file_"
CANVAS = "bergcem_42_900_lab"
FORMULA = "=cmd()"
LOOP = """def fit(values, rate):
    total = 0.0
    for value in values:
        total += rate * value  # a comment
        if total > 100:
            total = 100
    return {"a": total, "b": rate, "c": total / len(values), "n": len(values)}
"""


def verdict(task: str, state: str, message: str = "", **more: Any) -> Mapping[str, Any]:
    facts = {"title": f"Do {task}", "out_of": 2, "isolation": "isolated", "duration_s": 0.25}
    points = 2 if state == "passed" else 0
    return (
        {"task": task, "state": state, "points": points, "message": message, "figures": {}}
        | facts
        | more
    )


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """Four learners: two with a mark, one in whose grading the reference failed, one unread."""
    out = tmp_path / "grades"
    passed, failed = (
        verdict("preprocess", "passed"),
        verdict("preprocess", "failed", "<b>1 of 7</b>"),
    )
    second = verdict("build_predictor", "passed", figures=FIGURES)
    lost = verdict("build_predictor", "error", "The reference failed.")
    slow = verdict("build_predictor", "failed", "1.1 times.", figures=FIGURES)
    given = {"anna@x.org": (passed, second), MOODLE: (failed, slow), CANVAS: (passed, lost)}
    with Store(out) as store:
        for learner, verdicts in given.items():
            cell = {
                "cell_type": "code",
                "metadata": {},
                "source": LOOP.replace("total", learner[:3]),
            }
            content = json.dumps({"cells": [cell], "metadata": {}}).encode()
            submission = HandedIn(learner, UNIT, f"{learner}.ipynb", content)
            store.found(submission, "v")
            for one in verdicts:
                facts = submission.digest, "v", one, {"processor": "P", "cores": 2}
                store.record(Row(learner, UNIT, one["task"], *facts, {}, "s", "t", "2026-11-25T10"))
        unread = HandedIn(FORMULA, UNIT, "x.zip", None, "not a zip archive.")
        store.found(unread, "v")
        whole = verdict("", "error", unread.problem, title="The whole notebook", out_of=4)
        store.record(Row(FORMULA, UNIT, "", unread.digest, "v", whole, {}, {}, "", "t", "t"))
    return out


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_marks_are_settled_or_empty(marks: Path) -> None:
    done = export(marks)
    assert done.submissions == 4
    rows = {row["learner"]: row for row in table(done.folder / "marks.csv")}
    assert [rows[n]["settled"] for n in ("anna@x.org", MOODLE, CANVAS)] == ["yes", "yes", "no"]
    assert rows["anna@x.org"]["points"] == "4"
    assert (rows[CANVAS]["preprocess"], rows[CANVAS]["build_predictor"]) == ("2", "")
    assert rows[f"'{FORMULA}"]["settled"] == "no"  # no spreadsheet takes it for a formula


def test_canvas_gets_its_columns(marks: Path) -> None:
    possible, *rows = table(export(marks).folder / f"canvas-{UNIT}.csv")
    assert list(possible) == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", UNIT]
    assert (possible["Student"].strip(), possible[UNIT]) == ("Points Possible", "4")
    found = {row["Student"]: row for row in rows}
    assert found["anna@x.org"]["SIS Login ID"] == "anna@x.org"
    assert found["anna@x.org"][UNIT] == "4"
    assert (found["bergcem"]["ID"], found["bergcem"][UNIT]) == ("42", "")


def test_moodle_gets_its_columns(marks: Path) -> None:
    rows = {r["Full name"]: r for r in table(export(marks).folder / f"moodle-{UNIT}.csv")}
    ben = rows["Ben Ö"]
    assert ben["Identifier"] == "Participant 77"
    assert (ben["Grade"], ben["Maximum Grade"], ben["Last modified (grade)"]) == ("0", "4", "-")
    assert ben["Feedback comments"].splitlines()[1] == "Do build_predictor: 0 of 2. 1.1 times."
    assert rows["anna@x.org"]["Email address"] == "anna@x.org"
    assert rows["bergcem"]["Grade"] == ""


def test_a_roster_gives_names_and_numbers(marks: Path, tmp_path: Path) -> None:
    roster = tmp_path / "gradebook.csv"
    roster.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Old quiz\n"
        "    Points Possible,,,,,10\n"
        '"Ander, Anna",7,u7,ANNA@x.org,S1,3\n'
        '"Berg, Cem",42,u42,cem,S2,4\n',
        encoding="utf-8-sig",
    )
    done = export(marks, roster)
    (note,) = done.notes
    assert MOODLE in note
    assert "anna" not in note
    rows = {row["Student"]: row for row in table(done.folder / f"canvas-{UNIT}.csv")}
    assert (rows["Ander, Anna"]["ID"], rows["Ander, Anna"][UNIT]) == ("7", "4")
    assert rows["Berg, Cem"]["Section"] == "S2"
    assert note.split(":")[0] in (done.folder / "class.html").read_text()


def test_moodles_own_worksheet_is_filled_in(marks: Path, tmp_path: Path) -> None:
    roster = tmp_path / "worksheet.csv"
    columns = (
        "Identifier,Full name,Email address,Status,Grade,Last modified (grade),Feedback comments"
    )
    roster.write_text(f'{columns}\nParticipant 77,Ben Ö,b@x.org,Submitted,,"Monday, 3",\n')
    path = export(marks, roster).folder / f"moodle-{UNIT}.csv"
    assert path.read_text().splitlines()[0] == f"{columns},Maximum Grade"
    (ben,) = [row for row in table(path) if row["Identifier"] == "Participant 77"]
    assert (ben["Status"], ben["Grade"]) == ("Submitted", "0")
    assert ben["Last modified (grade)"] == "Monday, 3"


@pytest.mark.parametrize(
    ("content", "said"), [(b"a,b\n1,2\n", "has none of the columns"), (b"\xff\xfe", "not text")]
)
def test_what_is_no_roster_is_one_sentence(
    marks: Path, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "r.csv").write_bytes(content)
    with pytest.raises(LabError, match=said):
        export(marks, tmp_path / "r.csv")


def test_gradescope_gets_its_document(marks: Path) -> None:
    folder = export(marks).folder / "gradescope"
    assert len(list(folder.iterdir())) == 4
    document = json.loads((folder / f"{Path(file_name(MOODLE)).stem}-{UNIT}.json").read_text())
    assert document["score"] == 0
    assert document["stdout_visibility"] == "hidden"
    assert [(t["name"], t["score"], t["max_score"], t["status"]) for t in document["tests"]] == [
        ("Do preprocess", 0, 2, "failed"),
        ("Do build_predictor", 0, 2, "failed"),
    ]
    assert all(test["output"] and test["visibility"] == "visible" for test in document["tests"])


def test_a_learner_sees_nothing_of_the_others(marks: Path) -> None:
    folder = export(marks).folder
    assert len(list((folder / "learners").iterdir())) == 4
    page = (folder / "learners" / file_name(MOODLE)).read_text()
    assert "&lt;b&gt;1 of 7&lt;/b&gt;" in page
    assert "0 of 4 points" in page
    assert "anna" not in page
    assert "not settled yet" in (folder / "learners" / file_name(CANVAS)).read_text()
    report = (folder / "class.html").read_text()
    assert "Look at these together" in report
    assert report.count("data:image/png;base64") == 3
    assert "://" not in report.replace('xmlns="http://', "")


def test_what_a_person_must_look_at_is_said_and_has_no_points(tmp_path: Path) -> None:
    out = tmp_path / "grades"
    faster = verdict("build_predictor", "implausible", "Faster than this machine.", figures=FIGURES)
    part = verdict("preprocess", "partial", "1.7 times.", points=0.85)
    with Store(out) as store:
        submission = HandedIn("anna", UNIT, "anna.ipynb", b"{}")
        store.found(submission, "v")
        for one in (part, faster):
            facts = submission.digest, "v", one, {}
            store.record(Row("anna", UNIT, one["task"], *facts, {}, "s", "t", "2026-11-25T10"))
    folder = export(out).folder
    report = (folder / "class.html").read_text()
    assert "Do build_predictor: Faster than this machine." in report.split("Most common")[0]
    page = (folder / "learners" / file_name("anna")).read_text()
    assert "not settled yet" in page
    assert "0.85 of 2" in page
    assert "0 of 2" not in page
    (test, other) = json.loads(next((folder / "gradescope").iterdir()).read_text())["tests"]
    assert "status" not in test
    assert (other["score"], other["status"]) == (0, "failed")
    assert table(folder / f"canvas-{UNIT}.csv")[1][UNIT] == ""


def test_mistakes_are_grouped_by_what_was_said(marks: Path) -> None:
    with Store(marks, read_only=True) as store:
        found = mistakes(gradebook(store))
    assert [(m.title, len(m.learners)) for m in found] == [
        ("Do build_predictor", 1),
        ("Do build_predictor", 1),
        ("Do preprocess", 1),
    ]


def test_names_comments_and_layout_do_not_hide_likeness() -> None:
    renamed = LOOP.replace("total", "s").replace("  # a comment", "").replace("value", "v_1")
    other = "def fit(a, b):\n" + "".join(f"    a[{i}] = b.x{i} * 3 - {i}\n" for i in range(12))
    found = alike({"anna": [LOOP], "ben": [renamed + "\n\n"], "cem": [other], "dia": ["x = 1"]})
    assert found.same == (("anna", "ben"),)
    assert found.pairs == ()
    assert found.compared == 3
    assert found.usual < 0.6
    near = alike({"anna": [LOOP], "ben": [renamed.replace("100", "99")]})
    assert [(p.one, p.other) for p in near.pairs] == [("anna", "ben")]
    assert 0.9 < near.pairs[0].likeness < 1


def test_what_is_not_python_is_compared_as_far_as_it_goes() -> None:
    assert list(normalised("x = (")) == ["n1", "=", "("]
