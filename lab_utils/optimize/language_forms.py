"""The forms of a language model that lessons compare, made once and kept.

    openvino(load(), Rounding(4, 128, "awq"))    # of the course's own model: words mean something
    openvino(LIGHT, Rounding(4, 128))            # of a shape with seeded weights: only its speed
    from_gguf(LLAMA_2_7B, "q4_0")                # with the bits of a GGUF file
    onnx(LIGHT, "int4")

Each is a folder that `OpenVinoDecoder` and `Engine`, or `OnnxDecoder` and `OnnxEngine`, load.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock

from lab_utils.files import cache_folder
from lab_utils.machine.facts import versions
from lab_utils.models.decoder import Decoder
from lab_utils.models.language.gguf_file import Kind, bits_of, write_model, write_seeded
from lab_utils.models.language.perplexity import Ids, windows
from lab_utils.models.language.seeded import room_for, seeded, seeded_folder
from lab_utils.models.language.small import WINDOW, LanguageModel, learned
from lab_utils.optimize import language_onnx, language_openvino
from lab_utils.optimize.artefacts import fingerprint
from lab_utils.optimize.language_openvino import Rounding

Model = LanguageModel | Decoder
"""One in memory, or a shape whose weights are seeded."""
VERSION = 1
"""Raised whenever the way of making changes, so that nothing older is used."""
SHOWN = 32
"""Windows of text that a method is shown."""


def openvino(model: Model, rounding: Rounding | None = None, texts: int = SHOWN) -> Path:
    """In OpenVINO's form, at 16 bits or rounded; found or made now.

    texts: how many a method that looks at data is shown.
    """
    if rounding is None:
        return _kept(
            "openvino", ("openvino-genai",), (_told(model),), lambda to: _sixteen(model, to)
        )

    def make(target: Path) -> None:
        read = None
        if rounding.method != "nearest":
            assert isinstance(model, LanguageModel), "seeded weights have nothing to read"
            read = shown(model, texts)
        language_openvino.compressed(openvino(model), target, rounding, read)

    depends = [_told(model), repr(rounding)]
    depends += [] if rounding.method == "nearest" else [str(texts)]
    return _kept("openvino", ("openvino-genai", "nncf"), depends, make)


def from_gguf(shape: Decoder, kind: Kind) -> Path:
    """What `seeded` writes, in OpenVINO's form; found or made now.

    An engine that is given the GGUF file converts it each time: in 8 GB of memory for a 7B's 4. The
    file is not kept; while the form is made the disk holds three of its size. Raises LabError where
    it has no room for them.
    """

    def make(target: Path) -> None:
        room_for(target, 3 * shape.parameters * bits_of(kind) / 8)
        with tempfile.TemporaryDirectory(dir=target.parent) as name:
            gguf = Path(name) / "model.gguf"
            write_seeded(gguf, shape, kind)
            language_openvino.exported(gguf, target)

    return _kept("openvino", ("openvino-genai",), (_told(shape), kind), make)


def onnx(
    model: Model, precision: language_onnx.Precision, block: int = language_onnx.BLOCK
) -> Path:
    """As ONNX Runtime GenAI loads it; found or made now."""

    def make(target: Path) -> None:
        if isinstance(model, Decoder):
            language_onnx.exported(seeded_folder(model), target, precision, block)
        else:
            assert model.folder is not None, "a model of the hub has no folder of its own"
            language_onnx.exported(model.folder, target, precision, block)

    packages = ("onnxruntime-genai-cuda", "onnxruntime-genai")
    return _kept("onnx", packages, (_told(model), precision, str(block)), make)


def shown(model: LanguageModel, count: int = SHOWN) -> Ids:
    """Texts that the course's own model was trained on, from everywhere: (count, `WINDOW`)."""
    texts = learned()
    pieces = [model.ids(text)[:WINDOW] for text in texts[:: len(texts) // count]]
    return windows([token for piece in pieces[:count] for token in piece], WINDOW)


def _sixteen(model: Model, target: Path) -> None:
    if isinstance(model, Decoder):
        language_openvino.exported(seeded(model, "f16"), target)
        return
    with tempfile.TemporaryDirectory() as name:
        gguf = Path(name) / "model.gguf"
        write_model(gguf, model, "f16")
        language_openvino.exported(gguf, target)


def _told(model: Model) -> str:
    return repr(model) if isinstance(model, Decoder) else fingerprint(model.network)


def _kept(
    name: str, packages: Sequence[str], depends: Sequence[str], make: Callable[[Path], None]
) -> Path:
    said = repr((VERSION, versions(packages), depends))
    folder = (
        cache_folder() / "language" / f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            make(folder)
    return folder
