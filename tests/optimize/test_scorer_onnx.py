"""The exported scorer gives what the logits give, for prompts of any number and length."""

from pathlib import Path

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.models.language.perplexity import losses
from lab_utils.models.language.small import LanguageModel
from lab_utils.optimize.onnx_variants import session
from lab_utils.optimize.scorer_onnx import exported, scorer
from tests.models.language.untrained import untrained


@pytest.mark.parametrize("shape", [(1, 2), (3, 8), (2, 97)])
def test_any_number_of_prompts_of_any_length(
    shape: tuple[int, int], model: LanguageModel, graph: bytes
) -> None:
    size = model.network.config.vocab_size
    tokens = np.random.default_rng(3).integers(size, size=shape)
    found = session(graph, 1).run(None, {"tokens": tokens})[0]
    expected = losses(model.logits(tokens), tokens).mean(1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return untrained()


@pytest.fixture(scope="module")
def graph(model: LanguageModel) -> bytes:
    return exported(model.network)


def test_it_is_made_once_and_again_for_other_weights(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("lab_utils.optimize.scorer_onnx.exported", lambda _: b"graph")
    weights = tmp_path / "model" / "weights"
    weights.parent.mkdir()
    weights.write_bytes(b"1")
    kept = LanguageModel(model.network, model.tokenizer, "a test", weights.parent)
    first = scorer(kept)
    made_ns = first.stat().st_mtime_ns
    assert (scorer(kept), first.stat().st_mtime_ns) == (first, made_ns)
    weights.write_bytes(b"2")
    assert scorer(kept) != first
    with pytest.raises(LabError, match="a test has no folder of its own"):
        scorer(LanguageModel(model.network, model.tokenizer, "a test"))
