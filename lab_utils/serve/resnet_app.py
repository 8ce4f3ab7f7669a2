"""The job's service: Flask in front of ResNet-50, as a first version would be written.

    POST /predict   body: a JPEG file → {"top5": [{"label": …, "probability": …}, …]}
    GET  /ready     200 once the model is loaded

Each answer carries its stages' durations in a `Server-Timing` header (milliseconds, W3C).
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, jsonify, request

from lab_utils.measure.stages import Stages
from lab_utils.serve.resnet_request import Answer, NotAPicture, ResNetRequest


def create_app() -> Flask:
    """The WSGI application; loads the model, so it takes a second or two."""
    return serve(ResNetRequest.load().answer)


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
