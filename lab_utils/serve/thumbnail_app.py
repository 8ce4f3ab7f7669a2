"""A cheap service with a real cost: it shrinks a photograph, as is done before a network sees it.

    POST /predict   body: a JPEG file → a JPEG file of 224 × 224
    GET  /ready     200

Load experiments need thousands of requests in a few seconds, which ResNet-50 cannot answer on a
few cores. This does what comes before a network, decode, resize and cut the middle, and sends the
picture back: a few milliseconds of one core, no model to load. The JPEG decoder is asked for a
smaller picture from the start where that is large enough (Pillow's draft mode).
"""

from __future__ import annotations

import io

from flask import Flask, Response, jsonify, request
from PIL import Image

SIDE = 224


def thumbnail(jpeg: bytes) -> bytes:
    """The middle of the photograph as a JPEG file of 224 × 224. Raises OSError where it is none."""
    opened = Image.open(io.BytesIO(jpeg))
    scale = SIDE / min(opened.size)
    opened.draft("RGB", (round(opened.width * scale), round(opened.height * scale)))
    picture = opened.convert("RGB")
    scale = SIDE / min(picture.size)
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
