"""The file that engines read: its sizes, its weights, and that an engine computes the model."""

import shutil
from pathlib import Path
from pydoc_data import topics
from typing import Any

import gguf
import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.models.decoder import LLAMA_2_7B, SMALL, Decoder
from lab_utils.models.language import seeded as seeded_module
from lab_utils.models.language.gguf_file import bits_of, shape_of, write_model, write_seeded
from lab_utils.models.language.perplexity import losses, windows
from lab_utils.models.language.seeded import prompt, seeded
from lab_utils.models.language.small import LanguageModel
from lab_utils.serve.llm.engine import Engine
from tests.models.language.untrained import TINY, untrained


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return untrained()


def tensors(path: Path) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize(("kind", "bits"), [("f16", 16), ("q8_0", 8.5), ("q4_0", 4.5)])
def test_a_seeded_file_has_every_tensor_and_the_promised_size(
    tmp_path: Path, kind: Any, bits: float
) -> None:
    path = tmp_path / "tiny.gguf"
    write_seeded(path, TINY, kind)
    found = tensors(path)
    vectors = (2 * TINY.layers + 1) * TINY.width
    assert sum(int(tensor.n_elements) for tensor in found.values()) == TINY.parameters
    assert bits_of(kind) == bits
    held = sum(int(tensor.n_bytes) for tensor in found.values())
    assert held == (TINY.parameters - vectors) * bits / 8 + 4 * vectors
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["f16", "q8_0", "q4_0"])
def test_seeded_weights_keep_a_vector_its_length(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "tiny.gguf"
    write_seeded(path, TINY, kind)
    for name, columns in (
        ("blk.0.ffn_down.weight", TINY.inner),
        ("blk.1.attn_k.weight", TINY.width),
    ):
        tensor = tensors(path)[name]
        weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert weights.std() == pytest.approx(columns**-0.5, rel=0.03)
    again, other = tmp_path / "again.gguf", tmp_path / "other.gguf"
    write_seeded(again, TINY, kind)
    write_seeded(other, TINY, kind, seed=1)
    assert again.read_bytes() == path.read_bytes() != other.read_bytes()


@pytest.mark.parametrize(("kind", "most"), [("f16", 1e-3), ("q8_0", 0.01), ("q4_0", 0.12)])
def test_a_models_weights_are_rounded_to_the_nearest(
    tmp_path: Path, model: LanguageModel, kind: Any, most: float
) -> None:
    path = tmp_path / "own.gguf"
    write_model(path, model, kind)
    tensor = tensors(path)["blk.1.ffn_up.weight"]
    kept = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    own = model.network.model.layers[1].mlp.up_proj.weight.detach().numpy()
    assert np.linalg.norm(kept - own) / np.linalg.norm(own) < most
    assert shape_of(model) == TINY.__class__(**{**TINY.__dict__, "tied": True})


def test_an_engine_that_reads_the_file_says_what_the_network_says(
    tmp_path: Path, model: LanguageModel
) -> None:
    """Greedy tokens against transformers': a wrong order of rows or a wrong rotation shows here."""
    path = tmp_path / "own.gguf"
    write_model(path, model, "f16")
    text = "The statement"
    expected = model.generate(text, new_tokens=12)
    with Engine(
        path, threads=1, INFERENCE_PRECISION_HINT="f32", KV_CACHE_PRECISION="f32"
    ) as engine:
        assert engine.run([model.ids(text)], new_tokens=12).tokens == [expected]


def test_an_engines_losses_are_the_networks_and_grow_with_fewer_bits(
    tmp_path: Path, model: LanguageModel
) -> None:
    kept = windows(model.ids(topics.topics["while"]), 64)[:4]
    expected = losses(model.logits(kept), kept)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    errors = {}
    for kind in ("f16", "q8_0", "q4_0"):
        path = tmp_path / f"{kind}.gguf"
        write_model(path, model, kind)
        with Engine(path, threads=1, **settings) as engine:
            found = engine.losses(kept)
        assert found.shape == (4, 63)
        errors[kind] = np.abs(found - expected).mean()
    assert errors["f16"] < 2e-3 < errors["q8_0"] < errors["q4_0"]


def test_users_of_a_batch_get_what_they_would_get_alone(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    write_seeded(path, TINY, "q8_0")
    prompts = [prompt(TINY, length, seed=length) for length in (3, 9, 40)]
    settings = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    with Engine(path, threads=1, **settings) as engine:
        together = engine.run(prompts, new_tokens=8)
        alone = [engine.run([one], new_tokens=8).tokens[0] for one in prompts]
    assert together.tokens == alone
    assert len(together.step_s) == 8
    assert together.time_to_first_token_s == together.step_s[0]
    assert len(together.token_s) == 7


def test_the_7b_takes_the_size_that_its_shape_says() -> None:
    assert LLAMA_2_7B.parameters * bits_of("q4_0") / 8 == pytest.approx(3.79e9, rel=0.01)
    assert SMALL.parameters == pytest.approx(0.7e9, rel=0.01)
    assert SMALL.decode_parameters == SMALL.parameters - 32_000 * 1536


def test_what_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        LabError, match="kind 'q5_1' was asked for; expected one of f16, q8_0, q4_0"
    ):
        write_seeded(tmp_path / "x.gguf", TINY, "q5_1")  # type: ignore[arg-type]
    narrow = Decoder(**{**TINY.__dict__, "head_width": 16})
    with pytest.raises(LabError, match="4 heads of 16 are not 128 wide"):
        write_seeded(tmp_path / "x.gguf", narrow, "q4_0")
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(seeded_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(LabError, match=r"needs 0\.0 GB; .* has 0\.0 GB left"):
        seeded(TINY, "q4_0")


def test_a_file_that_is_missing_or_cut_short_is_said(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    with pytest.raises(LabError, match=r"tiny\.gguf is not there"):
        Engine(path)
    path.write_bytes(b"GGUF")
    with pytest.raises(LabError, match=r"tiny\.gguf could not be loaded"):
        Engine(path)
