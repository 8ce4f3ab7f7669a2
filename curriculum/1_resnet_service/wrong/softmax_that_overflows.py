"""Softmax as it stands in the book: e to the power of a large logit is infinite in 32 bits."""

import torch

TASK = "postprocess"
MESSAGE = "the logits were around 200"


def postprocess(logits: torch.Tensor, labels: list[str], k: int) -> list[dict]:
    powers = torch.exp(logits)
    probabilities = powers / powers.sum()
    best = sorted(range(len(labels)), key=lambda index: -logits[index].item())[:k]
    return [{"label": labels[i], "probability": probabilities[i].item()} for i in best]
