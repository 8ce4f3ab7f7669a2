"""The container's process: one server for both contracts, told by its variables which one.

    python -m lab_utils.serve.fraud.clouds.container_app serve

    GET   the health route      200 while it takes work, 503 while it ends
    POST  the predict route     {"instances": [row, …]} → {"predictions": [number, …]}

The model is the file model.onnx in the folder that INFERENCE_LAB_MODEL names, by default
/opt/ml/model, where SageMaker unpacks a model. Vertex AI names a bucket (AIP_STORAGE_URI), from
which a container fetches it first. It listens where INFERENCE_LAB_BIND says, on loopback where
nothing does; in a cloud that has to be 0.0.0.0. SIGTERM drains it: both clouds send it first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, generate_latest

from lab_utils.errors import LabError
from lab_utils.optimize.onnx_variants import session
from lab_utils.serve.draining import Answering, Draining, Health, as_process, listen
from lab_utils.serve.fraud.clouds.body import predictions, rows_of
from lab_utils.serve.fraud.clouds.contract import told
from lab_utils.serve.fraud.request import Refused

BIND, FOLDER = "INFERENCE_LAB_BIND", "INFERENCE_LAB_MODEL"
USUAL_FOLDER = "/opt/ml/model"
FILE = "model.onnx"
DRAIN_S = 25.0
"""SageMaker kills 30 s after SIGTERM."""
LONGEST = 32 * 2**20
"""Bytes of a body: more than either front door lets through, so the limit that bites is theirs."""


class Figures:
    """What the container counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.scored = Counter("container_scored", "Rows scored", registry=self.registry)

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)


class Serving(Draining):
    """A scorer, one thread, and what the handlers share."""

    name, takes = "container", "a POST to its predict route"

    def __init__(self, path: Path) -> None:
        self.counted = Figures()
        super().__init__(self.counted)
        self._session = session(path, threads=1)
        (given,) = self._session.get_inputs()
        self._input, self._features = given.name, int(given.shape[1])

    def predict(self, body: bytes) -> bytes:
        """An answer's body, or Refused."""
        rows = rows_of(body, self._features)
        scores = self._session.run(None, {self._input: rows})[0].ravel()
        self.counted.scored.inc(len(scores))
        return predictions(scores)


class Predict(Answering):
    """The predict route."""

    async def post(self) -> None:
        """Answers 200 with predictions, or says in a sentence why there are none."""
        serving: Serving = self.service
        with serving.in_flight():
            try:
                said: Any = serving.predict(self.request.body)
            except Refused as error:
                self.set_status(error.status)
                said = {"error": str(error)}
            else:
                self.set_header("Content-Type", "application/json")
            await self.finish(said)


async def run(environment: Mapping[str, str]) -> None:
    """The container, until it is told to end and has. Raises LabError for a wrong deployment."""
    listening = told(environment)
    path = Path(environment.get(FOLDER, USUAL_FOLDER)) / FILE
    if not path.is_file():
        raise LabError(f"There is no file {path}; expected the scorer that was to be deployed.")
    serving = Serving(path)
    server, _ = listen(
        serving,
        [
            (re.escape(listening.health_route), Health),
            (re.escape(listening.predict_route), Predict),
        ],
        environment.get(BIND, "127.0.0.1"),
        listening.port,
        max_body_size=LONGEST,
    )
    print(f"Listening on port {listening.port}.", flush=True)
    await serving.until_done(DRAIN_S)
    server.stop()
    await server.close_all_connections()


def main() -> None:
    """The process. SageMaker starts it with the argument `serve`, Vertex AI with none."""
    as_process(lambda: run(os.environ))


if __name__ == "__main__":
    main()
