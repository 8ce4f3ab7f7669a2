"""Environments made from a tiny package in a folder: no network is needed, or asked."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab_utils.components import environments
from lab_utils.components.environments import ENVIRONMENTS, Environment
from lab_utils.components.process import Process
from lab_utils.course.lock import pins
from lab_utils.errors import LabError

NOBODY_LISTENS = "http://127.0.0.1:9/simple"
WHEEL = "lab_sample-1.0-py3-none-any.whl"


def write_wheel(folder: Path) -> str:
    """A package of one module; gives the digest of its wheel."""
    info = "lab_sample-1.0.dist-info"
    files = {
        "lab_sample.py": "ANSWER = 42\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: lab-sample\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return hashlib.sha256((folder / WHEEL).read_bytes()).hexdigest()


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The environment "sample", whose package lies in a folder."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    digest = write_wheel(wheels)
    monkeypatch.setattr(environments, "LOCKS", tmp_path)
    monkeypatch.setitem(ENVIRONMENTS, "sample", Environment("sample", "Sample", 1, 1))
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    ENVIRONMENTS["sample"].lock.write_text(f"lab-sample==1.0 \\\n    --hash=sha256:{digest}\n")
    return ENVIRONMENTS["sample"]


def nothing_left(environment: Environment) -> bool:
    """Neither the environment nor the half of one."""
    return [p.suffix for p in environment.folder.parent.iterdir()] == [".lock"]


def count_uv(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []
    real = environments._uv

    def counted(environment: Environment, arguments: list[str]) -> None:
        calls.append(arguments)
        real(environment, arguments)

    monkeypatch.setattr(environments, "_uv", counted)
    return calls


def test_an_environment_is_made_once_and_holds_its_package(
    sample: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = count_uv(monkeypatch)
    assert not environments.made("sample")
    python = environments.python("sample")
    assert environments.made("sample")
    assert [call[0] for call in calls] == ["venv", "pip"]
    assert environments.python("sample") == python
    assert len(calls) == 2

    script = tmp_path / "script.py"
    script.write_text("import lab_sample, sys\nprint(lab_sample.ANSWER, sys.argv[1])\n")
    command = environments.command("sample", script, 7)
    assert subprocess.check_output(command, text=True) == "42 7\n"
    assert len(calls) == 2


def test_code_inside_sees_neither_the_course_nor_its_own_folder(
    sample: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(environments.__file__).parents[3]))
    script = tmp_path / "script.py"
    script.write_text(
        "import importlib.util as u\n"
        "print([n for n in ('lab_utils', 'numpy', 'beside') if u.find_spec(n)], flush=True)\n"
        "input()\n"
    )
    (tmp_path / "beside.py").write_text("")
    command = environments.command("sample", script)
    with Process("Sample", command, ready=lambda: True) as process:
        while not process.log():
            time.sleep(0.01)
        assert process.log().startswith("[]\n")


def test_its_progress_is_shown_only_when_it_is_made(sample: Environment) -> None:
    shown = []

    @contextmanager
    def waiting(label: str, about_s: float) -> Iterator[None]:
        shown.append((label, about_s))
        yield

    for _ in range(2):
        environments.python("sample", waiting)
    assert shown == [("Environment of Sample, once", 1)]


def test_two_that_ask_at_once_install_once(
    sample: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count_uv(monkeypatch)
    threads = [threading.Thread(target=environments.python, args=["sample"]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert environments.made("sample")
    assert len(calls) == 2


KILLED_WHILE_INSTALLING = """
import os, sys
from pathlib import Path
from lab_utils.components import environments
environments.LOCKS = Path(sys.argv[1])
environments.ENVIRONMENTS["sample"] = environments.Environment("sample", "Sample", 1, 1)
real = environments._uv
def stops_halfway(environment, arguments):
    if arguments[0] == "pip":
        print("installing", flush=True)
        sys.stdin.read()
    real(environment, arguments)
environments._uv = stops_halfway
environments.python("sample")
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_installation_is_not_used_and_is_repaired(
    sample: Environment, tmp_path: Path, signum: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_WHILE_INSTALLING, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "installing\n"
    process.send_signal(signum)
    process.communicate()
    assert not environments.made("sample")
    python = environments.python("sample")
    assert subprocess.check_output([str(python), "-c", "import lab_sample"]) == b""
    assert sorted(p.name for p in python.parents[2].iterdir()) == sorted(
        [sample.folder.name, f"{sample.folder.name}.lock"]
    )


def test_another_file_than_the_lock_names_is_refused(sample: Environment) -> None:
    sample.lock.write_text(f"lab-sample==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    with pytest.raises(LabError, match=r"lab-sample==1\.0 is not the file that sample\.lock names"):
        environments.python("sample")
    assert nothing_left(sample)


def test_a_package_without_a_hash_is_refused(sample: Environment) -> None:
    sample.lock.write_text("lab-sample==1.0\n")
    with pytest.raises(LabError, match="hash"):
        environments.python("sample")
    assert nothing_left(sample)


def test_a_registry_that_does_not_answer_is_one_sentence_with_a_way_out(
    sample: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.delenv("UV_FIND_LINKS")
    monkeypatch.setenv("UV_DEFAULT_INDEX", NOBODY_LISTENS)
    with pytest.raises(LabError) as raised:
        environments.python("sample")
    said = str(raised.value)
    assert "\n" not in said
    assert "The environment of Sample could not be made: its packages could not be fetched" in said
    assert "Connection refused" in said
    assert said.endswith(environments.WAYS_OUT)
    assert nothing_left(sample)


def test_a_full_disk_is_said_with_what_is_needed(
    sample: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uv = tmp_path / "uv-on-a-full-disk"
    uv.write_text("#!/bin/sh\necho 'error: No space left on device (os error 28)' >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setattr(environments, "UV", uv)
    with pytest.raises(LabError, match=r"the disk is full; free 1 MB, or set INFERENCE_LAB_CACHE"):
        environments.python("sample")


def test_a_cache_that_cannot_be_written_is_said_with_a_way_out(
    sample: Environment, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(LabError, match=r"could not be made in .*Set INFERENCE_LAB_CACHE to a "):
        environments.python("sample")


def test_an_environment_whose_python_is_gone_is_made_again(sample: Environment) -> None:
    python = environments.python("sample")
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert not environments.made("sample")
    assert os.path.samefile(environments.python("sample"), Path(sys.executable).resolve())


def test_another_lock_is_another_environment(sample: Environment) -> None:
    before = sample.folder
    sample.lock.write_text("# changed\n" + sample.lock.read_text())
    assert sample.folder != before


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LabError, match=r"'no-such'; expected one of triton, .*tvm, "):
        environments.python("no-such")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_lock_is_pinned_and_hashed_and_names_no_index(name: str) -> None:
    environment = ENVIRONMENTS[name]
    text = environment.lock.read_text()
    assert text.startswith(f"# Made by ./lab lock from {name}.in")
    assert len(pins(text)) == len(re.findall(r"^\S+==", text, re.MULTILINE)) > 0
    assert all(line.endswith("\\") for line in re.findall(r"^\S+==.*$", text, re.MULTILINE))
    assert not re.search(
        r"https?://|file://|index-url|find-links", text + environment.source.read_text()
    )


def test_every_lock_belongs_to_an_environment() -> None:
    """A lock that nothing names would never be renewed."""
    locks = {path.stem for path in environments.LOCKS.glob("*.lock")}
    assert locks == {path.stem for path in environments.LOCKS.glob("*.in")} == set(ENVIRONMENTS)
