"""Components whose packages do not fit beside the course's: each has an environment of its own.

    command = environments.command("tvm", WORKER, "--threads", "2")     # made on first use
    with Process("TVM", command, ready=…): …

`NAME.in` names a component's direct packages, `NAME.lock` all of them with versions and hashes
(`./lab lock` makes it). An environment is installed from its lock in the cache folder, beside its
place, and moved into it when it is whole; its name holds the digest of its lock and of the Python,
so another lock is another environment.

What runs in such an environment is one file, started by its path. It sees the standard library and
its own packages, and never `lab_utils`: the base environment's versions of anything would be the
wrong ones. The two sides talk through a pipe or a port, in JSON.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from lab_utils.command import completed
from lab_utils.errors import LabError
from lab_utils.files import cache_folder

LOCKS = Path(__file__).parent
UV = Path(sys.executable).with_name("uv")
PATIENCE = {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "1"}
"""Offline shall be said after seconds, not minutes; a learner's own settings win."""
MOST_S = 1800.0
LEAD = re.compile(r"^[\W_]*(error|hint|cause|caused by)?: ", re.IGNORECASE)
WAYS_OUT = "Connect to the internet and try again; on a network with a proxy, set HTTPS_PROXY."

Waiting = Callable[[str, float], AbstractContextManager[None]]
"""Shows a step of about so many seconds (`show.progress.waiting`)."""


@dataclass(frozen=True)
class Environment:
    """title: what messages call it. size_mb: on disk. about_s: to fetch and install."""

    name: str
    title: str
    size_mb: int
    about_s: float

    @property
    def source(self) -> Path:
        """The direct packages, as a person writes them."""
        return LOCKS / f"{self.name}.in"

    @property
    def lock(self) -> Path:
        """All packages, with versions and hashes."""
        return LOCKS / f"{self.name}.lock"

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        digest = hashlib.sha256(self.lock.read_bytes())
        digest.update(f"{sys.version} {sys.base_prefix}".encode())
        return cache_folder() / "environments" / f"{self.name}-{digest.hexdigest()[:16]}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"


def silently(label: str, about_s: float) -> AbstractContextManager[None]:
    """A `Waiting` that shows nothing."""
    return nullcontext()


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment("triton", "NVIDIA Triton Inference Server", size_mb=600, about_s=30),
        Environment("feast", "Feast", size_mb=570, about_s=20),
        Environment("mlflow", "MLflow", size_mb=300, about_s=15),
        Environment("chaos", "Chaos Toolkit", size_mb=30, about_s=5),
        Environment("mlserver", "MLServer", size_mb=400, about_s=20),
        Environment("kserve", "the KServe runtime", size_mb=400, about_s=20),
        Environment("envoy", "Envoy", size_mb=100, about_s=5),
        Environment("tvm", "Apache TVM", size_mb=370, about_s=15),
        Environment("tvm_tuning", "Apache TVM's tuner", size_mb=500, about_s=20),
    )
}


def made(name: str) -> bool:
    """Whether the environment is there already; nothing is run."""
    return _environment(name).python.exists()  # follows the link to the Python beneath


def python(name: str, waiting: Waiting = silently) -> Path:
    """The environment's interpreter; the environment is made where it is not there yet.

    Two processes that ask at once do not make it twice. Raises LabError, in one sentence, where
    its packages cannot be had or are not the ones that the lock names.
    """
    environment = _environment(name)
    if environment.python.exists():
        return environment.python
    try:
        environment.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{environment.folder}.lock"):
            if not environment.python.exists():
                with waiting(f"Environment of {environment.title}, once", environment.about_s):
                    _make(environment)
    except OSError as error:
        raise LabError(
            f"The environment of {environment.title} could not be made in "
            f"{environment.folder.parent}: {error.strerror or error}. Set INFERENCE_LAB_CACHE to a "
            "folder that you may write to."
        ) from None
    return environment.python


def packages(interpreter: Path) -> Path:
    """The folder of the packages beside an environment's interpreter, for programs they carry."""
    return next((interpreter.parent.parent / "lib").glob("python3.*")) / "site-packages"


def get(name: str) -> str:
    """How to make the environment before it is needed, for the catalogue."""
    environment = _environment(name)
    return (
        f"made on first use (about {environment.size_mb} MB); before going offline: "
        f".venv/bin/python -m {__name__} {name}"
    )


def command(
    name: str,
    script: Path,
    *arguments: object,
    waiting: Waiting = silently,
) -> list[str]:
    """The command that runs a file in the environment, which is made where it is not there yet.

    Isolated (`-I`): neither this process's PYTHON… variables nor the file's folder are looked at.
    """
    return [str(python(name, waiting)), "-I", str(script), *map(str, arguments)]


def _environment(name: str) -> Environment:
    if name not in ENVIRONMENTS:
        raise LabError(f"The environment is {name!r}; expected one of {', '.join(ENVIRONMENTS)}.")
    return ENVIRONMENTS[name]


def _make(environment: Environment) -> None:
    """Install beside the place, then move: only a whole environment has the name."""
    folder = environment.folder
    beside = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(beside, ignore_errors=True)  # left by a process that was killed
    shutil.rmtree(folder, ignore_errors=True)  # its Python is gone, or it would not be made again
    venv = ["venv", "--quiet", "--no-project", "--relocatable", "--python", sys.executable]
    sync = ["pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"]
    try:
        _uv(environment, [*venv, str(beside)])
        _uv(environment, [*sync, "--python", str(beside / "bin" / "python"), str(environment.lock)])
        os.replace(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _uv(environment: Environment, arguments: list[str]) -> None:
    done = completed(
        [str(UV), *arguments],
        limit_s=MOST_S,
        late=f"The environment of {environment.title} was not made in {MOST_S / 60:.0f} minutes. "
        f"{WAYS_OUT}",
        environment=PATIENCE | os.environ | {"UV_NO_WRAP": "1"},  # whole lines, for `_explain`
    )
    if done.returncode:
        raise LabError(_explain(environment, done.stderr))


def _explain(environment: Environment, said: str) -> str:
    failed = f"The environment of {environment.title} could not be made"
    if "Hash mismatch" in said:
        package = re.search(r"Hash mismatch for `([^`]+)`", said)
        return (
            f"{failed}: {package[1] if package else 'a package'} is not the file that "
            f"{environment.lock.name} names, so it was not installed. Nothing on this machine is "
            "wrong: tell whoever runs your package mirror, or use another one."
        )
    if "No space left" in said or "os error 28" in said:
        return (
            f"{failed}: the disk is full; free {environment.size_mb} MB, or set "
            "INFERENCE_LAB_CACHE to a folder on another disk."
        )
    # uv prints a chain of causes; the last is the one that a person can do something about.
    lines = [LEAD.sub("", line).strip() for line in said.splitlines()]
    reason = next((line for line in reversed(lines) if line), "uv said nothing").rstrip(".")
    return f"{failed}: its packages could not be fetched ({reason[:300]}). {WAYS_OUT}"
