import os
import sys
from pathlib import Path

import pytest

from lab_utils.components import environments
from lab_utils.components.catalogue import CATALOGUE, Component, program


def test_a_program_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "a-load-tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert program("a-load-tool") == tool


def test_the_environment_s_own_programs_are_found_without_a_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    assert program("python") == Path(sys.executable).parent / "python"


def test_a_missing_program_or_library_is_not_present() -> None:
    assert program("no-such-program-anywhere") is None
    assert not Component("no-such-program-anywhere", "", "", "").present()
    assert not Component("library", "", "", "", module="no_such_library_anywhere").present()
    assert Component("library", "", "", "", module="numpy").present()


def test_a_component_with_an_environment_is_present_once_that_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))
    tvm = CATALOGUE["tvm"]
    assert not tvm.present()
    python = environments.ENVIRONMENTS["tvm"].python
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert tvm.present()


def test_every_component_says_how_to_get_it_and_what_happens_without_it() -> None:
    assert {"gunicorn", "wrk", "ab", "k6"} <= set(CATALOGUE)
    for name, component in CATALOGUE.items():
        assert component.name == name
        assert component.purpose
        assert component.get
        assert component.otherwise
