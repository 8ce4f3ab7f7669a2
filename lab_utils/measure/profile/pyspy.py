"""py-spy: looks into a running Python process from outside, a hundred times a second.

    with pyspy.Recording(worker.pid) as recording:
        send_requests()
    recording.profile.top(3)

    pyspy.run([sys.executable, "program.py"])

It reads the other process's memory, so the process needs no change and need not be asked. By
default a thread that sleeps is left out of the samples; `idle=True` puts it in. The operating
system must permit the look: see `let_profilers_in` and the error's sentence.
"""

from __future__ import annotations

import ctypes
import math
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from lab_utils.errors import LabError
from lab_utils.measure.profile.result import Profile, Stack, positive, rows_of_stacks

RATE_HZ = 100
MAY_TAKE_S = 300.0
START_S = 20.0
STARTED = "Sampling process"
PR_SET_PTRACER = 0x59616D61
PR_SET_PTRACER_ANY = -1
BLIND_TO = (
    "the inside of a call into C: samples end at the Python line that made the call",
    "whatever is shorter than a few samples: with n samples a share of p is uncertain by "
    "about √(p (1 − p) / n)",
    "how often a function was called",
    "running against waiting for a core: both count as at work",
)
ASLEEP = "every thread that sleeps or waits for input (idle=True shows them)"
ALL_THREADS = "idle threads count beside busy ones: one second may hold several"


class Recording:
    """Samples of one process, between the `with` block's begin and end; then `profile`.

    pid: the process. idle: count sleeping threads, too. subprocesses: follow its children.
    rate_hz: samples a second. may_take_s: when py-spy gives up by itself.

    Raises LabError where py-spy is missing, where there is no such Python process, and where the
    operating system forbids the look.
    """

    def __init__(
        self,
        pid: int,
        *,
        idle: bool = False,
        subprocesses: bool = False,
        rate_hz: int = RATE_HZ,
        may_take_s: float = MAY_TAKE_S,
    ) -> None:
        positive("The sampling rate", rate_hz)
        positive("may_take_s", may_take_s)
        self._idle = idle
        self._rate_hz = rate_hz
        self._what = f"process {pid}"
        self._options = ["--pid", str(pid), "--duration", str(math.ceil(may_take_s))]
        self._options += ["--subprocesses"] if subprocesses else []
        self._profile: Profile | None = None

    @property
    def profile(self) -> Profile:
        """What was seen, once the `with` block has ended."""
        if self._profile is None:
            raise LabError("py-spy is still looking; ask for the profile after the `with` block.")
        return self._profile

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="inference-lab-pyspy-")
        self._log = Path(self._folder.name, "log")
        self._samples = Path(self._folder.name, "samples")
        command = _command(self._samples, self._idle, self._rate_hz) + self._options
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline_s = time.monotonic() + START_S
        try:
            while STARTED not in self._log.read_text():
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    raise LabError(_refusal(self._what, self._log.read_text()))
                time.sleep(0.01)
        except BaseException:
            self._end()
            raise
        self._start_s = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        elapsed_s = time.perf_counter() - self._start_s
        try:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)
            self._process.wait(START_S)
            if kind is None:
                text = _read(self._samples, self._what, self._log)
                self._profile = _profile(text, elapsed_s, self._idle, self._rate_hz)
        finally:
            self._end()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


def run(
    command: Sequence[str],
    *,
    idle: bool = False,
    rate_hz: int = RATE_HZ,
    may_take_s: float = MAY_TAKE_S,
) -> Profile:
    """Run a Python program to its end as py-spy's child, its children included.

    Needs no permission on machines where only a parent may look into a process.
    """
    positive("The sampling rate", rate_hz)
    if not command:
        raise LabError("No command was given; expected a Python program and its arguments.")
    with tempfile.TemporaryDirectory(prefix="inference-lab-pyspy-") as folder:
        samples, log = Path(folder, "samples"), Path(folder, "log")
        line = [*_command(samples, idle, rate_hz), "--subprocesses", "--", *command]
        start_s = time.perf_counter()
        with log.open("wb") as stream:
            try:
                subprocess.run(
                    line,
                    stdout=stream,
                    stderr=stream,
                    stdin=subprocess.DEVNULL,
                    timeout=may_take_s,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise LabError(
                    f"{command[0]} did not end in {may_take_s:g} s under py-spy; give it less to "
                    "do, or a larger may_take_s."
                ) from None
        elapsed_s = time.perf_counter() - start_s
        text = _read(samples, command[0], log)
    return _profile(text, elapsed_s, idle, rate_hz)


def let_profilers_in() -> None:
    """Let any process of this user look into this one, where only its parent might (Linux, Yama).

    Ubuntu sets `kernel.yama.ptrace_scope` to 1. A process may name an exception for itself:
    prctl(2), PR_SET_PTRACER. Without Yama the call does nothing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)


def parse(text: str, seconds_a_sample: float) -> dict[Stack, float]:
    """Stacks of py-spy's `--format raw`: "outer (file:1);inner (file:2) 17" a line."""
    stacks: dict[Stack, float] = defaultdict(float)
    for line in text.splitlines():
        names, _, count = line.rpartition(" ")
        if not names or not count.isdigit():
            raise LabError(
                f"py-spy wrote {line[:80]!r}; expected frames and a count, as --format raw gives."
            )
        stacks[tuple(names.split(";"))] += int(count) * seconds_a_sample
    return dict(stacks)


def _command(samples: Path, idle: bool, rate_hz: int) -> list[str]:
    program = Path(sys.executable).with_name("py-spy")
    if not program.is_file():
        raise LabError("py-spy is missing from this environment; ./lab installs it.")
    command = [str(program), "record", "--format", "raw", "--function", "--output", str(samples)]
    return [*command, "--rate", str(rate_hz), *(["--idle"] if idle else [])]


def _profile(text: str, elapsed_s: float, idle: bool, rate_hz: int) -> Profile:
    stacks = parse(text, 1 / rate_hz)
    return Profile(
        tool=f"{version()}, {rate_hz} samples a second",
        counts="time in all Python threads, asleep or not"
        if idle
        else "time at work in all Python threads; who sleeps is left out",
        rows=rows_of_stacks(stacks),
        blind_to=(*BLIND_TO, ALL_THREADS if idle else ASLEEP),
        elapsed_s=elapsed_s,
        stacks=stacks,
    )


def version() -> str:
    """py-spy's name and version."""
    program = Path(sys.executable).with_name("py-spy")
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    return said.stdout.strip()


def _read(samples: Path, what: str, log: Path) -> str:
    try:
        return samples.read_text()
    except FileNotFoundError:
        raise LabError(_refusal(what, log.read_text())) from None


def _refusal(what: str, log: str) -> str:
    """Why py-spy did not begin, and what to do."""
    if re.search(r"permission|not permitted|denied", log, re.IGNORECASE):
        return (
            f"The operating system does not let py-spy look into {what}: call "
            "pyspy.let_profilers_in() in that process, start it with pyspy.run, or give the "
            "container the right (docker run --cap-add SYS_PTRACE)."
        )
    said = " ".join(log.split()) or "nothing"
    return f"py-spy could not look into {what}, which should be a running Python process: {said}"
