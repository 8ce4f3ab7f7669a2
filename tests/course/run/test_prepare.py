"""What is got ready before the first notebook."""

from pathlib import Path

import pytest
import torch
from torch import nn

from lab_utils.course.run import prepare
from lab_utils.errors import LabError
from lab_utils.models import resnet
from lab_utils.optimize import saved_models
from lab_utils.optimize.artefacts import Recipe, fingerprint, found

MODEL = resnet.ResNet(nn.Linear(4, 2), ("cat", "coins"), "a test's")


def write(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    """A recipe's maker."""
    torch.save(network.state_dict(), folder / "weights.pt")


def refuse(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    """A maker that cannot."""
    raise LabError("The converter knows no such operator.")


def test_the_named_sets_are_made_and_what_cannot_be_made_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(resnet, "load", lambda: MODEL)
    made, unwanted, fails = (
        Recipe(name, maker, ("torch",))
        for name, maker in (("made", write), ("unwanted", write), ("fails", refuse))
    )
    for name, recipe in (("a", made), ("b", unwanted), ("c", fails)):
        monkeypatch.setitem(saved_models.SETS, name, lambda recipe=recipe: {"only": recipe})
    assert prepare.main("", "a") == 0
    assert prepare.main("", "c") == 0
    assert capsys.readouterr().out == "a test's\n" * 2
    weights = fingerprint(MODEL.network)
    assert found(made, weights, 1) is not None
    assert found(unwanted, weights, 1) is None
    assert found(fails, weights, 1) is None
