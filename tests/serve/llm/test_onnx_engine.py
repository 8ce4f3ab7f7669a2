"""ONNX Runtime GenAI says what the network says."""

from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.optimize.language_onnx import exported
from lab_utils.serve.llm.onnx_engine import OnnxEngine
from tests.models.language.untrained import untrained


def test_greedy_tokens_are_the_networks(tmp_path: Path) -> None:
    model = untrained()
    model.network.save_pretrained(tmp_path / "source")
    model.tokenizer.save_pretrained(tmp_path / "source")
    folder = exported(tmp_path / "source", tmp_path / "fp32", "fp32")
    text = "The statement"
    with OnnxEngine(folder, threads=1) as engine:
        run = engine.run([model.ids(text)], new_tokens=12)
        assert run.tokens == [model.generate(text, new_tokens=12)]
        assert len(run.step_s) == 12
        with pytest.raises(LabError, match=r"Prompts of \[1, 2\] tokens were given"):
            engine.run([[5], [5, 6]], 2)


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="could not be loaded"):
        OnnxEngine(tmp_path, threads=1)
