"""Perplexity: how many tokens a model hesitates between, on text that it was not trained on.

    kept = windows(tokenizer(text)["input_ids"], 256)
    perplexity(logits_of, kept)                         # Interval
    perplexity_of(engine.losses(kept))                  # of an engine that keeps its logits

exp of the mean of −ln p(token | those before it). A model that knows nothing has the size of its
vocabulary; a perfect one has 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval, interval

Ids = NDArray[np.int64]
Logits = NDArray[np.float32]
BATCH = 8


def windows(ids: Sequence[int], length: int) -> Ids:
    """Stretches of equal length, one after the other: (windows, length). The rest is left out.

    Raises LabError where the text is shorter than one of them.
    """
    if length < 2 or len(ids) < length:
        raise LabError(
            f"{len(ids)} tokens were to be cut into windows of {length}; expected at least one "
            "window, of two tokens or more."
        )
    count = len(ids) // length
    return np.asarray(ids[: count * length], dtype=np.int64).reshape(count, length)


def losses(logits: Logits, ids: Ids) -> NDArray[np.float64]:
    """−ln p of each token but a window's first: (windows, length − 1).

    logits: (windows, length, vocabulary), for the token after each place.
    """
    before = np.asarray(logits)[:, :-1]
    largest = before.max(-1, keepdims=True)
    # Only the sum needs 64 bits; taking the powers in them is three times the work.
    total = np.log(np.exp(before - largest).sum(-1, dtype=np.float64)) + largest[..., 0]
    chosen = np.take_along_axis(before, ids[:, 1:, None], axis=-1)[..., 0]
    return np.asarray(total - chosen)


def perplexity(model: Callable[[Ids], Logits], kept: Ids) -> Interval:
    """Over all windows, with the interval that another choice of windows would give.

    model: ids (windows, length) → logits (windows, length, vocabulary).
    """
    return perplexity_of(losses_of(model, kept))


def losses_of(model: Callable[[Ids], Logits], kept: Ids) -> NDArray[np.float64]:
    """`losses` of all windows, some at a time: (windows, length − 1)."""
    batches = [kept[start : start + BATCH] for start in range(0, len(kept), BATCH)]
    return np.concatenate([losses(model(batch), batch) for batch in batches])


def perplexity_of(found: NDArray[np.float64]) -> Interval:
    """From the losses of all windows: (windows, length − 1), as `losses` gives them."""
    return interval(found.mean(axis=1), lambda values, axis: np.exp(np.mean(values, axis=axis)))


def perplexity_ratio(found: NDArray[np.float64], reference: NDArray[np.float64]) -> Interval:
    """Perplexity over the reference's, on the same windows; both (windows, length − 1).

    Paired: windows that are hard for both say nothing about the difference, so it is known far
    better than either.
    """
    if found.shape != reference.shape:
        raise LabError(
            f"Losses of shape {found.shape} were compared with {reference.shape}; expected the "
            "same windows."
        )
    return perplexity_of(found - reference)
