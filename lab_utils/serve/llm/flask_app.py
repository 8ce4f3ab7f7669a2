"""The chatbot's first version: Flask and transformers, 32 bits, one request at a time.

    with baseline_service(seeded_folder(TINY), threads=2) as service:
        httpx.post(f"{service.url}/generate", json={"prompt": [1, 2, 3], "new_tokens": 16})

It is asked as `app` is and answers in the same form, without streams, priorities and deadlines.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from lab_utils.serve.llm.request import LONGEST_BODY, Asked, Limits, Refused, parse
from lab_utils.serve.web import WebService

FOLDER = "INFERENCE_LAB_LANGUAGE_MODEL"
MODULE = "lab_utils.serve.llm.flask_app"
MOST_READ = 64 * LONGEST_BODY
"""Bytes of a body that are read at all: up to there its sender is told its length."""


def baseline_service(folder: Path, threads: int) -> WebService:
    """A service that is ready to be started. folder: a model in Hugging Face's form."""
    return WebService(
        f"{MODULE}:create_app()",
        workers=1,
        compute_threads=threads,
        environment={FOLDER: str(folder)},
    )


def create_app() -> Flask:
    """The WSGI application, on the model that the variable names; loads it, which takes seconds."""
    import torch
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(os.environ[FOLDER], dtype=torch.float32).eval()
    limits = Limits(network.config.max_position_embeddings, network.config.vocab_size)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MOST_READ

    @app.post("/generate")
    def generate() -> Response | tuple[Response, int]:
        begun_s = time.monotonic()
        try:
            asked = _plain(parse(request.get_data(), limits))
        except Refused as refusal:
            return jsonify(error=str(refusal)), refusal.status
        prompt = torch.tensor([asked.prompt])
        with torch.inference_mode():
            given = network.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                min_new_tokens=asked.new_tokens,
                max_new_tokens=asked.new_tokens,
                do_sample=False,
                pad_token_id=0,
            )
        took_s = time.monotonic() - begun_s
        tokens = given[0, prompt.shape[1] :].tolist()
        # All tokens come at the end, so the last one's time is the first one's.
        times = dict.fromkeys(("first_token_s", "last_token_s", "request_s"), took_s)
        return jsonify({"tokens": tokens, "queueing_s": 0.0} | times)

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> tuple[Response, int]:
        status = error.code or 500
        if status in (404, 405):
            sentence = f"There is no {request.method} {request.path}; expected POST /generate."
        elif status == 413:
            sentence = f"The body is too long; expected at most {LONGEST_BODY} bytes."
        else:
            sentence = "The service has a fault; its log says more."
        return jsonify(error=sentence), status

    return app


def _plain(asked: Asked) -> Asked:
    """Raises Refused for what the first version has not."""
    if asked.stream or asked.priority or asked.deadline_s is not None:
        raise Refused(
            400,
            "bad request",
            "This service answers whole and in the order of arrival; leave out stream, priority "
            "and deadline_s.",
        )
    return asked
