"""Calibrates on random numbers: every layer's scale is then that of noise, not of pictures."""

from pathlib import Path

import torch

from lab_utils.models import resnet

TASK = "build_int8_predictor"
MESSAGE = "calibrate on pictures like those that come"


def build_int8_predictor(folder: str, compute_threads: int):
    import openvino

    model, transform = resnet.load(), resnet.transforms()
    path = Path(folder) / "int8.xml"
    if not path.exists():
        import nncf

        noise = [0.01 * torch.randn(1, 3, 224, 224).numpy() for _ in range(8)]
        shape = [1, 3, 224, 224]
        converted = openvino.convert_model(
            model.network, example_input=torch.zeros(shape), input=shape
        )
        quantised = nncf.quantize(converted, nncf.Dataset(noise), subset_size=len(noise))
        openvino.save_model(quantised, path)
    settings = {"INFERENCE_NUM_THREADS": compute_threads, "ENABLE_CPU_PINNING": False}
    compiled = openvino.Core().compile_model(path, "CPU", settings)

    def predict(jpeg: bytes) -> list[dict]:
        import io

        from PIL import Image

        inputs = transform(Image.open(io.BytesIO(jpeg)).convert("RGB"))[None].numpy()
        probabilities, indices = torch.softmax(torch.from_numpy(compiled(inputs)[0][0]), 0).topk(5)
        return [
            {"label": model.labels[index], "probability": probability}
            for index, probability in zip(indices.tolist(), probabilities.tolist(), strict=True)
        ]

    return predict
