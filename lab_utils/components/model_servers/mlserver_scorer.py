"""An ONNX file as a model of MLServer. Runs in MLServer's environment, beside its settings."""

import asyncio

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri


def _session(path: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Scorer(MLModel):  # type: ignore[misc]
    """(N, features) float32 → the file's first output."""

    async def load(self) -> bool:
        """By MLServer. In a thread: meanwhile other models answer on this event loop."""
        uri = await get_model_uri(self._settings)
        self._session = await asyncio.to_thread(_session, uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """By MLServer. On the event loop: it takes less than to hand it over."""
        wanted = self._session.get_inputs()[0]
        rows = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        try:
            rows = np.asarray(rows, np.float32)
            (found, *_) = self._session.run(None, {wanted.name: rows})
        except Exception as error:
            raise InferenceError(f"The rows are of no use to {self.name}: {error}") from None
        output = NumpyCodec.encode_output(self._session.get_outputs()[0].name, found)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
