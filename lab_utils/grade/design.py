"""A plan is read as data, held against its form, and tried."""

from __future__ import annotations

import json
from typing import Any

from jsonschema.validators import validator_for

from lab_utils.grade.faults import own
from lab_utils.grade.spec import DesignTask, NotComparable, Trial, Wrong

MOST_CHARACTERS = 100_000


def tried(task: DesignTask, document: Any, seed: int) -> Trial:
    """What came of the document; raises Wrong where it is not one of the task's form.

    Raises NotComparable where the trial could not tell, GraderFault where it fails on one that is.
    """
    plain = _as_json(task, document)
    validator = validator_for(task.form)(task.form)
    errors = sorted(validator.iter_errors(plain), key=lambda error: list(map(str, error.path)))
    if errors:
        more = f" ({len(errors) - 1} more like it.)" if len(errors) > 1 else ""
        raise Wrong(f"{_place(task, errors[0].absolute_path)}: {_short(errors[0].message)}.{more}")
    try:
        return task.trial(plain, seed)
    except (Wrong, NotComparable):
        raise
    except Exception as error:  # the plan has the form: the trial should have coped with it
        raise own(error) from error


def _as_json(task: DesignTask, document: Any) -> Any:
    """The document as JSON has it: what is no JSON is no plan."""
    try:
        text = json.dumps(document, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise Wrong(
            f"{task.function} gave a plan that is not JSON ({error}). Use numbers, strings, lists "
            "and dicts only."
        ) from None
    if len(text) > MOST_CHARACTERS:
        raise Wrong(
            f"{task.function} gave a plan of {len(text):,} characters; expected at most "
            f"{MOST_CHARACTERS:,}."
        )
    return json.loads(text, parse_float=_number)


def _number(text: str) -> float:
    """A number as JSON Schema sees it: 2.0 is a whole one, and a trial may count with it."""
    found = float(text)
    return int(found) if found.is_integer() else found


def _place(task: DesignTask, path: Any) -> str:
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return f"{task.function}(){steps}"


def _short(message: str) -> str:
    return message if len(message) <= 200 else f"{message[:200]}…"
