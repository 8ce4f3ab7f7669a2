"""Task 2: four bits, and what they do to the model's words."""

import copy
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lab_utils.grade.spec import Answer, Case, FunctionTask, Wrong
from lab_utils.models.language.perplexity import losses, perplexity_ratio, windows
from lab_utils.models.language.small import WINDOW, held_out, load

from .forms import kind_of

Floats = NDArray[np.float32]
MOST_BITS = 4.5
PERPLEXITY_BAR = 1.02
LOWEST, HIGHEST = -8, 7
TEXT = 24
"""Windows of 256 tokens, drawn from all that there are."""
FORM = '{"integers": whole numbers, "scales": numbers}, both arrays of two dimensions'


def names() -> list[str]:
    """The matrices that are multiplied in every layer."""
    return [
        name
        for name, parameter in load().network.named_parameters()
        if parameter.ndim == 2 and ".layers." in name
    ]


def draw_text(seed: int) -> list[Case]:
    return [{"seed": seed}]


def drive_matrices(answer: Answer, case: Case) -> list[Any]:
    """The answer's form of each of the model's matrices."""
    parameters = dict(load().network.named_parameters())
    return [answer(weights=parameters[name].detach().numpy().copy()) for name in names()]


def judge_quantised(case: Case, output: Any) -> None:
    parameters = dict(load().network.named_parameters())
    restored = {
        name: restore(parameters[name].detach().numpy(), given)
        for name, given in zip(names(), output, strict=True)
    }
    chosen = np.random.default_rng(case["seed"]).choice(len(_windows()), TEXT, replace=False)
    found = _losses(_with(restored), chosen)
    if not np.isfinite(found).all():
        raise Wrong(
            "With your weights the model's figures overflow. A weight is its integer times the "
            "scale of its group: bring the group's largest to 7, not to 1."
        )
    ratio = perplexity_ratio(found, _losses(load().network, chosen))
    if ratio.median <= PERPLEXITY_BAR:
        return
    raise Wrong(
        f"With your weights the perplexity is {ratio:.3f} times the original's; at most "
        f"{PERPLEXITY_BAR} is asked. Round to the nearest integer, and give each group a scale of "
        "its own that brings its largest absolute value to 7."
    )


def restore(weights: Floats, given: Any) -> Floats:
    """The weights that an answer stands for, or Wrong where it has not the form or the bits."""
    if not isinstance(given, dict) or {*given} != {"integers", "scales"}:
        raise Wrong(f"quantise returned {kind_of(given)}. Return {FORM}.")
    integers, scales = (_array(given[name], name) for name in ("integers", "scales"))
    rows, columns = weights.shape
    if integers.shape != weights.shape or not np.issubdtype(integers.dtype, np.integer):
        raise Wrong(
            f"The integers are {integers.dtype} of shape {integers.shape} for weights of "
            f"{weights.shape}. Return whole numbers (np.int8), one for each weight."
        )
    if scales.ndim != 2 or len(scales) != rows or not scales.size or columns % scales.shape[1]:
        raise Wrong(
            f"The scales have the shape {scales.shape} for {rows} rows of {columns} weights. Return "
            "one row of scales for each row, as many as there are groups of equal size in it."
        )
    if integers.min() < LOWEST or integers.max() > HIGHEST:
        raise Wrong(
            f"The integers go from {integers.min()} to {integers.max()}; four bits hold "
            f"{LOWEST} to {HIGHEST}. Divide by a scale that brings the largest to the edge, and clip."
        )
    groups = scales.shape[1]
    bits = 4 + 16 * groups / columns
    if bits > MOST_BITS:
        raise Wrong(
            f"With {columns // groups} weights a group and 16 bits a scale a weight takes {bits:g} "
            f"bits; at most {MOST_BITS} are allowed. Make the groups larger."
        )
    if not np.issubdtype(scales.dtype, np.floating):
        raise Wrong(f"The scales are {scales.dtype}. Return floats; 16 bits of each are kept.")
    with np.errstate(over="ignore"):
        rounded = scales.astype(np.float16).astype(np.float32)  # 16 bits were counted
    if not np.isfinite(rounded).all():
        raise Wrong(
            "The scales are not all numbers that 16 bits can hold. Divide a group's largest "
            "absolute value by 7; a group of zeros needs a scale, too: 1."
        )
    split = integers.reshape(rows, groups, -1).astype(np.float32) * rounded[:, :, None]
    return split.reshape(weights.shape)


def _array(given: Any, name: str) -> NDArray[Any]:
    """As an array, or Wrong: a list of lists and a tensor are as good."""
    try:
        found = np.asarray(given)
    except Exception:  # rows of unequal length, and whatever else has no such form
        found = np.asarray(None)
    if found.ndim != 2 or found.dtype.kind not in "iuf":
        raise Wrong(
            f"The {name} are {kind_of(given)} that is no array of two dimensions. Return {FORM}."
        )
    return found


def _with(restored: dict[str, Floats]) -> Any:
    network = copy.deepcopy(load().network)
    with torch.no_grad():
        for name, weights in restored.items():
            network.get_parameter(name).copy_(torch.from_numpy(weights))
    return network


@cache
def _windows() -> NDArray[np.int64]:
    model = load()
    return windows(model.ids(held_out()), WINDOW)


def _losses(network: Any, chosen: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
    ids = _windows()[chosen]
    with torch.inference_mode():
        logits = network(input_ids=torch.from_numpy(ids)).logits.float().numpy()
    return losses(logits, ids)


QUANTISE = FunctionTask(
    name="quantise",
    title="Four bits",
    points=3,
    function="quantise",
    draw=draw_text,
    drive=drive_matrices,
    judge=judge_quantised,
    limit_s=120,
)
