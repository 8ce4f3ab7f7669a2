"""A cheap service with a real cost: it shrinks a photograph, as is done before a network sees it.

    POST /predict   body: a JPEG file → a JPEG file of 224 × 224
    GET  /ready     200

Load experiments need thousands of requests in a few seconds, which ResNet-50 cannot answer on a
few cores. This does what comes before the network in lesson 1.1's request, decode, resize and cut
the middle, and sends the picture back: some milliseconds of one core, no model to load.
"""

from __future__ import annotations

import io

from flask import Flask, Response, jsonify, request
from PIL import Image

SIDE = 224
RESIZED = 256
"""Pixels of the shorter side before the middle is cut out, as ResNet-50's own transform has it."""


def thumbnail(jpeg: bytes) -> bytes:
    """The middle of the photograph as a JPEG file of 224 × 224. Raises OSError where it is none."""
    picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    scale = RESIZED / min(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - SIDE) // 2, (height - SIDE) // 2
    stream = io.BytesIO()
    picture.crop((left, top, left + SIDE, top + SIDE)).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def create_app() -> Flask:
    """The WSGI application; there is nothing to load."""
    app = Flask(__name__)

    @app.get("/ready")
    def ready() -> str:
        return "ready"

    @app.post("/predict")
    def predict() -> Response | tuple[Response, int]:
        body = request.get_data()
        try:
            small = thumbnail(body)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            return jsonify(error=f"The body ({len(body)} bytes) is not a whole picture."), 400
        return Response(small, mimetype="image/jpeg")

    return app
