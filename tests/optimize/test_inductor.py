"""What PyTorch's code generator asks of the compiler, and where it works."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lab_utils.components.catalogue import CATALOGUE
from lab_utils.optimize.inductor import (
    CACHE_VARIABLE,
    fresh_cache,
    temporary_folder,
)

pytestmark = pytest.mark.skipif(not CATALOGUE["g++"].present(), reason="needs a compiler")


def test_the_compiler_is_asked_once_and_its_answers_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In processes of their own: within one, PyTorch remembers."""
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))
    code = "from lab_utils.optimize.inductor import compiler_checks; print(compiler_checks())"
    said, kept = [], []
    for _ in range(2):
        asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        said.append(asked.stdout)
        kept.append({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.so")})
    assert said[0].startswith("CompilerChecks(programs=")
    assert said[0] == said[1]
    assert kept[0] == kept[1]
    assert f"programs={len(kept[0])}," in said[0]
    assert kept[0]


def test_a_fresh_cache_is_empty_and_gone_afterwards() -> None:
    with fresh_cache():
        folder = Path(os.environ[CACHE_VARIABLE])
        assert not list(folder.iterdir())
    assert not folder.exists()


def test_a_temporary_folder_takes_what_a_library_leaves_there() -> None:
    before = os.environ.get("TMPDIR")
    with temporary_folder():
        folder = Path(os.environ["TMPDIR"])
        (folder / "left").touch()
        assert folder.parent == Path(tempfile.gettempdir())
    assert not folder.exists()
    assert os.environ.get("TMPDIR") == before
