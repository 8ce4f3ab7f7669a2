"""`./lab` before there is an environment. The real set-up is measured by `./lab bench run`."""

import ast
import errno
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lab_utils.files import ROOT

PARTS = ("lab", "requirements.lock", "pyproject.toml")


def load(path: Path) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("lab", str(path))
    spec = importlib.util.spec_from_loader("lab", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A folder with what the set-up needs, and nothing else."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for part in PARTS:
        shutil.copy(ROOT / part, folder)
    yield folder
    folder.chmod(0o755)


def start(checkout: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(checkout.parent),
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",  # nothing listens there
        "PIP_CONFIG_FILE": os.devnull,
    }
    return subprocess.run(
        [sys.executable, "lab", "doctor"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("[", "Setting up"))]
    assert done.returncode == 1
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("Error: ")
    assert "Traceback" not in done.stderr
    return lines[0]


def test_parses_on_pythons_that_are_too_old() -> None:
    ast.parse((ROOT / "lab").read_text(), feature_version=(3, 6))


def test_imports_only_the_standard_library() -> None:
    tree = ast.parse((ROOT / "lab").read_text())
    imported = {
        a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names
    }
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert imported <= sys.stdlib_module_names


def test_wrong_python_is_told_which_is_needed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = load(checkout / "lab")
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    monkeypatch.setenv("PATH", str(checkout))
    with pytest.raises(SystemExit, match=r"this is Python 3\.9; .* needs Python 3\.11, 3\.12 or"):
        lab.use_fitting_python()


def test_a_fitting_python_on_the_path_is_taken(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = load(checkout / "lab")
    fitting = checkout / "python3.12"
    fitting.write_text("#!/bin/sh\nexit 0\n")
    fitting.chmod(0o755)
    taken: list[list[str]] = []
    monkeypatch.setattr(sys, "version_info", (3, 14, 0, "final", 0))
    monkeypatch.setenv("PATH", f"{checkout}:/bin:/usr/bin")
    monkeypatch.setattr(shutil, "which", lambda n: str(fitting) if n == "python3.12" else None)
    monkeypatch.setattr(os, "execv", lambda path, argv: taken.append(argv) or sys.exit(0))
    with pytest.raises(SystemExit):
        lab.use_fitting_python()
    assert taken[0][:2] == [str(fitting), str(checkout / "lab")]


def test_no_network_is_one_sentence_and_leaves_nothing(checkout: Path) -> None:
    error = error_of(start(checkout))
    assert "could not be fetched" in error
    assert "see that the internet answers" in error
    assert sorted(p.name for p in checkout.iterdir()) == sorted(PARTS)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (errno.EROFS, "the file system is read-only; clone into a folder you may write to"),
        (errno.EACCES, "permission is denied; clone into a folder you may write to"),
        (errno.ENOSPC, "the disk is full; free some space"),
    ],
)
def test_a_place_that_cannot_be_written_is_one_sentence(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, cause: int, words: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(cause, os.strerror(cause))

    lab = load(checkout / "lab")
    monkeypatch.setattr(venv.EnvBuilder, "create", fail)
    with pytest.raises(lab.SetupError, match=words):
        lab.set_up()
    assert not (checkout / ".venv").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_read_only_checkout_is_one_sentence(checkout: Path) -> None:
    checkout.chmod(0o555)
    assert "permission is denied; clone into a folder you may write to" in error_of(start(checkout))
    assert sorted(p.name for p in checkout.iterdir()) == sorted(PARTS)


def test_full_disk_is_one_sentence(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = load(checkout / "lab")
    usage = shutil.disk_usage(checkout)._replace(free=3 * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(lab.SetupError, match=r"has 3\.0 GB free and the environment needs 8 GB"):
        lab.set_up()
    assert not (checkout / ".venv").exists()


def test_half_made_environment_is_finished(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = load(checkout / "lab")
    commands: list[list[str]] = []
    monkeypatch.setattr(lab, "run", lambda command, failed: commands.append(command))
    monkeypatch.setattr(lab, "install_uv", lambda: None)

    def syncs() -> list[list[str]]:
        return [c for c in commands if "sync" in c]

    lab.set_up()
    assert "--reinstall" not in syncs()[-1]
    assert lab.read(lab.STAMP) == lab.recipe()

    # Cut off in the middle: the mark is there, the stamp is not.
    os.remove(lab.STAMP)
    lab.write(lab.UNFINISHED, "")
    lab.set_up()
    assert "--reinstall" in syncs()[-1]
    assert lab.read(lab.STAMP) == lab.recipe()
    assert not os.path.exists(lab.UNFINISHED)


def test_an_unchanged_lock_starts_nothing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = load(checkout / "lab")
    Path(lab.VENV).mkdir()
    lab.write(lab.STAMP, lab.recipe())
    handed_over: list[list[str]] = []
    monkeypatch.setattr(subprocess, "call", lambda *_, **__: pytest.fail("a process was started"))
    monkeypatch.setattr(os, "execve", lambda path, argv, env: handed_over.append(argv))
    monkeypatch.setattr(sys, "argv", ["lab", "doctor"])
    lab.main()
    assert handed_over == [[lab.PYTHON, "-m", "lab_utils.cli.app", "doctor"]]


def test_a_changed_lock_is_noticed(checkout: Path) -> None:
    lab = load(checkout / "lab")
    before = lab.recipe()
    (checkout / "requirements.lock").write_text("six==1.17.0\n")
    assert lab.recipe() != before


def test_uv_is_fetched_with_its_hashes(checkout: Path) -> None:
    pins = load(checkout / "lab").uv_pins().splitlines()
    assert pins[0].startswith("uv==")
    assert all("--hash=sha256:" in line for line in pins[1:])
    assert len(pins) > 5
    assert not pins[-1].endswith("\\")
