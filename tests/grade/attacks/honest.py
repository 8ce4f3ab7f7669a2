"""Hand-ins that are odd and correct: each earns full marks."""

import json
from collections.abc import Mapping
from typing import Any

Notebook = dict[str, Any]
UNIT = "1_toy"
DOUBLE = "def double(x):\n    return 2 * x"
SCALED = "def scaled(values):\n    return values / values.max()"
BLANK = "def double(x):\n    raise NotImplementedError('double')"


def code(source: str | list[str], task: str | None = None, check: str | None = None) -> Notebook:
    """A code cell, marked as nbgrader does."""
    marks: dict[str, Any] = {}
    if task or check:
        marks = {
            "nbgrader": {
                "grade": bool(check),
                "grade_id": task or check,
                "locked": bool(check),
                "schema_version": 3,
                "solution": bool(task),
                "task": False,
            }
        }
    return {
        "cell_type": "code",
        "execution_count": 1,
        "id": "c0ffee",
        "metadata": marks,
        "outputs": [],
        "source": source,
    }


def notebook(*cells: Notebook, unit: str | None = UNIT) -> Notebook:
    """A notebook of the toy lab."""
    facts = {"inference_lab": {"unit": unit}} if unit else {}
    return {"cells": list(cells), "metadata": facts, "nbformat": 4, "nbformat_minor": 5}


def answers(double: str = DOUBLE, scaled: str = SCALED) -> list[Notebook]:
    """The cells of a whole hand-in."""
    return [
        {"cell_type": "markdown", "metadata": {}, "source": "# A lab"},
        code("import numpy as np\nfrom lab_utils.grade.notebook import checks_for"),
        code(f"check = checks_for({UNIT!r})"),
        code(double, task="double"),
        code("check('double', double)", check="check double"),
        code(scaled, task="scaled"),
        code("check('scaled', scaled)", check="check scaled"),
    ]


def without_metadata(cells: list[Notebook]) -> list[Notebook]:
    """As an editor leaves them that keeps none."""
    return [{**cell, "metadata": {}} for cell in cells]


def before(cells: list[Notebook], source: str, *new: Notebook) -> list[Notebook]:
    """New cells before the one that begins so."""
    place = next(i for i, cell in enumerate(cells) if str(cell["source"]).startswith(source))
    return [*cells[:place], *new, *cells[place:]]


NOISY = (
    "import logging, sys, warnings\nwarnings.warn('old')\nprint('a note', file=sys.stderr)\n"
    "logging.error('not really')\nprint('x' * 10**6)\n"
)
IN_A_NOTEBOOK = (
    "display(1)\nget_ipython().run_line_magic('matplotlib', 'inline')\n"
    "get_ipython().user_ns['x'] = 1\n"
    "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n"
)
HELPED = "def double(x):\n    return TWO * helper(x)"
HELPER = "TWO = number()\ndef helper(x):\n    return x"
NUMBER = "def number():\n    return 2"

HONEST: Mapping[str, Notebook] = {
    "plain": notebook(*answers()),
    "warnings on stderr": notebook(*answers(NOISY + DOUBLE, NOISY + SCALED)),
    "what only a notebook has": notebook(*answers(IN_A_NOTEBOOK + DOUBLE)),
    "without metadata": notebook(*without_metadata(answers())),
    "a cell handed in twice, wrong at first": notebook(
        *before(answers(), "def double", code("def double(x):\n    return x", task="double"))
    ),
    "a cell handed in twice, blank the second time": notebook(
        *answers(), code(BLANK, task="double")
    ),
    "answered below the blank cell": notebook(*answers(BLANK), code(DOUBLE)),
    "answered above the blank cell": notebook(*before(answers(BLANK), "def double", code(DOUBLE))),
    "a helper split off above": notebook(
        *before(answers(HELPED), "def double", code(f"{NUMBER}\n{HELPER}"))
    ),
    "the function split off its marked cell": notebook(
        *answers(f"{NUMBER}\n{HELPER}"), code(HELPED)
    ),
    "helpers below the answer, in the order they were run": notebook(
        *answers(HELPED), code(HELPER), code(NUMBER)
    ),
    "tasks in another order": notebook(*answers()[::-1]),
    "tasks in another order without metadata": notebook(*without_metadata(answers()[::-1])),
    "Windows line ends": notebook(*answers(DOUBLE.replace("\n", "\r\n"))),
    "sources as lists of lines": notebook(
        *(cell | {"source": cell["source"].splitlines(keepends=True)} for cell in answers())
    ),
    "timed": notebook(*answers(f"%%time\n{DOUBLE}", f"%matplotlib inline\n{SCALED}")),
    "magics and a shell command": notebook(
        *answers(f"found = !ls\ntook = %timeit -o 1\ndouble?\n{DOUBLE}")
    ),
    "cells that fail before it": notebook(
        *before(
            answers(),
            "def double",
            code("import nowhere"),
            code("1 / 0"),
            code("input('name? ')"),
            code("x = ("),
            code("\ud800"),
        )
    ),
    "assigned": notebook(*answers("double = lambda x: 2 * x")),
    "chosen": notebook(*answers(f"if True:\n    {DOUBLE.replace(chr(10), chr(10) + '    ')}")),
    "an object that is called": notebook(
        *answers("class Times:\n    def __call__(self, x):\n        return 2 * x\ndouble = Times()")
    ),
    "numbers of numpy": notebook(
        *answers("import numpy as np\ndef double(x):\n    return np.int64(2 * x)")
    ),
    "another alphabet": notebook(
        *answers("def double(ξ=None, *, x=0):\n    return 2 * x  # 両倍 🎉")
    ),
    "a checked guard": notebook(*answers(f"if __name__ == '__main__':\n    print(1)\n{DOUBLE}")),
    "large outputs": notebook(
        *(
            cell | {"outputs": [{"output_type": "stream", "name": "stdout", "text": "x" * 10**6}]}
            for cell in answers()
        )
    ),
    "other kinds of cells": notebook(
        {"cell_type": "raw", "metadata": {}, "source": "raw"},
        {"cell_type": "markdown", "metadata": {"tags": []}, "attachments": {}, "source": []},
        *answers(),
        code(""),
    ),
}
ENCODED: Mapping[str, bytes] = {
    "with a byte-order mark": json.dumps(HONEST["plain"]).encode("utf-8-sig"),
    "in UTF-16": json.dumps(HONEST["plain"]).encode("utf-16"),
    "one line": json.dumps(HONEST["plain"], separators=(",", ":")).encode(),
}


def hand_ins() -> dict[str, bytes]:
    """All of them as files."""
    return {name: json.dumps(written).encode() for name, written in HONEST.items()} | dict(ENCODED)
