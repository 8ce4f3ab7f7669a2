"""An answer's own predictor, served: what the course puts around it.

    POST /predict   body: a JPEG file → {"top5": …}, whatever the predictor gives
    GET  /ready     200 once the predictor is built

gunicorn runs `create_app()` in every worker. The answer is read from the JSON file named by
`INFERENCE_LAB_ANSWER`: {"cells": as `answer.load` takes them, "function": …, "arguments": …}.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request

from lab_utils.grade.answer import ANSWER, load


def predictor(path: Path) -> Callable[[bytes], Any]:
    """What the answer in a file builds; takes as long as it does."""
    answer = json.loads(path.read_text())
    build = load(answer["cells"], answer["function"])
    built: Callable[[bytes], Any] = build(**answer["arguments"])
    return built


def create_app() -> Flask:
    """The WSGI application; builds the predictor first."""
    return serve(predictor(Path(os.environ[ANSWER])))


def serve(predict: Callable[[bytes], Any]) -> Flask:
    """The application around a predictor; what it raises becomes a status of 500 with its text."""
    app = Flask(__name__)

    @app.get("/ready")
    def ready() -> str:
        return "ready"

    @app.post("/predict")
    def answer() -> tuple[Response, int] | Response:
        try:
            return jsonify(top5=predict(request.get_data()))
        except Exception as error:
            return jsonify(error=f"{type(error).__name__}: {error}"), 500

    return app
