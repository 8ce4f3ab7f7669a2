"""A model in OpenVINO's form computes what the network computes, less what rounding takes."""

from pathlib import Path
from pydoc_data import topics
from typing import Any

import numpy as np
import pytest
import torch

from lab_utils.errors import LabError
from lab_utils.models.language.gguf_file import write_model
from lab_utils.models.language.perplexity import Ids, losses, losses_of, windows
from lab_utils.models.language.small import LanguageModel
from lab_utils.optimize.language_openvino import (
    ROW,
    OpenVinoDecoder,
    Rounding,
    compressed,
    exported,
    size_bytes,
)
from lab_utils.serve.llm.engine import Engine
from tests.models.language.untrained import TINY, untrained

Saved = tuple[LanguageModel, Path]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    model, folder = untrained(), tmp_path_factory.mktemp("model")
    write_model(folder / "own.gguf", model, "f16")
    return model, exported(folder / "own.gguf", folder / "sixteen")


def texts(model: LanguageModel, topic: str) -> Ids:
    return windows(model.ids(topics.topics[topic]), 48)[:4]


def test_nothing_is_lost_at_16_bits(saved: Saved) -> None:
    model, folder = saved
    kept = texts(model, "while")
    expected = losses(model.logits(kept), kept)
    decoder = OpenVinoDecoder(folder, threads=1)
    assert np.abs(losses_of(decoder.logits, kept) - expected).max() < 5e-3
    # A text is read without what was read before it.
    assert np.array_equal(decoder.logits(kept), decoder.logits(kept))
    assert not list(folder.parent.glob(".*"))
    assert not list(folder.glob("*.gguf"))


def test_the_engine_loads_the_folder_and_says_what_the_network_says(saved: Saved) -> None:
    model, folder = saved
    ids = model.ids("The statement")
    exact = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    with Engine(folder, threads=1, **exact) as engine:
        assert engine.run([ids], 12).tokens == [model.generate("The statement", 12)]


def test_a_file_converted_some_layers_at_a_time_is_the_same_network(tmp_path: Path) -> None:
    model = untrained(layers=5)
    with torch.no_grad():
        for parameter in model.network.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5)  # norms that scale, as those of a trained network
    gguf = tmp_path / "own.gguf"
    write_model(gguf, model, "q8_0")
    whole = exported(gguf, tmp_path / "whole")
    parts = exported(gguf, tmp_path / "parts", at_once=gguf.stat().st_size / 2.5)  # 2, 2 and 1
    kept, (one, other) = texts(model, "while"), (OpenVinoDecoder(f, 1) for f in (whole, parts))
    assert np.array_equal(other.logits(kept), one.logits(kept))
    assert size_bytes(parts) == size_bytes(whole)
    answers = []
    for path in (whole, parts):
        with Engine(path, threads=1) as engine:
            answers.append(engine.run([model.ids("The statement")], 12).tokens)
    assert answers[0] == answers[1]
    assert {path.name for path in tmp_path.iterdir()} == {"own.gguf", "whole", "parts"}


def test_fewer_bits_are_smaller_and_lose_more_and_larger_groups_are_smaller(
    saved: Saved, tmp_path: Path
) -> None:
    model, source = saved
    kept = texts(model, "while")
    expected = losses(model.logits(kept), kept)
    roundings = [Rounding(8), Rounding(4, 32), Rounding(4, 128), Rounding(4, ROW)]
    folders = [compressed(source, tmp_path / str(i), r) for i, r in enumerate(roundings)]
    sizes = [size_bytes(source), *map(size_bytes, folders)]
    assert sizes == sorted(sizes, reverse=True)
    exact = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    errors = [
        float(np.abs(losses_of(OpenVinoDecoder(f, 1, **exact).logits, kept) - expected).mean())
        for f in folders
    ]
    assert 0 < errors[0] < 0.1 * min(errors[1:]) < max(errors[1:]) < 1
    assert [r.bits_per_weight(256) for r in roundings] == [8.0625, 4.5, 4.125, 4.0625]


def test_the_kernels_of_a_pass_are_named_with_the_bits_of_their_weights(
    saved: Saved, tmp_path: Path
) -> None:
    model, source = saved
    kept = texts(model, "while")
    forms = {"i8": Rounding(8), "i4": Rounding(4, 64)}
    folders = {"f32": source} | {
        name: compressed(source, tmp_path / name, rounding) for name, rounding in forms.items()
    }
    for precision, folder in folders.items():
        used = OpenVinoDecoder(folder, threads=1).kernels(kept)
        # Q, K, V, O and three of the network in each layer, and the last matrix; some are joined.
        assert TINY.layers * 4 < used.total() <= TINY.layers * 7 + 1
        assert {name.rpartition(" of ")[2] for name in used} == {precision}
        assert all(len(name.split(" of ")[0]) > 3 and "undef" not in name for name in used)


@pytest.mark.parametrize("method", ["awq", "scale estimation"])
def test_a_method_that_looks_chooses_other_integers_of_the_same_size(
    saved: Saved, tmp_path: Path, method: Any
) -> None:
    model, source = saved
    shown, kept = texts(model, "for"), texts(model, "while")
    expected = losses(model.logits(kept), kept)
    exact = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    errors = {}
    for name in ("nearest", method):
        folder = compressed(source, tmp_path / name, Rounding(4, 64, name), shown)
        found = losses_of(OpenVinoDecoder(folder, 1, **exact).logits, kept)
        errors[name] = np.abs(found - expected).mean()
    assert errors[method] != errors["nearest"]
    assert errors[method] < 1.5 * errors["nearest"]
    assert size_bytes(tmp_path / method) == pytest.approx(
        size_bytes(tmp_path / "nearest"), rel=0.02
    )


def test_what_cannot_be_done_is_said(saved: Saved, tmp_path: Path) -> None:
    source = saved[1]
    with pytest.raises(LabError, match=r"other\.gguf is not there"):
        exported(tmp_path / "other.gguf", tmp_path / "x")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF")
    with pytest.raises(LabError, match=r"bad\.gguf could not be read"):
        exported(tmp_path / "bad.gguf", tmp_path / "x")
    (tmp_path / "bad.gguf").unlink()
    with pytest.raises(LabError, match="method is 'luck'; expected one of nearest, awq"):
        compressed(source, tmp_path / "x", Rounding(4, 32, "luck"))  # type: ignore[arg-type]
    with pytest.raises(LabError, match="awq looks at data; give it texts"):
        compressed(source, tmp_path / "x", Rounding(4, 32, "awq"))
    with pytest.raises(LabError, match="could not be rounded to 4 bits in groups of 100"):
        compressed(source, tmp_path / "x", Rounding(4, 100))
    with pytest.raises(LabError, match=r"holds no model in OpenVINO's form"):
        OpenVinoDecoder(tmp_path, 1)
    assert not list(tmp_path.iterdir())
