"""ONNX files behind KServe's model server, on loopback. Runs in KServe's environment.

kserve_server.py REPOSITORY --http_port=… --grpc_port=…
"""

import asyncio
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kserve.model_server
import kserve.protocol.grpc.server as grpc_server
import numpy as np
import onnxruntime
from grpc import aio
from kserve import Model, ModelRepository, ModelServer
from kserve.errors import InvalidInput
from kserve.protocol.rest.server import RESTServer
from kserve.utils.utils import get_predict_input, get_predict_response

HOST = "127.0.0.1"
FILE = "model.onnx"


class Loopback(RESTServer):  # type: ignore[misc]
    """KServe names every interface; there is no setting for it."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.config.host = HOST


def loopback_server(*arguments: Any, **settings: Any) -> aio.Server:
    """The same for gRPC: whatever address it is to listen on, it is this host with that port."""
    server = aio.server(*arguments, **settings)
    listen = server.add_insecure_port
    server.add_insecure_port = lambda address: listen(f"{HOST}:{address.rpartition(':')[2]}")
    return server


class Scorer(Model):  # type: ignore[misc]
    """(N, features) float32 → the file's first output."""

    def __init__(self, name: str, file: Path) -> None:
        super().__init__(name)
        self._file = file

    def load(self) -> bool:
        """By the repository below."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(self._file), options, providers=["CPUExecutionProvider"]
        )
        self.ready = True
        return self.ready

    def predict(self, payload: Any, headers: Any = None) -> Any:
        """By KServe, for V1's dictionary and for V2's request."""
        name = self._session.get_inputs()[0].name
        try:
            rows = np.asarray(get_predict_input(payload), np.float32)
            (found, *_) = self._session.run(None, {name: rows})
        except Exception as error:
            raise InvalidInput(f"The rows are of no use to {self.name}: {error}") from None
        return get_predict_response(payload, found, self.name)


class Repository(ModelRepository):  # type: ignore[misc]
    """A folder with a folder for each model."""

    async def load(self, name: str) -> bool:
        """By KServe's model repository extension. In a thread: meanwhile others answer."""
        scorer = Scorer(name, Path(self.models_dir) / name / FILE)
        await asyncio.to_thread(scorer.load)
        self.update(scorer)
        return scorer.ready


def main() -> None:
    """Its first argument is the repository; KServe has read the others when it was imported."""
    kserve.model_server.RESTServer = Loopback
    grpc_server.aio = SimpleNamespace(server=loopback_server)
    repository = Repository(sys.argv[1])
    server = ModelServer(registered_models=repository, enable_latency_logging=False)
    for name in ("kserve", "kserve.trace", "uvicorn.access"):  # else each request is a line or two
        logging.getLogger(name).setLevel(logging.ERROR)
    scorers = [Scorer(path.parent.name, path) for path in Path(sys.argv[1]).glob(f"*/{FILE}")]
    for scorer in scorers:
        scorer.load()
    server.start(scorers)


if __name__ == "__main__":
    main()
