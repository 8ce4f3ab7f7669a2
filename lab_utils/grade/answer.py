"""Where an answer runs: its cells are executed, and its function is handed out.

Used in the worker process of a function task and in every gunicorn worker of a service task.
Nothing here knows what is asked or how it is judged.
"""

from __future__ import annotations

import json
import linecache
import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_utils.grade.session import CELL

MODULE = "answer"
ANSWER = "INFERENCE_LAB_ANSWER"
"""Names the file that `answer_app` reads the answer from."""
GRADING = "INFERENCE_LAB_GRADING"
"""Set where an answer is being graded: an advisory `check` in one of its cells does nothing."""


class _NoShell:
    """IPython's shell and `display` as a cell meets them here: all may be asked, nothing is done.

    Whatever is taken from it, called or indexed is it again.
    """

    def __getattr__(self, name: str) -> _NoShell:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *arguments: object, **named: object) -> _NoShell:
        return self

    def __getitem__(self, name: object) -> _NoShell:
        return self

    def __setitem__(self, name: object, value: object) -> None:
        return


class NotDefined(Exception):  # noqa: N818  it says what the function is
    """The cells ran, but the function they must define is not there."""


def load(cells: Sequence[Mapping[str, Any]], function: str) -> Callable[..., Any]:
    """Execute the cells in order and give the function of that name.

    Each cell is {"number": its place in the notebook, "source": …, "own": whether it belongs to
    the task}. A cell that is not the task's own may fail; what it would have defined is missing
    then. Raises what the task's own cell raises, or NotDefined.
    """
    os.environ[GRADING] = "1"
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    module.__dict__.update(get_ipython=_NoShell(), display=_NoShell())
    failed = []
    for cell in cells:
        name = f"{CELL}{cell['number']}>"
        source = str(cell["source"])
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        try:
            exec(compile(source, name, "exec"), module.__dict__)
        except Exception as error:
            if cell["own"]:
                raise
            failed.append(f"cell {cell['number']} raised {type(error).__name__}: {error}")
    found = getattr(module, function, None)
    if not callable(found):
        because = f" ({'; '.join(failed)})" if failed else ""
        raise NotDefined(f"no function {function} is defined{because}")
    checked: Callable[..., Any] = found
    return checked


def write_answer(
    path: Path,
    cells: Sequence[Mapping[str, Any]],
    function: str,
    arguments: Mapping[str, Any],
) -> None:
    """Write the file that `INFERENCE_LAB_ANSWER` names."""
    answer = {"cells": list(cells), "function": function, "arguments": dict(arguments)}
    path.write_text(json.dumps(answer))
