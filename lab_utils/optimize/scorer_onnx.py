"""A language model as one ONNX graph that says how much each prompt surprises it.

    path = scorer(load())                                     # exported once, then kept
    session(path, threads=1).run(None, {"tokens": ids})       # [(prompts,) mean −ln p of a token]

Tokens go in and one number a prompt comes out: the logits, thousands of numbers a token, stay in
the graph.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock
from torch import Tensor, nn

from lab_utils.errors import LabError
from lab_utils.files import cache_folder, write_bytes
from lab_utils.machine.facts import versions

if TYPE_CHECKING:
    from lab_utils.models.language.small import LanguageModel

INPUT, OUTPUT = "tokens", "surprise"
PACKAGES = ("torch", "transformers", "onnx", "onnxscript")


class Scorer(nn.Module):
    """tokens (prompts, length) → mean of −ln p(token | those before it): (prompts,)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> Tensor:
        """As above; a prompt has two tokens or more."""
        logits = self.network(input_ids=tokens, use_cache=False).logits[:, :-1]
        chosen = logits.log_softmax(-1).gather(-1, tokens[:, 1:, None])
        found: Tensor = -chosen.mean((1, 2))
        return found


def scorer(model: LanguageModel) -> Path:
    """The file, made where it is not there yet; prompts and tokens may be of any number."""
    if model.folder is None:
        raise LabError(f"{model.source} has no folder of its own; expected the course's own model.")
    digest = hashlib.sha256(repr(versions(PACKAGES)).encode())
    for path in sorted(model.folder.iterdir()):
        digest.update(path.read_bytes())
    digest.update(Path(__file__).read_bytes())
    path = cache_folder() / "language" / f"scorer-{digest.hexdigest()[:12]}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            write_bytes(path, exported(model.network))
    return path


def exported(network: Any) -> bytes:
    """The graph with its weights, as a file's content."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Scorer(network).eval(),
            (torch.zeros(2, 8, dtype=torch.int64),),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("prompts"), 1: torch.export.Dim("length")},),
            optimize=False,  # takes a third of the export; ONNX Runtime does it at each opening
        )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content
