"""A class in which half of all hand-ins are attacks: every verdict is recorded, in one run."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lab_utils.grade.classroom import gradebook, run
from lab_utils.grade.classroom import job as jobs
from lab_utils.grade.classroom.export import export
from lab_utils.grade.classroom.job import Done, Job, grade_one
from lab_utils.grade.classroom.store import Store
from lab_utils.grade.spec import Lab
from lab_utils.grade.workers import Workers
from tests.grade.attacks import bombs, ends, files, honest, in_process, messages, protocol
from tests.grade.attacks.toys import SCALED
from tests.grade.conftest import DOUBLE
from tests.grade.mixed_class import packed

LIMIT_S = 5
LAB = Lab(honest.UNIT, (replace(DOUBLE, limit_s=LIMIT_S), replace(SCALED, limit_s=LIMIT_S)))
ALL = [
    *in_process.ATTACKS,
    *files.ATTACKS,
    *ends.ATTACKS,
    *messages.ATTACKS,
    *protocol.ATTACKS,
    *bombs.ATTACKS,
]
SLOW = ("fork bomb", "memory bomb in many processes")
QUICK = [a for a in ALL if a.limit_s != ends.SHORT_S and a.name not in SLOW]
ONE_LOOP = next(attack for attack in ALL if "ignores signals" in attack.name)
RIGHT = {"double": honest.DOUBLE, "scaled": honest.SCALED}
FULL = {"double": 3.0, "scaled": 3.0}

Points = dict[str, float]


class OneByOne:
    """Grades in this process, answers in workers of their own; the labs are toys."""

    slots = 1

    def __init__(self, notebooks: Path, workers: Workers) -> None:
        self._notebooks, self._workers, self._jobs = notebooks, workers, list[Job]()

    def submit(self, job: Job) -> None:
        """Take a job in hand."""
        self._jobs.append(job)

    def wait(self, timeout_s: float) -> list[tuple[Job, Done]]:
        """Grade it."""
        job = self._jobs.pop()
        content = (self._notebooks / f"{job.digest}.ipynb").read_bytes()
        return [(job, grade_one(content, job, self._workers))]


@contextmanager
def open_graders(notebooks: Path, timed: bool) -> Iterator[OneByOne]:
    with Workers(bombs.SHARE) as workers:
        yield OneByOne(notebooks, workers)


def write_class(folder: Path) -> dict[str, Points | None]:
    """Learner → what must be earned; None where the notebook cannot be read."""
    folder.mkdir()
    expected: dict[str, Points | None] = {}

    def put(learner: str, suffix: str, content: bytes, points: Points | None) -> None:
        (folder / f"{learner}{suffix}").write_bytes(content)
        expected[learner] = points

    for number, content in enumerate(honest.hand_ins().values()):
        put(f"honest{number:02}", ".ipynb", content, FULL)
    for number, attack in enumerate([*QUICK, ONE_LOOP]):
        attacked = attack.task.name
        (other,) = set(RIGHT) - {attacked}
        cells = [
            honest.code(RIGHT[other], task=other),
            honest.code(f"# {number}\n{attack.source(1)}", task=attacked),
        ]
        content = json.dumps(honest.notebook(*cells)).encode()
        put(f"attack{number:02}", ".ipynb", content, {attacked: 0.0, other: 3.0})
    right = json.dumps(honest.HONEST["plain"]).encode()
    put("archive", ".zip", packed({"work/lab.ipynb": right}), FULL)
    put("escape", ".zip", packed({"../../lab.ipynb": right}), None)
    put("cut", ".ipynb", right[:500], None)
    put("empty", ".ipynb", b"", None)
    put("nested", ".ipynb", b"[" * 1_000_000, None)
    put("strange", ".ipynb", b'{"cells": {}, "metadata": {"inference_lab": {"unit": []}}}', None)
    put("huge", ".ipynb", b"", None)
    with (folder / "huge.ipynb").open("wb") as stream:
        stream.truncate(200 * 2**20)
    return expected


def test_a_class_full_of_attacks_is_graded_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (run, jobs, gradebook):
        monkeypatch.setattr(module, "load_lab", lambda unit=None: LAB)
    monkeypatch.setattr(run, "version_of", lambda unit: "version")
    expected = write_class(tmp_path / "class")
    assert len(expected) >= 30
    order = run.Order([tmp_path / "class"], tmp_path / "out")
    outcome = run.grade_class(order, open_graders, Console(quiet=True))
    assert outcome.submissions == len(expected)
    assert set(outcome.unread) == {learner for learner, points in expected.items() if not points}
    assert not outcome.interrupted
    with Store(tmp_path / "out", read_only=True) as store:
        found = {known.learner: store.verdicts(known) for known in store.submissions()}
    assert set(found) == set(expected)
    for learner, points in expected.items():
        verdicts = {task: row.verdict for task, row in found[learner].items()}
        said = {task: verdict["message"] for task, verdict in verdicts.items()}
        if points is None:
            assert [verdict["state"] for verdict in verdicts.values()] == ["error"], learner
        else:
            earned = {task: verdict["points"] for task, verdict in verdicts.items()}
            assert earned == points, f"{learner}: {said}"
    exported = export(tmp_path / "out")
    assert exported.submissions == len(expected)
    for page in exported.folder.glob("**/*.html"):
        assert "<script>alert" not in page.read_text()
    again = run.grade_class(order, open_graders, Console(quiet=True))
    assert (again.graded, again.kept) == (0, sum(map(len, found.values())))
