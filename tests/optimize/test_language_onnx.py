"""The exported language model computes what the network computes, less what rounding takes."""

from pathlib import Path
from pydoc_data import topics
from typing import Any

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.models.language.perplexity import losses, windows
from lab_utils.models.language.small import LanguageModel
from lab_utils.optimize.language_onnx import OnnxDecoder, exported
from tests.models.language.untrained import untrained


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[LanguageModel, Path]:
    model, folder = untrained(), tmp_path_factory.mktemp("model")
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return model, folder


def test_what_is_exported_is_the_same_model_with_fewer_bits(
    saved: tuple[LanguageModel, Path], tmp_path: Path
) -> None:
    model, source = saved
    kept = windows(model.ids(topics.topics["while"]), 48)[:3]
    expected = losses(model.logits(kept), kept)
    precisions: tuple[Any, ...] = ("fp32", "int8", "int4")
    errors, sizes = {}, {}
    for precision in precisions:
        folder = exported(source, tmp_path / precision, precision)
        found = losses(OnnxDecoder(folder, threads=1).logits(kept), kept)
        errors[precision] = np.abs(found - expected).mean()
        sizes[precision] = sum(p.stat().st_size for p in folder.glob("model.onnx*"))
    assert errors["fp32"] < 1e-4 < errors["int8"] < errors["int4"]
    assert sizes["fp32"] > sizes["int8"] > sizes["int4"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fp32", "int4", "int8"]


def test_what_cannot_be_exported_is_said(saved: tuple[LanguageModel, Path], tmp_path: Path) -> None:
    with pytest.raises(LabError, match="precision is 'int3'; expected one of fp32, int8, int4"):
        exported(saved[1], tmp_path / "x", "int3")  # type: ignore[arg-type]
    with pytest.raises(LabError, match=r"holds no model: its config\.json is missing"):
        exported(tmp_path, tmp_path / "x", "int4")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(LabError, match="bad could not be exported"):
        exported(tmp_path / "bad", tmp_path / "x", "int4")
    assert [p.name for p in tmp_path.iterdir()] == ["bad"]
