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
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, generate_latest

from lab_utils.errors import LabError
from lab_utils.optimize.onnx_variants import session
from lab_utils.serve.asynchronous import in_json
from lab_utils.serve.draining import Draining, as_process
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
    """A scorer, one thread, behind the two routes."""

    name, takes = "container", "a POST to its predict route"

    def __init__(self, path: Path) -> None:
        self.counted = Figures()
        super().__init__(self.counted)
        self._session = session(path, threads=1)
        (given,) = self._session.get_inputs()
        self._input, self._features = given.name, int(given.shape[1])

    async def predict(self, request: web.Request) -> web.Response:
        """Answers 200 with predictions, or says in a sentence why there are none."""
        body = await request.read()
        with self.in_flight():
            try:
                said = self._predictions(body)
            except Refused as error:
                return in_json({"error": str(error)}, error.status)
            return web.Response(body=said, content_type="application/json")

    def _predictions(self, body: bytes) -> bytes:
        """An answer's body, or Refused."""
        rows = rows_of(body, self._features)
        scores = self._session.run(None, {self._input: rows})[0].ravel()
        self.counted.scored.inc(len(scores))
        return predictions(scores)


async def run(environment: Mapping[str, str]) -> None:
    """The container, until it is told to end and has. Raises LabError for a wrong deployment."""
    listening = told(environment)
    path = Path(environment.get(FOLDER, USUAL_FOLDER)) / FILE
    if not path.is_file():
        raise LabError(f"There is no file {path}; expected the scorer that was to be deployed.")
    serving = Serving(path)
    server, _ = await serving.listen(
        [
            web.get(listening.health_route, serving.health),
            web.post(listening.predict_route, serving.predict),
        ],
        environment.get(BIND, "127.0.0.1"),
        listening.port,
        LONGEST,
    )
    print(f"Listening on port {listening.port}.", flush=True)
    await serving.until_done(DRAIN_S)
    await server.cleanup()


def main() -> None:
    """The process. SageMaker starts it with the argument `serve`, Vertex AI with none."""
    as_process(lambda: run(os.environ))


if __name__ == "__main__":
    main()
