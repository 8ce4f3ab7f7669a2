"""Takes the largest logits first, and softmax over those alone."""

import torch

TASK = "postprocess"
MESSAGE = "as if there were no other labels"


def postprocess(logits: torch.Tensor, labels: list[str], k: int) -> list[dict]:
    values, indices = logits.topk(k)
    probabilities = torch.softmax(values, dim=0)
    return [
        {"label": labels[index], "probability": probability}
        for index, probability in zip(indices.tolist(), probabilities.tolist(), strict=True)
    ]
