"""Quantises the weights ahead and the activations as they come: slow on convolutions."""

import io
from pathlib import Path

import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from PIL import Image

from lab_utils.models import resnet

TASK = "build_int8_predictor"
MESSAGE = "a dynamic one is slow on convolutions"


def build_int8_predictor(folder: str, compute_threads: int):
    model, transform = resnet.load(), resnet.transforms()
    path = Path(folder) / "int8.onnx"
    if not path.exists():
        whole = Path(folder) / "fp32.onnx"
        torch.onnx.export(model.network, (torch.zeros(1, 3, 224, 224),), whole, dynamo=False)
        quantize_dynamic(whole, path, weight_type=QuantType.QUInt8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = compute_threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (inputs,) = session.get_inputs()

    def predict(jpeg: bytes) -> list[dict]:
        picture = transform(Image.open(io.BytesIO(jpeg)).convert("RGB"))[None].numpy()
        (logits,) = session.run(None, {inputs.name: picture})
        probabilities, indices = torch.softmax(torch.from_numpy(logits[0]), 0).topk(5)
        return [
            {"label": model.labels[index], "probability": probability}
            for index, probability in zip(indices.tolist(), probabilities.tolist(), strict=True)
        ]

    return predict
