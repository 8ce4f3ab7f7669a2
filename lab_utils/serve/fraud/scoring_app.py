"""A payment's features in, its probability of fraud out: the smallest service around a scorer.

    POST /score   {"features": [12.5, 0, 1, …]} → {"fraud": 0.013}
    GET  /ready   200

Each worker scores one payment at a time on one core. It has no store, no fallback and no second
tier: it is what a capacity plan measures one core with.

    with scoring_service(path_of_the_onnx_file, workers=1) as service: …
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from flask import Flask, Response, jsonify, request

from lab_utils.errors import LabError
from lab_utils.optimize.onnx_variants import session
from lab_utils.serve.web import WebService

MODULE = "lab_utils.serve.fraud.scoring_app"
MODEL = "INFERENCE_LAB_SCORER"


def scoring_service(path: Path, *, workers: int = 1) -> WebService:
    """A service that is ready to be started. path: an ONNX file, (N, features) → (N, 1)."""
    if not path.is_file():
        raise LabError(f"There is no file {path}; expected a scorer's ONNX file.")
    return WebService(
        f"{MODULE}:create_app()",
        workers=workers,
        compute_threads=1,
        environment={MODEL: str(path)},
        preload=[MODULE],
    )


def create_app() -> Flask:
    """The WSGI application, with the scorer that the variable INFERENCE_LAB_SCORER names."""
    scorer = session(Path(os.environ[MODEL]), threads=1)
    name, features = scorer.get_inputs()[0].name, scorer.get_inputs()[0].shape[1]
    app = Flask(__name__)

    @app.get("/ready")
    def ready() -> str:
        return "ready"

    @app.post("/score")
    def score() -> Response | tuple[Response, int]:
        try:
            with np.errstate(over="ignore"):  # infinite in 32 bits is refused below
                row = np.array([json.loads(request.get_data())["features"]], np.float32)
        except (ValueError, KeyError, TypeError, OverflowError):
            row = np.empty((0, 0), np.float32)
        if row.shape != (1, features) or not np.isfinite(row).all():
            wanted = f'expected {{"features": [{features} finite numbers]}}.'
            return jsonify(error=f"The body is not a payment's features; {wanted}"), 400
        return jsonify(fraud=float(scorer.run(None, {name: row})[0].ravel()[0]))

    return app
