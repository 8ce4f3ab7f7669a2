"""Whose fault is it where a judge breaks down: the answer's, or the grader's own?

A judge that meets an output with anything but `Wrong` was not written for it. Either the output has
a strange form (a tensor where a number is asked: the answer is wrong), or the judge has a fault of
its own (and the answer may be right). What the judge does with other outputs tells them apart:

- it breaks at the same place whatever it is given: its own fault;
- it breaks there with a plain output of the same type, but not with others: the form;
- it copes with its type, only not with this one: its own fault, since a judge that looks at the
  form has to look at all of it.

A fault of the grader's costs nobody a mark: the verdict is an "error", and a person has to look.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from lab_utils.components.watch import Greedy
from lab_utils.grade import wire
from lab_utils.grade.session import Raised
from lab_utils.grade.spec import Wrong

Judge = Callable[[Any], object]
"""Takes an output; the case is bound already."""
PLAIN: tuple[Any, ...] = (None, 0, 0.0, "", b"", [], {}, np.zeros(2), lambda *_, **__: None)
"""One plain output of each type that can cross."""
ANSWERS_OWN = (Wrong, Raised, Greedy, wire.TimeUp, wire.Closed, wire.WireError)
"""What says itself that it is the answer's: judges may call what an answer returned."""


class GraderFault(Exception):  # noqa: N818  it says whose fault it is
    """The grader's own code failed: a clause that says where."""


def judged(judge: Judge, output: Any) -> None:
    """Judge an output. Raises Wrong where it is, GraderFault where the judge is."""
    try:
        judge(output)
    except ANSWERS_OWN:
        raise
    except Exception as error:
        if _is_about_the_form(judge, output, error):
            raise Wrong(
                f"The output has a form that could not be judged ({type(error).__name__}: "
                f"{error}). Return exactly what the task asks for."
            ) from None
        raise GraderFault(_place_of(error)) from error


def all_judged(
    judge: Callable[[Sequence[Any], Sequence[Any]], object],
    expected: Sequence[Any],
    given: Sequence[Any],
) -> None:
    """`judged` for a judge of many outputs at once: one by one where it breaks down at all."""
    try:
        judge(expected, given)
    except ANSWERS_OWN:
        raise
    except Exception as error:
        for right, output in zip(expected, given, strict=True):
            judged(partial(_judge_one, judge, right), output)
        raise GraderFault(_place_of(error)) from error


def _judge_one(
    judge: Callable[[Sequence[Any], Sequence[Any]], object], expected: Any, given: Any
) -> None:
    judge([expected], [given])


def own(error: Exception) -> GraderFault:
    """An error that only the grader's code can have raised, as one."""
    return GraderFault(_place_of(error))


def _is_about_the_form(judge: Judge, output: Any, error: Exception) -> bool:
    alike = [p for p in _probes(output) if type(p) is type(output)]
    others = [p for p in _probes(output) if type(p) is not type(output)]
    place = _place_of(error)
    return any(_breaks(judge, p) == place for p in alike) and not all(
        _breaks(judge, p) == place for p in others
    )


def _probes(output: Any) -> list[Any]:
    probes = list(PLAIN)
    if type(output).__module__.split(".")[0] == "torch":
        probes.append(output.new_zeros(2))
    return probes


def _breaks(judge: Judge, output: Any) -> str:
    """Where a judge breaks down at an output; empty where it says Wrong, or right."""
    try:
        judge(output)
    except ANSWERS_OWN:
        return ""
    except Exception as error:
        return _place_of(error)
    return ""


def _place_of(error: Exception) -> str:
    """The kind of an error, and the line that raised it; not its text, which may hold inputs."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.name}, line {frame.lineno}"
