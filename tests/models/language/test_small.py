"""The whole way, from text to a model that is loaded, on a model that is trained in seconds."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from pydoc_data import topics
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from lab_utils.errors import LabError
from lab_utils.models.decoder import Decoder
from lab_utils.models.language import folder, train
from lab_utils.models.language.folder import trained_folder
from lab_utils.models.language.perplexity import perplexity, windows
from lab_utils.models.language.small import LanguageModel, held_out, learned, load, origin

TINY = {
    "VOCABULARY": 512, "WIDTH": 64, "LAYERS": 1, "INNER": 128, "SEQUENCE": 64, "RATE": 1e-2,
    "HELD_OUT_CHARACTERS": 20_000,
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageModel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFERENCE_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name, value in TINY.items():
            patch.setattr(train, name, value)
        load.cache_clear()
        train.make(trained_folder(), list(topics.topics.values()), steps=60, seed=5)
        yield load()
        load.cache_clear()


@pytest.fixture(scope="module")
def few(model: LanguageModel) -> np.ndarray:
    return windows(model.ids(held_out()), 64)[:32]


def damaged(network: Any, bits: int) -> Any:
    """Round every matrix in place to so many bits, one scale a row: the plainest quantisation."""
    levels = 2 ** (bits - 1) - 1
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 2:
                scale = parameter.abs().amax(dim=1, keepdim=True) / levels
                parameter.copy_(torch.round(parameter / scale) * scale)
    return network


def test_it_says_where_it_comes_from(model: LanguageModel) -> None:
    made = origin()
    assert made["parameters"] == sum(p.numel() for p in model.network.parameters())
    assert f"{made['trained_on_tokens']:,}" in model.source
    assert not set(topics.topics.values()) & {held_out()}


def test_what_is_kept_of_what_it_learned_is_from_other_documents(model: LanguageModel) -> None:
    kept = learned()
    assert len(kept) == train.STRETCHES
    assert {len(text) for text in kept} == {train.STRETCH_CHARACTERS}
    assert not [text for text in kept if text[500:1000] in held_out()]


def test_its_shape_is_counted_by_the_formula(model: LanguageModel) -> None:
    assert model.folder is not None
    shape = json.loads((model.folder / "config.json").read_text())
    decoder = Decoder(
        layers=shape["num_hidden_layers"],
        width=shape["hidden_size"],
        heads=shape["num_attention_heads"],
        cached_heads=shape["num_key_value_heads"],
        head_width=shape["head_dim"],
        inner=shape["intermediate_size"],
        vocabulary=shape["vocab_size"],
        tied=True,
    )
    assert decoder.parameters == sum(p.numel() for p in model.network.parameters())


def test_text_comes_back_from_its_tokens(model: LanguageModel) -> None:
    text = "Größe: 3 ≤ x\n\tdef f(): return 'yes'"
    assert model.text(model.ids(text)) == text


def test_it_has_learnt_to_read(model: LanguageModel, few: np.ndarray) -> None:
    known = perplexity(model.logits, few)
    assert known.high < TINY["VOCABULARY"] / 2


def test_rounding_it_can_be_seen_in_its_answers(model: LanguageModel, few: np.ndarray) -> None:
    """By how much is told by the trained model only: this one hardly knows what it could lose."""
    exact, moved = model.logits(few), {}
    for bits in (8, 4, 2):
        network = damaged(copy.deepcopy(model.network), bits)
        given = LanguageModel(network, model.tokenizer, "rounded").logits(few)
        moved[bits] = float(np.abs(given - exact).mean())
    assert 0 < moved[8] < moved[4] / 4 < moved[2] / 4


def test_it_goes_on_with_what_it_finds_likeliest(model: LanguageModel) -> None:
    given = model.generate("The statement", new_tokens=12)
    assert 1 <= len(given) <= 12
    assert given == model.generate("The statement", new_tokens=12)
    first = model.logits(np.asarray([model.ids("The statement")]))[0, -1].argmax()
    assert given[0] == first
    assert not torch.is_inference_mode_enabled()


def test_what_cannot_be_is_refused(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(LabError, match="The prompt has 0 tokens"):
        model.generate("", 3)

    def away(name: str) -> None:
        raise OSError(f"We couldn't connect to the hub to load {name}.\nTry again.")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", away)
    with pytest.raises(LabError, match="The language model nobody/nothing could not be loaded"):
        load("nobody/nothing")
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))
    load.cache_clear()
    monkeypatch.setattr(folder, "CARRIED", tmp_path / "carried")
    with pytest.raises(LabError, match=r"own language model is missing from .*carried\. Get that"):
        load()
    with pytest.raises(LabError, match=r"carried holds no learned\.json\. Get it back"):
        learned()
