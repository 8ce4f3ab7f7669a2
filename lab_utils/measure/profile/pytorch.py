"""PyTorch Profiler: every operator, the Python lines that led to it, and the memory it took.

    profile = pytorch.profile(lambda: service.answer(jpeg), trace=Path("request.json.gz"))
    profile.grouped(pytorch.operator)

Stacks need `_ExperimentalConfig(verbose=True)`: without it PyTorch leaves them empty and says
nothing. A trace is in Chrome's Trace Event Format, for Perfetto (ui.perfetto.dev) or TensorBoard.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from lab_utils.errors import LabError
from lab_utils.measure.profile.result import Profile, Row, Stack, largest_first, rows_of_stacks

BLIND_TO = (
    "time outside Python and PyTorch's operators: other libraries written in C are one row",
    "other processes, and threads without an operator",
    "working against waiting: the clock runs while a call sleeps",
    "the inside of an operator: which instructions, which caches",
)
NO_STACKS = "plain Python: without stacks only operators have rows"
PYTHON = re.compile(r"(?P<file>.+)\((?P<line>\d+)\): (?P<function>.+)")
BUILT_IN = re.compile(r"<built-in (?:method|function) (?P<name>\S+)(?: of (?P<owner>.+?))?>")
WORK = "inference-lab: the work"
OWN_FILES = ("torch/profiler/", "torch/autograd/profiler.py")
os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # its C++ library writes notices into the page


def profile(
    work: Callable[[], object],
    *,
    stacks: bool = True,
    memory: bool = True,
    trace: Path | None = None,
) -> Profile:
    """Run `work` once under PyTorch Profiler.

    stacks: record Python's calls, too. memory: what each operator allocates less what it frees.
    trace: a file whose name ends in .json or .json.gz; `tensorboard_trace` gives TensorBoard's.
    """
    if trace is not None and not trace.name.endswith((".json", ".json.gz")):
        raise LabError(f"The trace is to be {trace.name}; expected a name in .json or .json.gz.")
    with profiler(stacks=stacks, memory=memory) as recorder:
        start_s = time.perf_counter()
        with torch.profiler.record_function(WORK):
            work()
        elapsed_s = time.perf_counter() - start_s
    if trace is not None:
        trace.parent.mkdir(parents=True, exist_ok=True)
        recorder.export_chrome_trace(str(trace))
    found, calls, memory_bytes = _read(recorder.events())
    rows = (
        Row(r.name, r.self_s, r.total_s, calls[r.name], memory_bytes[r.name] if memory else None)
        for r in rows_of_stacks(found)
    )
    return Profile(
        tool=f"PyTorch Profiler {torch.__version__}",
        counts="wall-clock time of operators" + (" and Python functions" if stacks else ""),
        rows=largest_first(rows),
        blind_to=BLIND_TO if stacks else (*BLIND_TO, NO_STACKS),
        elapsed_s=elapsed_s,
        stacks=found,
        trace=trace,
    )


def profiler(*, stacks: bool = True, memory: bool = True) -> torch.profiler.profile:
    """PyTorch's own object, set so that stacks are not empty and a GPU is recorded where it is."""
    config = torch._C._profiler._ExperimentalConfig(verbose=True) if stacks else None
    activities = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    return torch.profiler.profile(
        activities=activities,
        record_shapes=True,
        profile_memory=memory,
        with_stack=stacks,
        experimental_config=config,
    )


def tensorboard_trace(folder: Path, run: str) -> Path:
    """Where TensorBoard's PyTorch plugin finds a trace of `run`: HOST_PID.TIME.pt.trace.json.gz."""
    file = f"{socket.gethostname()}_{os.getpid()}.{time.time_ns()}.pt.trace.json.gz"
    return folder / run / file


def operator(name: str) -> str:
    """For `Profile.grouped`: operators keep their name, all of Python is one row.

    >>> operator("aten::add_"), operator("forward (modules/conv.py:564)")
    ('aten::add_', 'Python')
    """
    return name if "::" in name and " " not in name else "Python"


def _read(events: Any) -> tuple[dict[Stack, float], dict[str, int], dict[str, int]]:
    """Self seconds by stack; calls and net bytes by name.

    The profiler's own calls are left out, and what other threads than the work's did in Python:
    in a notebook they wait for messages.
    """
    here = {event.thread for event in events if event.name == WORK}
    stacks: dict[Stack, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    memory_bytes: dict[str, int] = defaultdict(int)
    for event in events:
        if event.device_type.name != "CPU":
            continue
        names = []
        at = event
        while at is not None:
            names.append(at.name)
            at = at.cpu_parent
        if any(own in name for name in names for own in OWN_FILES):
            continue
        if event.thread not in here and "::" not in event.name:
            continue
        stack = tuple(_frame(name) for name in reversed(names) if name != WORK)
        if not stack or event.name == WORK:
            continue
        stacks[stack] += max(event.self_cpu_time_total, 0.0) / 1e6
        calls[stack[-1]] += 1
        memory_bytes[stack[-1]] += event.self_cpu_memory_usage
    return dict(stacks), calls, memory_bytes


def _frame(name: str) -> str:
    """PyTorch's names as the other profilers write them."""
    if found := PYTHON.fullmatch(name):
        path = "/".join(Path(found["file"]).parts[-2:])
        return f"{found['function']} ({path}:{found['line']})"
    if found := BUILT_IN.fullmatch(name):
        owner = (found["owner"] or "").split(" object at")[0]
        of_torch = owner.startswith(("type", "pybind11", "PyCapsule")) or not owner
        return f"{found['name'] if of_torch else owner + '.' + found['name']} (built-in)"
    return name
