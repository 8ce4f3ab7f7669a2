from pathlib import Path

import pytest
import torch
from torch import nn

from lab_utils.errors import LabError
from lab_utils.optimize.artefacts import Artefact, Recipe, fingerprint, prepared


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, 2)


class Cook:
    """Writes one file, and counts how often."""

    def __init__(self, content: str = "model") -> None:
        self.content = content
        self.made = 0

    def __call__(self, network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
        self.made += 1
        before = "" if base is None else (base / "model.txt").read_text()
        (folder / "model.txt").write_text(before + self.content)


def test_a_model_is_made_once_and_then_found(network: nn.Module) -> None:
    cook = Cook()
    recipe = Recipe("test", cook, ("torch",))
    first = prepared(recipe, network, labels=2, batch=1)
    again = prepared(recipe, network, labels=2, batch=1)
    assert cook.made == 1
    assert again == first
    assert first.size_bytes == len("model")
    assert first.prepare_s >= 0


def test_other_weights_and_another_fixed_batch_are_another_model(network: nn.Module) -> None:
    cook = Cook()
    recipe = Recipe("test", cook, ("torch",), fixed_batch=True)
    first = prepared(recipe, network, labels=2, batch=1)
    assert prepared(recipe, network, labels=2, batch=2).folder != first.folder
    with torch.no_grad():
        network.weight[0, 0] += 1
    assert prepared(recipe, network, labels=2, batch=1).folder != first.folder
    assert cook.made == 3


def test_files_that_hold_paths_are_made_anew_for_another_installation(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    anywhere, here = Cook(), Cook()
    recipes = [
        Recipe("anywhere", anywhere, ("torch",)),
        Recipe("here", here, ("torch",), of_this_installation=True),
    ]
    for recipe in recipes:
        prepared(recipe, network, labels=2, batch=1)
    monkeypatch.setattr("sys.prefix", "/another/place")
    for recipe in recipes:
        prepared(recipe, network, labels=2, batch=1)
    assert (anywhere.made, here.made) == (1, 2)


def test_a_fingerprint_is_the_weights_and_their_names(network: nn.Module) -> None:
    same = nn.Linear(4, 2)
    same.load_state_dict(network.state_dict())
    assert fingerprint(same) == fingerprint(network)
    assert fingerprint(nn.Sequential(same)) != fingerprint(network)


def test_a_conversion_takes_its_bases_time_and_files(network: nn.Module) -> None:
    base, top = Cook("a"), Cook("b")
    first = Recipe("base", base, ("torch",))
    made = prepared(Recipe("top", top, ("torch",), base=first), network, labels=2, batch=1)
    assert (made.folder / "model.txt").read_text() == "ab"
    assert made.prepare_s >= prepared(first, network, labels=2, batch=1).prepare_s
    assert base.made == 1


def test_what_fails_leaves_nothing_behind(network: nn.Module, cache: Path) -> None:
    def fail(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
        (folder / "half").write_text("half a model")
        raise LabError("The compiler is missing.")

    with pytest.raises(LabError, match="The compiler is missing"):
        prepared(Recipe("test", fail, ("torch",)), network, labels=2, batch=1)
    left = [path for path in (cache / "optimize").iterdir() if path.suffix != ".lock"]
    assert left == []


def test_what_was_cut_short_in_the_cache_is_made_again(network: nn.Module) -> None:
    cook = Cook()
    recipe = Recipe("test", cook, ("torch",))
    made = prepared(recipe, network, labels=2, batch=1)
    (made.folder / "model.txt").write_text("mo")
    with pytest.raises(LabError, match="has 2 bytes; expected 5"):
        Artefact.read(made.folder)
    assert prepared(recipe, network, labels=2, batch=1) != made or cook.made == 2
    assert cook.made == 2


@pytest.mark.parametrize("batch", [0, -1, 1.5, None])
def test_other_batches_are_refused(network: nn.Module, batch: object) -> None:
    with pytest.raises(LabError, match="expected a whole number of at least 1"):
        prepared(Recipe("test", Cook(), ("torch",)), network, labels=2, batch=batch)  # type: ignore[arg-type]
