"""Notebooks that are JSON and little else: each is read, or refused in one sentence."""

import json
import random
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.grade.spec import Wrong
from lab_utils.grade.submission import MAX_BYTES, MAX_CODE, parse
from tests.grade.attacks import honest
from tests.grade.attacks.toys import SCALED
from tests.grade.conftest import DOUBLE

STRANGE: list[Any] = [None, True, -1, 1.5, "", "\ud800", "x", [], [1], [[]], [None], {}, {"a": 1}]


def mutated(value: Any, chance: random.Random) -> Any:
    """The same document with one place changed to something else."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        return value | {key: mutated(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        return [*value[:place], mutated(value[place], chance), *value[place + 1 :]]
    return chance.choice(STRANGE)


def test_a_changed_notebook_is_read_or_refused() -> None:
    chance = random.Random(0)
    outcomes: set[object] = set()
    refusals: set[str] = set()
    for _ in range(2000):
        notebook = mutated(honest.notebook(*honest.answers()), chance)
        try:
            submission = parse(json.dumps(notebook).encode(), "x.ipynb")
            for task in (DOUBLE, SCALED):
                cells = submission.cells_for(task)
                json.dumps(cells).encode()
                outcomes.add(cells[-1]["own"])
        except (LabError, Wrong) as error:
            refusals.add(str(error))
            outcomes.add(type(error).__name__)
    assert not any("\n" in refusal for refusal in refusals)
    assert outcomes == {True, "LabError", "Wrong"}


FITS = MAX_CODE // 2
HUGE = {
    "one cell of many statements": "x=1\n" * (MAX_BYTES // 8),
    "one long chain": "x" + ".y" * (MAX_BYTES // 4),
    "one deep expression": "x=" + "(" * MAX_CODE,
}
LARGE = {
    "many statements": "x=1\n" * (FITS // 4),
    "a deep expression": "x=" + "(" * FITS,
    "a long sum": "x=" + "1+" * (FITS // 2) + "1",
    "a long chain": "x" + ".y" * (FITS // 2),
    "lists in lists": "x=" + "[" * (FITS // 2) + "]" * (FITS // 2),
    "signs": "x=" + "-" * FITS + "1",
    "magics": "%%time\n" * (FITS // 8),
    "blocks": "".join(" " * i + "if x:\n" for i in range(1000)) + " " * 1000 + "x",
    "branches": "if x: pass\n" + "elif x: pass\n" * 10_000,
    "data": f"x = {'d' * FITS!r}",
}


def with_cells(*sources: str) -> bytes:
    cells = [{"cell_type": "code", "metadata": {}, "source": source} for source in sources]
    return json.dumps(honest.notebook(*cells, *honest.answers())).encode()


@pytest.mark.parametrize("source", HUGE.values(), ids=HUGE)
def test_code_without_end_is_refused_unread(source: str) -> None:
    with pytest.raises(LabError, match="more than 1 MB of code"):
        parse(with_cells(source), "x.ipynb")
    with pytest.raises(LabError, match="or 2000 cells"):
        parse(with_cells(*["x"] * 3000), "x.ipynb")


@pytest.mark.parametrize("source", LARGE.values(), ids=LARGE)
def test_large_code_stops_nobody(source: str) -> None:
    submission = parse(with_cells(source), "x.ipynb")
    for task in (DOUBLE, SCALED):
        assert submission.cells_for(task)[-1]["own"]
