"""Prompts for the guard and the requests that carry them, in the KServe v2 protocol's JSON.

bodies = [body(tokens) for tokens in prompts(length=8, count=64)]
closed_loop(post(address(server, "guard")), bodies, connections=8, requests=400)
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from lab_utils.components.triton import Triton
from lab_utils.models.language.perplexity import Ids, windows
from lab_utils.models.language.small import held_out, load
from lab_utils.serve.triton_repository import Tensor

CODE = Path(__file__).with_name("model.py").read_text()
"""model.py, which Triton runs in its own environment."""
CLIENT = Path(__file__).with_name("client.py")
"""A client of tritonclient, which runs there, too."""
TOGETHER = 'surprise = self.session.run(None, {"tokens": np.concatenate(prompts)})[0]'
"""Its line that computes a batch."""
ONE_BY_ONE = (
    'surprise = np.concatenate([self.session.run(None, {"tokens": p})[0] for p in prompts])'
)
"""The same, as it is written by somebody who has not thought of batches."""
WEIGHTS = "scorer.onnx"
INPUTS = [Tensor("TOKENS", "INT64", (-1,))]
OUTPUTS = [Tensor("PERPLEXITY", "FP32", (1,)), Tensor("REFUSED", "BOOL", (1,))]


def prompts(length: int, count: int, seed: int = 0) -> Ids:
    """English of so many tokens each, drawn from the text that was held out: (count, length)."""
    every = windows(_held_out(), length)
    return every[np.random.default_rng(seed).integers(len(every), size=count)]


@cache
def _held_out() -> list[int]:
    return load().ids(held_out())


def body(tokens: Ids, **parameters: int) -> bytes:
    """One request with one prompt, (length,); parameters: `priority`, `timeout` (µs), `limit`."""
    document = {
        "inputs": [
            {
                "name": "TOKENS",
                "shape": [1, len(tokens)],
                "datatype": "INT64",
                "data": tokens.tolist(),
            }
        ],
        "parameters": parameters,
    }
    return json.dumps(document).encode()


def address(server: Triton, model: str) -> str:
    """Where requests for a model go."""
    return f"{server.url}/v2/models/{model}/infer"
