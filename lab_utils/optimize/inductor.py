"""PyTorch's code generator: a cache of its own, and what it asks of the C++ compiler.

    checks = compiler_checks()      # asked once on a machine, then kept
    checks.duration_s               # what that took: seconds that hide in somebody's first load
    with fresh_cache():
        torch.compile(…)

Before it writes or loads any code Inductor finds out which vector instructions the compiler knows,
by compiling small programs (`torch/_inductor/cpu_vec_isa.py`). It keeps them in its cache, so every
empty cache pays for them again, even where a finished package is only loaded.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from lab_utils.files import cache_folder, write_json
from lab_utils.machine.facts import facts, versions

CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


@dataclass(frozen=True)
class CompilerChecks:
    """programs: compiled to find the instruction sets. duration_s: what that took, in all."""

    programs: int
    duration_s: float


def compiler_checks() -> CompilerChecks:
    """Made in this process's first call, from the programs that an earlier one has compiled.

    The figures are of the call that compiled them.
    """
    from torch._inductor import cpu_vec_isa

    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # "no GPU", each time
    folder = _kept_folder()
    said = folder / "checks.json"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"), _set(CACHE_VARIABLE, str(folder)):
        start_s = time.perf_counter()
        cpu_vec_isa.pick_vec_isa()
        if not said.exists():
            duration_s = time.perf_counter() - start_s
            programs = len(list(folder.rglob("*.so")))
            write_json(said, asdict(CompilerChecks(programs, round(duration_s, 3))))
        return CompilerChecks(**json.loads(said.read_text()))


@contextmanager
def fresh_cache() -> Iterator[None]:
    """An empty cache, gone afterwards; what was asked of the compiler stays known."""
    from torch._inductor import utils

    compiler_checks()
    with utils.fresh_cache():
        yield


@contextmanager
def temporary_folder() -> Iterator[None]:
    """For what a library unpacks into the machine's temporary folder, and leaves there."""
    with tempfile.TemporaryDirectory() as folder, _set("TMPDIR", folder):
        yield


def _kept_folder() -> Path:
    of = "-".join([*versions(["torch"]).values(), *facts().instruction_sets])
    return cache_folder() / "inductor" / of


@contextmanager
def _set(variable: str, value: str) -> Iterator[None]:
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before
