"""A language model as ONNX at 32, 8 or 4 bits, through ONNX Runtime GenAI's builder.

    folder = exported(load().folder, target, "int4")
    OnnxDecoder(folder, threads=2).logits(ids)          # perplexity(decoder.logits, kept)

Weights only: 8 or 4 bits in blocks with a scale each (`MatMulNBits`), rounded to the nearest. The
table of tokens stays in 32 bits: the builder rounds what is multiplied, and a table is looked up.
The activations stay in 32 bits in the file; the kernel rounds them to 8 for a product.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from lab_utils.command import last_words
from lab_utils.errors import LabError
from lab_utils.files import folder_beside
from lab_utils.models.language.perplexity import Ids, Logits
from lab_utils.optimize.calibration import quiet
from lab_utils.optimize.onnx_variants import session

Precision = Literal["fp32", "int8", "int4"]
MODEL = "model.onnx"
BLOCK = 32
"""Weights that share a scale."""


def exported(source: Path, target: Path, precision: Precision, block: int = BLOCK) -> Path:
    """Write the model to `target`, a folder that ONNX Runtime GenAI loads; gives that folder.

    source: a model in Hugging Face's form (config.json, safetensors, tokenizer). block: weights
    that share a scale. Raises LabError with the builder's own words where it cannot be converted.
    """
    if precision not in get_args(Precision):
        raise LabError(
            f"The precision is {precision!r}; expected one of {', '.join(get_args(Precision))}."
        )
    if not (source / "config.json").is_file():
        raise LabError(f"{source} holds no model: its config.json is missing.")
    with folder_beside(target) as beside:
        try:
            with quiet():
                _build(source, beside, precision, block)
        except Exception as error:  # whatever the builder, or what it calls, raises
            raise LabError(
                f"{source.name} could not be exported: {last_words(str(error))}"
            ) from None
    return target


def _build(source: Path, target: Path, precision: Precision, block: int) -> None:
    """As the builder's own command does. In this process, whose libraries are loaded already."""
    from onnxruntime_genai.models import builder

    asked = None, str(source), str(target), precision, "cpu", str(target)
    options = [] if precision == "fp32" else ["algo_config=rtn", f"block_size={block}"]
    builder.create_model(*asked, **builder.parse_extra_options(*asked, options))


def size_bytes(folder: Path) -> int:
    """Of the graph and its weights on disk."""
    return sum(path.stat().st_size for path in folder.glob(f"{MODEL}*"))


class OnnxDecoder:
    """The exported graph in a session of its own, for judging it; it keeps no cache."""

    def __init__(self, folder: Path, threads: int) -> None:
        self._session = session(folder / MODEL, threads)
        decoder = json.loads((folder / "genai_config.json").read_text())["model"]["decoder"]
        self._heads, self._width = decoder["num_key_value_heads"], decoder["head_size"]

    def logits(self, ids: Ids) -> Logits:
        """For the token after each place: (texts, length, vocabulary) from (texts, length)."""
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        nothing = np.zeros((len(ids), self._heads, 0, self._width), np.float32)
        for one in self._session.get_inputs():
            given.setdefault(one.name, nothing)  # the keys and values of an earlier text
        found: Logits = self._session.run(["logits"], given)[0]
        return found
