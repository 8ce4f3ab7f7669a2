"""A bench of several parts: each can be asked for, and one that fails takes nothing with it."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
from typer.testing import CliRunner

from lab_utils.bench import _document
from lab_utils.cli.app import app
from lab_utils.errors import LabError


def part(name: str, result: float | str) -> SimpleNamespace:
    def measure(scale: str, repeats: int) -> dict[str, _document.Figure]:
        if isinstance(result, str):
            raise LabError(result)
        return {f"{name}_s": result * repeats}

    return SimpleNamespace(__name__=f"lab_utils.bench.planted.{name}", measure=measure)


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("lab_utils.bench.planted")
    module.PARTS = (part("first", 1.5), part("second", "Too few samples."), part("third", 2.0))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lab_utils.bench.planted", module)
    monkeypatch.setattr(_document, "names", lambda: ["planted"])


def test_a_part_that_fails_takes_no_figures_with_it() -> None:
    with pytest.raises(_document.UnfinishedError, match=r"second gave no figures\. Too few") as e:
        _document.find("planted")("ci", 2)
    assert e.value.figures == {"first_s": 3.0, "third_s": 4.0}


def test_one_part_can_be_asked_for() -> None:
    assert _document.find("planted/third")("ci", 3) == {"third_s": 6.0}


def test_an_unknown_part_lists_those_there_are() -> None:
    with pytest.raises(LabError, match="'thrid'; expected one of first, second, third; did you"):
        _document.find("planted/thrid")


def test_what_was_measured_is_printed_and_the_status_says_that_it_is_not_all() -> None:
    done = CliRunner().invoke(app, ["bench", "planted", "--json", "--repeats", "1"])
    assert done.exit_code != 0
    assert json.loads(done.stdout)["figures"] == {"first_s": 1.5, "third_s": 2.0}
