import os
import sys
from pathlib import Path

import pytest

from lab_utils.components.tools import LOAD_TOOLS, find


def test_a_program_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "a-load-tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find("a-load-tool") == program


def test_the_environment_s_own_programs_are_found_without_a_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    assert find("python") == Path(sys.executable).parent / "python"


def test_a_missing_program_is_none() -> None:
    assert find("no-such-program-anywhere") is None


def test_every_tool_says_how_to_get_it() -> None:
    assert {tool.name for tool in LOAD_TOOLS} == {"wrk", "ab", "k6"}
    for tool in LOAD_TOOLS:
        assert tool.purpose
        assert tool.package
        assert tool.path == find(tool.name)
