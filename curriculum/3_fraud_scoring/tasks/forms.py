"""How a wrong form is named to its author."""

from typing import Any

from lab_utils.grade.spec import Wrong


def kind_of(value: Any) -> str:
    kind = type(value).__name__
    article = "an" if kind[0] in "aeiou" else "a"
    return "nothing (None)" if value is None else f"{article} {kind}"


def yes_or_no(function: str, given: Any) -> bool:
    """The answer's yes or no; raises Wrong for whatever else it gave."""
    if not isinstance(given, bool):
        raise Wrong(f"{function} returned {kind_of(given)}. Return True or False.")
    return given
