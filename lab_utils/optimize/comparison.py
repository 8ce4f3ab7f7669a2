"""Variants against the reference: speed, and what has become of the answers.

    outcomes = answer_in_turn(running, inputs, per_round=3, watch=watching("Rounds"))
    speed(outcomes, "OpenVINO bf16")                 # measure.compare.Comparison with eager
    top1_agreement(outcomes["OpenVINO bf16"].logits, outcomes["eager"].logits)

Each round every variant answers the same pictures, in turn; the next brings other pictures. So
the rounds that give the speed give the answers, too, on pictures that no model was fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from lab_utils.errors import LabError
from lab_utils.measure.compare import Comparison, Watch, compare, interleaved
from lab_utils.measure.interval import Interval, interval, share
from lab_utils.optimize.artefacts import Artefact
from lab_utils.optimize.layer_errors import relative_error
from lab_utils.optimize.variant import Floats
from lab_utils.optimize.variants import REFERENCE, load
from lab_utils.optimize.worker import Answered, VariantProcess

BATCH = 8


@dataclass(frozen=True)
class Outcome:
    """One variant: seconds a picture (the median of each round), and all logits in order."""

    round_s: list[float]
    logits: Floats

    @property
    def latency_s(self) -> Interval:
        """The median round, with its 95 % interval."""
        return interval(self.round_s)


def answer_in_turn(
    running: Mapping[str, VariantProcess], inputs: Floats, per_round: int, watch: Watch = iter
) -> dict[str, Outcome]:
    """Every variant answers every picture, `per_round` a round; before each, one untimed.

    inputs: (N, 3, 224, 224). Raises LabError where the pictures do not fill whole rounds.
    """
    if per_round < 1 or len(inputs) == 0 or len(inputs) % per_round:
        raise LabError(
            f"{len(inputs)} pictures were given for rounds of {per_round}; expected a multiple."
        )
    rounds = np.split(inputs, len(inputs) // per_round)
    taken = {name: iter(rounds) for name in running}

    def one(name: str) -> Answered:
        return running[name].answer(next(taken[name]), warm_up=1)

    answered = interleaved(
        {name: lambda name=name: one(name) for name in running},  # type: ignore[misc]
        rounds=len(rounds),
        watch=watch,
    )
    return {
        name: Outcome(
            [float(np.median(a.durations_s)) for a in each],
            np.concatenate([a.logits for a in each]),
        )
        for name, each in answered.items()
    }


def answers(name: str, artefact: Artefact, inputs: Floats, threads: int) -> Floats:
    """All logits (N, labels) of a variant that takes any batch, in this process and untimed."""
    runner = load(name, artefact, threads)
    batches = np.array_split(inputs, max(1, len(inputs) // BATCH))
    return np.concatenate([runner(batch) for batch in batches])


def speed(outcomes: Mapping[str, Outcome], name: str, than: str = REFERENCE) -> Comparison:
    """How many times as fast one variant is as another, round by round."""
    for asked in (name, than):
        if asked not in outcomes:
            raise LabError(
                f"{asked!r} was not measured; measured are: {', '.join(outcomes) or 'none'}."
            )
    return compare(outcomes[name].round_s, outcomes[than].round_s, higher_is_faster=False)


def top1_agreement(logits: Floats, reference: Floats) -> float:
    """The share (0 to 1) of pictures on which both (N, labels) rank the same label first."""
    _alike(logits, reference)
    return float(np.mean(logits.argmax(1) == reference.argmax(1)))


def agreement(logits: Floats, reference: Floats, sure_by: float = 0) -> Interval:
    """The share (0 to 1) of pictures with the reference's first label, and its interval.

    sure_by: count only pictures on which the reference's first label leads the second by so much
    probability; where it wavers itself, a rounding anywhere may tip the scales.
    """
    _alike(logits, reference)
    counted = lead(reference) >= sure_by
    if not counted.any():
        raise LabError(f"On no picture does the reference's first label lead by {sure_by:g}.")
    same = logits.argmax(1) == reference.argmax(1)
    return share(int(np.sum(same & counted)), int(np.sum(counted)))


def logit_error(logits: Floats, reference: Floats) -> Interval:
    """The relative error (0 to 1 or more) of a picture's logits: the median picture's."""
    _alike(logits, reference)
    pairs = zip(logits, reference, strict=True)
    return interval([relative_error(mine, exact) for mine, exact in pairs])


def lead(logits: Floats) -> Floats:
    """By how much probability (0 to 1) the first of (N, labels) leads the second, a picture."""
    first, second = np.sort(softmax(logits, axis=1), axis=1)[:, :-3:-1].T
    led: Floats = first - second
    return led


def top1_accuracy(logits: Floats, truths: NDArray[np.int_]) -> float:
    """The share (0 to 1) of pictures whose true label (N,) is ranked first in (N, labels)."""
    if logits.ndim != 2 or len(logits) != len(truths) or len(truths) == 0:
        raise LabError(
            f"Logits of shape {logits.shape} were compared with {len(truths)} labels; expected one "
            "row of logits a label."
        )
    return float(np.mean(logits.argmax(1) == truths))


def largest_difference(logits: Floats, reference: Floats) -> float:
    """The largest |logit − reference| over all pictures and labels, in the logits' own unit."""
    _alike(logits, reference)
    return float(np.abs(logits - reference).max())


def _alike(logits: Floats, reference: Floats) -> None:
    if logits.shape != reference.shape or logits.ndim != 2 or len(logits) == 0:
        raise LabError(
            f"Logits of shape {logits.shape} were compared with {reference.shape}; expected two of "
            "one shape (pictures, labels)."
        )
