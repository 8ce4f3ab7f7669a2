"""What outputs must look like, and how a wrong one is named to its author."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lab_utils.grade.spec import Wrong

Labels = list[tuple[str, float]]
"""An answer: labels and their probabilities, the best first."""


def labels_of(output: Any, k: int, function: str) -> Labels:
    """The answer's labels and probabilities, or Wrong where its form is another."""
    form = f'a list of {k} dicts like {{"label": "cat", "probability": 0.9}}, the best first'
    if not isinstance(output, list) or len(output) != k:
        length = f" of length {len(output)}" if isinstance(output, list) else ""
        raise Wrong(f"{function} returned {kind_of(output)}{length}. Return {form}.")
    for item in output:
        if not isinstance(item, Mapping) or {*item} != {"label", "probability"}:
            raise Wrong(f"{function} returned {kind_of(item)} in its list. Return {form}.")
        if not isinstance(item["label"], str) or not is_number(item["probability"]):
            raise Wrong(
                f"{function} returned {kind_of(item['label'])} as label and "
                f"{kind_of(item['probability'])} as probability. Return a string and a float; .item() makes a float of a tensor."
            )
    return [(item["label"], float(item["probability"])) for item in output]


def need_function(predict: Any, function: str) -> None:
    """Raises Wrong where a builder gave something that cannot be called."""
    if not callable(predict):
        raise Wrong(
            f"{function} returned {kind_of(predict)}. Return the function predict itself, without "
            "calling it."
        )


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def kind_of(value: Any) -> str:
    return "nothing (None)" if value is None else f"a {type(value).__name__}"


def short(values: Tensor) -> str:
    return ", ".join(f"{value:.3g}" for value in values[:3].tolist())
