"""What this machine is: a report states it beside every figure, `./lab doctor` prints it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import psutil

from lab_utils.machine.cores import available_cores

INSTRUCTION_SETS = {
    "AVX2": "avx2",
    "AVX-VNNI": "avx_vnni",
    "AVX-512": "avx512f",
    "AVX512-VNNI": "avx512_vnni",
    "AVX512-BF16": "avx512_bf16",
    "AMX-INT8": "amx_int8",
    "AMX-BF16": "amx_bf16",
}
"""The ones that decide how fast a model runs, and their names in /proc/cpuinfo."""

PACKAGES = (
    "torch",
    "torchvision",
    "onnxruntime-gpu",
    "onnxruntime",
    "openvino",
    "numpy",
    "flask",
    "gunicorn",
    "jupyterlab",
    "papermill",
)
GPU_QUERY = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]


@dataclass(frozen=True)
class Facts:
    """The machine, as far as it matters to a figure."""

    processor: str
    cores: int
    memory_gb: float
    instruction_sets: tuple[str, ...]
    gpu: str | None
    system: str
    python: str

    @property
    def multiplies_int8(self) -> bool:
        """Whether one instruction multiplies 8-bit integers and adds them up (VNNI, AMX)."""
        return any("VNNI" in name or "INT8" in name for name in self.instruction_sets)

    def as_dict(self) -> dict[str, object]:
        """As it stands in a report."""
        return asdict(self)


@cache
def facts() -> Facts:
    """This machine; nothing is measured and nothing heavy imported, so it takes milliseconds."""
    flags = _processor_flags()
    return Facts(
        processor=_processor_name(),
        cores=available_cores(),
        memory_gb=round(memory_bytes() / 1e9, 1),
        instruction_sets=tuple(n for n, flag in INSTRUCTION_SETS.items() if flag in flags),
        gpu=_gpu(),
        system=_system(),
        python=platform.python_version(),
    )


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """The installed versions of the packages on which figures depend; absent ones are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def memory_bytes() -> int:
    """Memory this process may use: the machine's, or its container's limit where that is less."""
    total: int = psutil.virtual_memory().total
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # no container, or "max"
        return total
    return min(total, limit)


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def _processor_name() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _processor_flags() -> set[str]:
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    return set(found[1].split()) if found else set()


def _gpu() -> str | None:
    """The first GPU that its driver reports, or None."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, *GPU_QUERY], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = answer.stdout.strip().splitlines()
    return lines[0] if lines else None


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return f"{name}, {os.uname().machine}"
