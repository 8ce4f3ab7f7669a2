"""ResNet-50 through OpenVINO behind Flask, set up from outside.

    engine_service(artefact.folder, model.labels, workers=2, threads=1, pinning=False)

`picture_app` says what it answers. Its processes never load PyTorch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask

from lab_utils.serve.batcher import Batcher
from lab_utils.serve.engine_request import EngineRequest
from lab_utils.serve.picture_app import serve
from lab_utils.serve.web import WebService

SETTINGS = "INFERENCE_LAB_ENGINE"
MODULE = "lab_utils.serve.engine_app"


def engine_service(
    folder: Path,
    labels: Sequence[str],
    *,
    workers: int,
    threads: int,
    request_threads: int = 1,
    batch: int = 1,
    wait_s: float = 0.0,
    **settings: Any,
) -> WebService:
    """A service that is ready to be started.

    workers: processes. threads: compute threads in each. request_threads: requests that one
    process takes up at once. batch, wait_s: as `Batcher` has them; 1 computes each request by
    itself. settings: as `EngineRequest.load` has them.
    """
    said = {"folder": str(folder), "labels": list(labels), "threads": threads}
    said |= {"batch": batch, "wait_s": wait_s} | settings
    return WebService(
        f"{MODULE}:create_app()",
        workers=workers,
        compute_threads=threads,
        request_threads=request_threads,
        environment={SETTINGS: json.dumps(said)},
        preload=[MODULE, "openvino"],
    )


def create_app() -> Flask:
    """The WSGI application as the variable INFERENCE_LAB_ENGINE says."""
    settings = json.loads(os.environ[SETTINGS])
    folder, batch, wait_s = (settings.pop(name) for name in ("folder", "batch", "wait_s"))
    engine = EngineRequest.load(Path(folder), batch=(1, batch) if batch > 1 else 1, **settings)
    if batch > 1:
        engine = replace(engine, infer=Batcher(engine.infer, batch, wait_s))
    return serve(engine.answer)
