"""Returns the logits as if they were probabilities."""

import torch

TASK = "postprocess"
MESSAGE = "raw logits, not probabilities"


def postprocess(logits: torch.Tensor, labels: list[str], k: int) -> list[dict]:
    values, indices = logits.topk(k)
    return [
        {"label": labels[index], "probability": value}
        for index, value in zip(indices.tolist(), values.tolist(), strict=True)
    ]
