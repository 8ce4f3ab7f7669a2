"""The one body that both clouds' containers take: rows of features in, probabilities out.

{"instances": [[12.5, 0, …], …]} → {"predictions": [0.013, …]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.serve.fraud.request import BAD, Refused

Rows = NDArray[np.float32]


def instances(rows: ArrayLike) -> bytes:
    """The body for these rows, (N, features).

    >>> instances([[1.5, 2.0]])
    b'{"instances": [[1.5, 2.0]]}'
    """
    return json.dumps({"instances": np.asarray(rows).tolist()}).encode()


def rows_of(body: bytes, features: int) -> Rows:
    """The rows in a body, (N, features), at least one. Raises Refused (400) for anything else."""
    try:
        with np.errstate(over="ignore"):  # infinite in 32 bits is refused below
            rows = np.array(json.loads(body)["instances"], np.float32)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        rows = np.empty((0, 0), np.float32)
    if rows.ndim != 2 or rows.shape[0] == 0 or rows.shape[1] != features:
        raise Refused(BAD, "malformed", f"The body holds no rows; {_wanted(features)}")
    if not np.isfinite(rows).all():
        raise Refused(BAD, "malformed", f"A number is not finite; {_wanted(features)}")
    return rows


def predictions(scores: Iterable[float]) -> bytes:
    """The answer's body.

    >>> predictions([0.25])
    b'{"predictions": [0.25]}'
    """
    return json.dumps({"predictions": [float(score) for score in scores]}).encode()


def scores_of(body: bytes) -> list[float]:
    """The probabilities in an answer, of either cloud."""
    return [float(score) for score in json.loads(body)["predictions"]]


def _wanted(features: int) -> str:
    return f'expected {{"instances": [[{features} finite numbers], …]}}.'
