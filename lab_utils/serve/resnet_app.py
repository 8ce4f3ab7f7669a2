"""The job's service: Flask in front of ResNet-50, as a first version would be written.

    POST /predict   body: a JPEG file → {"top5": [{"label": …, "probability": …}, …]}
    GET  /ready     200 once the model is loaded

Each answer carries its stages' durations in a `Server-Timing` header (milliseconds, W3C).
"""

from __future__ import annotations

import io
import time

import torch
from flask import Flask, Response, jsonify, request
from PIL import Image, UnidentifiedImageError

from lab_utils.models import resnet

TOP = 5


def create_app() -> Flask:
    """The WSGI application; loads the model, so it takes a second or two."""
    model = resnet.load()
    transform = resnet.transforms()
    app = Flask(__name__)

    @app.get("/ready")
    def ready() -> str:
        return "ready"

    @app.post("/predict")
    def predict() -> tuple[Response, int] | Response:
        start = time.perf_counter()
        try:
            picture = Image.open(io.BytesIO(request.get_data())).convert("RGB")
        except (UnidentifiedImageError, OSError):
            return jsonify(error="The body is not a picture; send one JPEG file."), 400
        inputs = transform(picture).unsqueeze(0)
        preprocessed = time.perf_counter()
        with torch.no_grad():
            logits = model.network(inputs)
        computed = time.perf_counter()
        probabilities, indices = torch.softmax(logits[0], dim=0).topk(TOP)
        top5 = [
            {"label": model.labels[index], "probability": probability}
            for index, probability in zip(indices.tolist(), probabilities.tolist(), strict=True)
        ]
        response = jsonify(top5=top5)
        done = time.perf_counter()
        stages = {
            "preprocess": preprocessed - start,
            "compute": computed - preprocessed,
            "postprocess": done - computed,
        }
        response.headers["Server-Timing"] = ", ".join(
            f"{name};dur={1e3 * duration_s:.3f}" for name, duration_s in stages.items()
        )
        return response

    return app
