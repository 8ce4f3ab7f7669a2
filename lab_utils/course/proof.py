"""The proof that everything holds: what `./lab test` runs, step by step."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from lab_utils.course import deterministic
from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.machine.cores import available_cores, thread_environment

SOURCES = ["lab_utils", "tests", "curriculum", "lab"]
BYTES_A_PROCESS = 2e9
SLOWEST = 15
"""Tests whose durations are printed."""
MOST_PROCESSES = 8
"""More would end no sooner: they would wait for the longest module."""


@dataclass(frozen=True)
class Step:
    """One part of the proof; `run` gives an exit status and prints as it goes."""

    name: str
    title: str
    run: Callable[[], int]


@dataclass(frozen=True)
class Outcome:
    """How a step went."""

    step: Step
    passed: bool
    duration_s: float


def steps() -> tuple[Step, ...]:
    """All of them, the quick ones first."""
    return (
        Step("build", "notebooks are what their sources give", _lab("build", "--check")),
        Step("style", "ruff and mypy are clean", _style),
        Step("unit", "unit tests; every blank lab fails, every solution passes", _pytest),
        Step("run", "every lesson and solution runs headless", _lab("run", "--scale", "ci")),
        Step("nbval", "deterministic outputs are the same on plain kernels", _nbval),
    )


def prove(names: Sequence[str], announce: Callable[[Step], None]) -> list[Outcome]:
    """Run the named steps (none: all), each whatever became of the others.

    Raises LabError for an unknown name.
    """
    known = {step.name: step for step in steps()}
    for name in names:
        if name not in known:
            raise LabError(f"There is no step {name!r}; expected one of {', '.join(known)}.")
    outcomes = []
    for step in known.values():
        if names and step.name not in names:
            continue
        announce(step)
        start = time.monotonic()
        passed = step.run() == 0
        outcomes.append(Outcome(step, passed, time.monotonic() - start))
    return outcomes


def _call(*command: str, environment: Mapping[str, str] | None = None) -> int:
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _lab(*arguments: str) -> Callable[[], int]:
    return lambda: _call(sys.executable, "-m", "lab_utils.cli.app", *arguments)


def _style() -> int:
    python = [sys.executable, "-m"]
    return max(
        _call(*python, "ruff", "check", "--quiet", *SOURCES),
        _call(*python, "ruff", "format", "--check", "--quiet", *SOURCES),
        _call(*python, "mypy", "--no-error-summary"),
    )


def _pytest() -> int:
    """Tests that measure nothing run side by side, a module in one process; then the others."""
    pytest = [sys.executable, "-m", "pytest", "--durations", str(SLOWEST)]
    beside = ["-m", "not gpu and not alone", "-n", str(_processes()), "--dist", "loadscope"]
    # As they are collected, doctests last: by their number of tests, minutes of one would be last.
    beside.append("--no-loadscope-reorder")
    # One compute thread a process: more would fight over the cores.
    return max(
        _call(*pytest, "tests", "lab_utils", *beside, environment=thread_environment(1)),
        _call(*pytest, "tests", "-m", "alone and not gpu"),
    )


def _processes() -> int:
    """For tests: three for two cores, as far as there is memory for them.

    Many a test waits (for a server's start, a scrape, a limit that is reached): of the tests of
    `components`, one process leaves its core idle for half of the time.
    """
    fitting = int(psutil.virtual_memory().available // BYTES_A_PROCESS)
    return max(1, min(3 * available_cores() // 2, MOST_PROCESSES, fitting))


def _nbval() -> int:
    executed = sorted((ROOT / "report" / "notebooks").rglob("*.ipynb"))
    if not executed:
        raise LabError("No executed notebooks are in report/; run ./lab run first.")
    return deterministic.compare([Path(path) for path in executed])
