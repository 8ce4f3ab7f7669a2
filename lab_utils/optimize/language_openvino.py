"""A language model in OpenVINO's form, and its weights at 8 or 4 bits through NNCF.

    source = exported(Path("own-f16.gguf"), target)          # OpenVINO GenAI's own graph of it
    folder = compressed(source, other, Rounding(4, 128, "awq"), shown)
    OpenVinoDecoder(folder, threads=2).logits(ids)           # perplexity(decoder.logits, kept)

Weights only: every matrix, the table of tokens included. The activations stay in 32 bits in the
file; the engine may round them to 8 for a product (`DYNAMIC_QUANTIZATION_GROUP_SIZE`).
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import openvino as ov
import openvino_genai as genai
from gguf import GGUFReader

from lab_utils.command import last_words
from lab_utils.errors import LabError
from lab_utils.files import folder_beside, write_json
from lab_utils.models.decoder import bits_per_weight
from lab_utils.models.language.gguf_part import layers_of, write_layers
from lab_utils.models.language.perplexity import Ids, Logits
from lab_utils.optimize.calibration import quiet
from lab_utils.optimize.openvino_parts import joined

Method = Literal["nearest", "awq", "scale estimation"]
MODEL = "openvino_model.xml"
ROW = -1
"""As a group: all weights of an output share one scale."""


@dataclass(frozen=True)
class Rounding:
    """How weights lose their bits.

    bits: 8 (a scale for each row) or 4. group: weights that share a scale, or `ROW`. method: what
    decides to which side a weight is rounded, and how large the scale is. "nearest" looks at the
    weights alone; "awq" (Lin et al. 2024) and "scale estimation" (NNCF's own) are shown texts.
    (NNCF 3.4 has GPTQ, too, but cannot run it on OpenVINO GenAI's graph.)
    """

    bits: Literal[4, 8]
    group: int = ROW
    method: Method = "nearest"

    def bits_per_weight(self, row: int) -> float:
        """With the scale's 16 bits, in a matrix with so many weights in a row."""
        return bits_per_weight(self.bits, row if self.group == ROW else self.group)


NO_DEVICE = "NOWHERE"
"""The model is written before the device is looked for, and compiling it would be for nothing."""
AT_ONCE = 2e9
"""Bytes of a file that are unpacked at once; they take some two and a half times that of memory."""


def exported(gguf: Path, target: Path, at_once: float = AT_ONCE) -> Path:
    """Write a GGUF file as a folder that OpenVINO and OpenVINO GenAI load; gives that folder.

    Its weights keep the bits that they have. A file of more bytes than `at_once` is converted some
    layers at a time; for those the disk holds the weights twice more for a while. Raises LabError
    where the file cannot be read.
    """
    if not gguf.is_file():
        raise LabError(f"{gguf} is not there; write it with models.language.gguf_file.")
    count = math.ceil(gguf.stat().st_size / at_once)
    with folder_beside(target) as beside:
        beside.mkdir()
        if count == 1:
            _convert(gguf, beside)
        else:
            _convert_parts(gguf, beside, count)
        ends = GGUFReader(gguf).fields["tokenizer.ggml.eos_token_id"].contents()
        write_json(beside / "generation_config.json", {"eos_token_id": ends})
    return target


def _convert(gguf: Path, folder: Path) -> None:
    """Have OpenVINO GenAI write the network of a file into a folder that is there."""
    link = folder / gguf.name  # it writes beside the file that it reads
    link.symlink_to(gguf.resolve())
    scheduler = genai.SchedulerConfig()
    scheduler.num_kv_blocks = 1  # nothing is to be answered
    try:
        genai.ContinuousBatchingPipeline(
            str(link), scheduler, NO_DEVICE, {"enable_save_ov_model": True}
        )
    except RuntimeError as error:
        if f'"{NO_DEVICE}"' not in str(error):
            raise LabError(f"{gguf.name} could not be read: {last_words(str(error))}") from None
    link.unlink()


def _convert_parts(gguf: Path, folder: Path, count: int) -> None:
    layers = range(layers_of(gguf))
    in_part = math.ceil(len(layers) / count)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        parts = [Path(name) / str(first) for first in layers[::in_part]]
        for part in parts:
            part.mkdir()
            first = int(part.name)
            write_layers(gguf, piece := part.with_suffix(".gguf"), layers[first : first + in_part])
            _convert(piece, part)
            piece.unlink()
        ov.serialize(joined([part / MODEL for part in parts]), folder / MODEL)


def compressed(source: Path, target: Path, rounding: Rounding, shown: Ids | None = None) -> Path:
    """Write the model of a folder with fewer bits; gives `target`, a folder of the same form.

    shown: texts for the methods that look at data, (texts, length); never the texts that it is
    judged on. Raises LabError where they are missing, or where a group does not divide a row.
    """
    import nncf

    if rounding.method not in get_args(Method):
        raise LabError(
            f"The method is {rounding.method!r}; expected one of {', '.join(get_args(Method))}."
        )
    looks = rounding.method != "nearest"
    if looks and (shown is None or len(shown) == 0):
        raise LabError(f"{rounding.method} looks at data; give it texts (shown=…).")
    settings: dict[str, Any] = {"mode": nncf.CompressWeightsMode.INT8_SYM}
    if rounding.bits == 4:
        settings = {
            "mode": nncf.CompressWeightsMode.INT4_SYM,
            "group_size": rounding.group,
            "all_layers": True,
            "ratio": 1.0,
        }
    if looks:
        assert shown is not None
        settings |= {rounding.method.replace(" ", "_"): True, "subset_size": len(shown)}
        settings["dataset"] = nncf.Dataset([inputs(text[None]) for text in shown])
    try:
        with quiet():
            nncf.set_log_level(logging.ERROR)
            found = nncf.compress_weights(_read(source), **settings)
    except (nncf.InvalidGroupSizeError, nncf.ValidationError, RuntimeError) as error:
        raise LabError(
            f"{source.name} could not be rounded to {rounding.bits} bits in groups of "
            f"{rounding.group}: {last_words(str(error))}"
        ) from None
    return _write(found, source, target)


def size_bytes(folder: Path) -> int:
    """Of the weights on disk."""
    return (folder / MODEL).with_suffix(".bin").stat().st_size


class OpenVinoDecoder:
    """The graph of a folder, compiled for judging it; it keeps no cache from text to text.

    settings: OpenVINO's own. Its default precision is bf16 where the processor has it; here it is
    32 bits unless another is asked for.
    """

    def __init__(self, folder: Path, threads: int, **settings: Any) -> None:
        given = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads} | settings
        self._compiled = ov.Core().compile_model(_read(folder), "CPU", given)
        self._request = self._compiled.create_infer_request()

    def logits(self, ids: Ids) -> Logits:
        """For the token after each place: (texts, length, vocabulary) from (texts, length)."""
        self._request.reset_state()
        found: Logits = self._request.infer(inputs(ids))["logits"].copy()
        return found

    def kernels(self, ids: Ids) -> Counter[str]:
        """How many matrices of a pass over texts each kernel multiplied; "brgemm_avx512_f32 of i4".

        The engine chooses a kernel by the number of tokens, so it must have run. Behind "of" stands
        what the weights are kept in.
        """
        self.logits(ids)
        told = [node.get_rt_info() for node in self._compiled.get_runtime_model().get_ops()]
        return Counter(
            f"{info['primitiveType'].astype(str)} of {info['runtimePrecision'].astype(str)}"
            for info in told
            if info["layerType"].astype(str) == "FullyConnected"
        )


def inputs(ids: Ids) -> Mapping[str, Any]:
    """What the graph is given for texts without a past, (texts, length)."""
    places = np.broadcast_to(np.arange(ids.shape[1], dtype=np.int64), ids.shape)
    return {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "position_ids": np.ascontiguousarray(places),
        "beam_idx": np.arange(len(ids), dtype=np.int32),
    }


def _read(folder: Path) -> ov.Model:
    if not (folder / MODEL).is_file():
        raise LabError(f"{folder} holds no model in OpenVINO's form: its {MODEL} is missing.")
    return ov.Core().read_model(folder / MODEL)


def _write(model: ov.Model, source: Path, target: Path) -> Path:
    with folder_beside(target) as beside:
        shutil.copytree(source, beside, ignore=shutil.ignore_patterns("openvino_model.*"))
        ov.save_model(model, beside / MODEL)
    return target
