"""The three sizes at which every lesson runs: same cells, same conclusions, other counts."""

from __future__ import annotations

from typing import Literal, TypeVar, get_args

from lab_utils.errors import LabError

Scale = Literal["ci", "laptop", "gpu"]
SCALES: tuple[str, ...] = get_args(Scale)

T = TypeVar("T")


def at(scale: str, *, ci: T, laptop: T, gpu: T | None = None) -> T:
    """The value for this scale; `gpu` defaults to the laptop's.

    >>> at("ci", ci=20, laptop=200)
    20
    >>> at("gpu", ci=20, laptop=200)
    200
    """
    if scale not in SCALES:
        raise LabError(f"The scale is {scale!r}; expected one of {', '.join(SCALES)}.")
    values = {"ci": ci, "laptop": laptop, "gpu": laptop if gpu is None else gpu}
    return values[scale]
