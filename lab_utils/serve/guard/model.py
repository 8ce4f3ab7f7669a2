"""The guard, as Triton's Python backend runs it: how much does each prompt surprise a model?"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """One instance: a process of its own, with the model in it."""

    def initialize(self, args: dict[str, str]) -> None:
        """Before the model is ready: read config.pbtxt's parameters, load the weights."""
        self.config = json.loads(args["model_config"])["parameters"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(self.config["threads"]["string_value"])
        weights = Path(args["model_repository"]) / args["model_version"] / "scorer.onnx"
        self.session = onnxruntime.InferenceSession(weights, options)

    def execute(self, requests: list[Any]) -> list[Any]:
        """A batch: all requests that Triton has put together. One answer each, in their order."""
        prompts = [triton.get_input_tensor_by_name(r, "TOKENS").as_numpy() for r in requests]
        surprise = self.session.run(None, {"tokens": np.concatenate(prompts)})[0]
        ends = np.cumsum([len(prompt) for prompt in prompts])[:-1]
        return [
            self.answer(request, own)
            for request, own in zip(requests, np.split(surprise, ends), strict=True)
        ]

    def answer(self, request: Any, surprise: Any) -> Any:
        """Both outputs of one request; its parameter "limit" counts before the configuration's."""
        asked = json.loads(request.parameters() or "{}").get("limit")
        limit = float(asked or self.config["limit"]["string_value"])
        perplexity = np.exp(surprise)[:, None].astype(np.float32)
        outputs = {"PERPLEXITY": perplexity, "REFUSED": perplexity > limit}
        return triton.InferenceResponse([triton.Tensor(n, v) for n, v in outputs.items()])
