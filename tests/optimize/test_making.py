"""Saved models that are made side by side."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from lab_utils.errors import LabError
from lab_utils.optimize.artefacts import MANIFEST, Recipe
from lab_utils.optimize.making import made_together


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))


def write(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    """A recipe's maker, found by its name in another process."""
    torch.save(network.state_dict(), folder / "weights.pt")


def here_only(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    """A maker that says which process it was."""
    (folder / "process").write_text(str(os.getpid()))


def refuse(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    """A maker that cannot."""
    raise LabError("The converter knows no such operator.")


def vanish(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    """A maker that takes its process with it, as a compiler that runs out of memory."""
    os._exit(1)


def test_each_is_made_in_another_process_and_found_afterwards() -> None:
    network = nn.Linear(4, 2)
    recipes = {f"number {i}": Recipe(f"test-{i}", write, ("torch",)) for i in range(3)}
    seen: list[int] = []

    def watch(items: Sequence[int]) -> Iterator[int]:
        for item in items:
            seen.append(item)
            yield item

    first = made_together(recipes, network, 2, watch=watch)
    again = made_together(recipes, network, 2)
    assert list(first) == list(recipes)
    assert first == again
    assert seen == [0, 1, 2]
    for artefact in first.values():
        kept = torch.load(artefact.folder / "weights.pt", weights_only=True)
        assert torch.equal(kept["weight"], network.weight)


def test_one_that_is_missing_alone_is_made_here() -> None:
    made = made_together({"one": Recipe("one", here_only, ("torch",))}, nn.Linear(4, 2), 2)
    assert int((made["one"].folder / "process").read_text()) == os.getpid()


@pytest.mark.parametrize(
    ("make", "message"), [(refuse, "knows no such operator"), (vanish, "process of maker . ended")]
)
def test_what_cannot_be_made_is_said(make: object, message: str) -> None:
    recipes = {"good": Recipe("good", write, ("torch",)), "bad": Recipe("bad", make, ("torch",))}  # type: ignore[arg-type]
    with pytest.raises(LabError, match=message):
        made_together(recipes, nn.Linear(4, 2), 2)


def convert(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    """A maker that takes longer than `write`."""
    assert base is not None
    time.sleep(0.3)
    (folder / "converted").write_bytes((base / "weights.pt").read_bytes())


def test_no_maker_waits_for_a_base_while_another_base_is_still_to_be_made() -> None:
    one, other = (Recipe(name, write, ("torch",)) for name in ("one", "other"))
    recipes = {
        name: Recipe(name, convert, ("torch",), base=base)
        for name, base in (("a", one), ("b", one), ("c", other))
    }
    network = nn.Linear(4, 2)
    converted = made_together(recipes, network, 2)
    bases = made_together({"one": one, "other": other}, network, 2)
    made = {
        name: (a.folder / MANIFEST).stat().st_mtime_ns for name, a in (converted | bases).items()
    }
    assert max(made["one"], made["other"]) < min(made[name] for name in recipes)
