"""A client of the Open Inference Protocol over gRPC: rows out, scores back.

score = OpenInference("127.0.0.1:8081", "fraud-1")
await score(rows)               # (N, features) float32 → the model's first output, (N, …)
await score.close()

Tensors travel as raw bytes, in the machine's order (little-endian, as the protocol has it): a row
is copied, never turned into a list of numbers.
"""

from __future__ import annotations

import math
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from lab_utils.components.model_servers.open_inference_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
)
from lab_utils.errors import LabError

METHOD = "/inference.GRPCInferenceService/ModelInfer"
TYPES: dict[str, str] = {"FP32": "<f4", "FP64": "<f8"}
CONTENTS = {"FP32": "fp32_contents", "FP64": "fp64_contents"}


class OpenInference:
    """One model on one server, for the event loop in which it is made.

    input_name: of the model's input; servers with one input do not look at it.
    """

    def __init__(self, address: str, model: str, *, input_name: str = "input") -> None:
        self.address, self.model, self.input_name = address, model, input_name
        self._channel = grpc.aio.insecure_channel(address)
        self._infer = self._channel.unary_unary(
            METHOD,
            request_serializer=ModelInferRequest.SerializeToString,
            response_deserializer=ModelInferResponse.FromString,
        )

    async def __call__(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        """The model's first output for these rows.

        Raises LabError with the server's words where it refuses or cannot be reached. Cancelled, it
        takes the call back.
        """
        request = ModelInferRequest(model_name=self.model)
        request.inputs.add(name=self.input_name, datatype="FP32", shape=rows.shape)
        request.raw_input_contents.append(np.ascontiguousarray(rows, "<f4").tobytes())
        try:
            return _first(await self._infer(request))
        except grpc.aio.AioRpcError as error:
            raise LabError(
                f"{self.model} at {self.address} gave no score: {error.code().name}, "
                f"{error.details()}"
            ) from None

    async def close(self) -> None:
        """Hang up, when calls have ended."""
        await self._channel.close(grace=None)


def _first(response: ModelInferResponse) -> NDArray[Any]:
    if not response.outputs or response.outputs[0].datatype not in TYPES:
        given = [output.datatype for output in response.outputs]
        raise LabError(f"The model's outputs are {given}; expected numbers of 32 or 64 bits first.")
    output = response.outputs[0]
    if response.raw_output_contents:
        found = np.frombuffer(response.raw_output_contents[0], TYPES[output.datatype])
    else:
        values = getattr(output.contents, CONTENTS[output.datatype])
        found = np.array(values, TYPES[output.datatype])
    if found.size != math.prod(output.shape):
        raise LabError(
            f"The model's answer has {found.size} numbers for the shape {list(output.shape)}."
        )
    return found.reshape(output.shape)
