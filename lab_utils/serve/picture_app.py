"""The Flask application around anything that turns a JPEG file into labels; without PyTorch.

    POST /predict   body: a JPEG file → {"top5": [{"label": …, "probability": …}, …]}
    GET  /ready     200 once the model is loaded

Each answer carries its stages' durations in a `Server-Timing` header (milliseconds, W3C).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, request

from lab_utils.measure.stages import Stages
from lab_utils.serve.preprocessing import NotAPicture

Answer = list[dict[str, Any]]
"""The likeliest labels, the best first: {"label": …, "probability": …}."""


def serve(answer: Callable[[bytes, Stages], Answer]) -> Flask:
    """The application around what turns a JPEG file into the five likeliest labels."""
    app = Flask(__name__)

    @app.get("/ready")
    def ready() -> str:
        return "ready"

    @app.post("/predict")
    def predict() -> tuple[Response, int] | Response:
        stages = Stages()
        try:
            top5 = answer(request.get_data(), stages)
        except NotAPicture as error:
            return jsonify(error=str(error)), 400
        response = jsonify(top5=top5)
        response.headers["Server-Timing"] = stages.server_timing()
        return response

    return app
