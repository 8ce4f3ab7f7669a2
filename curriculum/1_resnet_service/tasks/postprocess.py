"""Task 2: logits as labels with probabilities."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lab_utils.grade.spec import Case, FunctionTask, Wrong

from .forms import labels_of, short

PROBABILITY_TOLERANCE = 1e-4


def draw_logits(seed: int) -> list[Case]:
    """Ordinary logits, few and many labels, and logits so large that a naive exp overflows."""
    generator = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for count, k, scale, offset in ((16, 5, 2.0, 0), (1000, 5, 3.0, 0), (7, 7, 1.0, 0)):
        logits = scale * torch.randn(count, generator=generator) + offset
        cases.append({"logits": logits, "labels": _names(count), "k": k})
    large = torch.randn(16, generator=generator) + 200
    return [*cases, {"logits": large, "labels": _names(16), "k": 3}]


def judge_postprocess(case: Case, output: Any) -> None:
    logits, labels, k = case["logits"], case["labels"], case["k"]
    given = labels_of(output, k, "postprocess")
    best = logits.topk(k)
    values = torch.tensor([probability for _, probability in given], dtype=torch.float64)
    if sorted(name for name, _ in given) == sorted(labels[i] for i in best.indices.tolist()):
        for mistake, message in POSTPROCESSING_MISTAKES:
            expected = mistake(logits.double(), best.indices)
            if torch.allclose(values, expected, atol=PROBABILITY_TOLERANCE):
                raise Wrong(message)
    if [name for name, _ in given] != [labels[i] for i in best.indices.tolist()]:
        raise Wrong(
            f"postprocess named other labels than the {k} largest logits have, or in another "
            "order. Take the indices from topk and look up labels[index] for each."
        )
    right = torch.softmax(logits.double(), dim=0)[best.indices]
    if not torch.allclose(values, right, atol=PROBABILITY_TOLERANCE):
        large = " (the logits were around 200)" if float(logits.max()) > 100 else ""
        raise Wrong(
            f"postprocess gave {short(values)} where softmax gives {short(right)}{large}. "
            "Use torch.softmax over all logits: it subtracts the largest before it raises e to "
            "them."
        )


Mistake = Callable[[Tensor, Tensor], Tensor]
POSTPROCESSING_MISTAKES: list[tuple[Mistake, str]] = [
    (
        lambda logits, best: logits[best],
        "The figures are raw logits, not probabilities: they are not between 0 and 1 and do not "
        "add up to 1. Apply softmax over all logits before you take the largest.",
    ),
    (
        lambda logits, best: torch.log_softmax(logits, dim=0)[best],
        "The figures are logarithms of probabilities. Use torch.softmax instead of log_softmax.",
    ),
    (
        lambda logits, best: torch.sigmoid(logits)[best],
        "Each figure is a sigmoid of its own logit, so they do not add up to 1. A network that "
        "picks one label of many needs softmax over all logits.",
    ),
    (
        lambda logits, best: _unless_all(logits, best),
        "The k probabilities add up to 1, as if there were no other labels. Apply softmax over "
        "all logits first and take the k largest afterwards.",
    ),
    (
        lambda logits, best: (
            torch.softmax(logits, dim=0)[best].flip(0)
            if len(best) > 1
            else torch.full((1,), torch.nan, dtype=torch.float64)
        ),
        "The answers run from the least to the most probable. Put the most probable first.",
    ),
]


def _unless_all(logits: Tensor, best: Tensor) -> Tensor:
    """Softmax over the k largest alone; with k of k labels that is right, so it matches nothing."""
    if len(best) == len(logits):
        return torch.full((len(best),), torch.nan, dtype=torch.float64)
    return torch.softmax(logits[best], dim=0)


def _names(count: int) -> list[str]:
    return [f"label {i}" for i in range(count)]


POSTPROCESS = FunctionTask(
    name="postprocess",
    title="Turn logits into an answer",
    points=2,
    function="postprocess",
    draw=draw_logits,
    judge=judge_postprocess,
)
