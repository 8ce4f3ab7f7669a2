"""A process that sees little, changes nothing and reaches nobody: bubblewrap, where it works.

    if not refusal():
        command = Sandbox(writable=(folder,)).command([sys.executable, "-m", …])

Inside: this Python, the package, its data and cached models, read-only; a private /tmp of limited
size; no network, no other process, no capability, no namespaces of its own, none of the
`system_calls` that reach past all that. Whatever is not named is not there: no home, no course
sources, no other answers. An open socket that the process inherits goes on working, so a service
can be reached without having a network.

bubblewrap needs user namespaces, which some hosts forbid; `refusal` says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab_utils.components import system_calls
from lab_utils.errors import LabError
from lab_utils.files import ROOT, cache_folder

PROGRAM = "bwrap"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = ("alternatives", "fonts", "ld.so.cache", "localtime", "mime.types", "nsswitch.conf",
            "passwd", "group", "ssl")  # fmt: skip
"""What of /etc is there: hardly any, since a grader who is root could read all of it."""
PROCESSOR = ("/sys/devices/system", "/sys/fs/cgroup")
"""Where libraries look up cores and caches."""
KERNEL = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/pressure")
"""Settings of the whole machine, which root may write whatever capabilities it has given up."""
PRIVATE = ("/tmp", "/dev/shm")
"""Writable inside, empty at the start, gone at the end."""
PRIVATE_BYTES = 2**30
FILE_BYTES = 2**30
MEMORY_BYTES = 8 * 2**30
FILES = 4096
"""Open at the same time: each socket and pipe holds memory of the kernel's."""
WITH_FILTER = (
    "limits=$1; shift; for n in 9 8 7 6 5 4 3; do [ -e /proc/self/fd/$n ] || break; done; "
    f'eval "exec prlimit $limits {PROGRAM} --seccomp $n \\"\\$@\\" $n<\\"\\$0\\""'
)
"""Opens the filter on a descriptor that the process has not inherited, and hands it over."""
VARIABLES = ("PATH", "LANG", "LC_", "OMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "KMP_", "CUDA_",
             "NVIDIA_", "LD_LIBRARY_PATH", "PYTHON", "PYTORCH_", "ONEDNN_",
             "INFERENCE_LAB_ANSWER", "INFERENCE_LAB_GRADING", "INFERENCE_LAB_PRELOAD",
             "INFERENCE_LAB_WEIGHTS", "GUNICORN_")  # fmt: skip
"""Beginnings of the names that pass: an environment also holds keys and passwords."""


@dataclass(frozen=True)
class Sandbox:
    """What a process gets besides what all get.

    readable, writable: files and folders of the host, at the same paths. first: it is the first
    process of its own process tree, so that no other in there can kill it, and all end with it.
    """

    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    first: bool = False

    def command(self, inner: Sequence[str]) -> list[str]:
        """The command that runs `inner` in this sandbox. Its limits hold for each process.

        Raises LabError where a link stands in the place of a writable folder: what it leads to
        would be writable inside.
        """
        limits = ["--core=0", f"--fsize={FILE_BYTES}", f"--data={MEMORY_BYTES}"]
        limits += [f"--nofile={FILES}"]
        rest = [*self._arguments(), "--", *inner]
        refused = system_calls.filter_file()
        if refused is None:
            return ["prlimit", *limits, PROGRAM, *rest]
        return ["sh", "-c", WITH_FILTER, str(refused), " ".join(limits), *rest]

    def _arguments(self) -> list[str]:
        arguments = ["--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
        arguments += ["--as-pid-1"] if self.first else []
        for shown in (*SYSTEM, *(f"/etc/{name}" for name in SETTINGS), *PROCESSOR):
            arguments += ["--ro-bind-try", shown, shown]
        arguments += ["--proc", "/proc", "--dev", "/dev"]
        for setting in KERNEL:
            arguments += ["--ro-bind-try", setting, setting]
        for gpu in sorted(Path("/dev").glob("nvidia*")):
            arguments += ["--dev-bind", str(gpu), str(gpu)]
        for private in PRIVATE:
            arguments += ["--size", str(PRIVATE_BYTES), "--tmpfs", private]
        for path in (*_python(), *self.readable):
            arguments += ["--ro-bind", str(path), str(path)]
        for path in self.writable:
            if path.is_symlink():
                raise LabError(f"{path} is a link; expected a folder that may be written to.")
            arguments += ["--bind", str(path), str(path)]
        return [*arguments, "--remount-ro", "/dev", "--chdir", PRIVATE[0]]

    @staticmethod
    def environment(given: Mapping[str, str]) -> dict[str, str]:
        """Those of the variables that may be seen inside, and the homes that are there."""
        passed = {name: value for name, value in given.items() if name.startswith(VARIABLES)}
        homes = {"HOME": PRIVATE[0], "TMPDIR": PRIVATE[0], "TORCH_HOME": str(_torch_home())}
        return passed | homes | {"INFERENCE_LAB_CACHE": str(cache_folder())}


@cache
def refusal() -> str:
    """Why there is no sandbox here, as a clause; empty where there is one."""
    if sys.platform != "linux":
        return f"bubblewrap needs Linux, this is {sys.platform}"
    for program, package in ((PROGRAM, "bubblewrap"), ("prlimit", "util-linux")):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian: apt install {package})"
    tried = subprocess.run(Sandbox().command(["true"]), capture_output=True, text=True, timeout=20)
    if tried.returncode:
        said = (tried.stderr.strip().splitlines() or ["it says nothing"])[-1]
        return f"this host does not let bubblewrap work ({said})"
    return ""


def _python() -> list[Path]:
    """Where this interpreter, its packages, the course's package, data and models are."""
    folders = {Path(folder) for folder in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    folders |= {folder.resolve() for folder in folders}
    folders |= {ROOT / "lab_utils", ROOT / "data", cache_folder(), _torch_home()}
    return sorted(folder for folder in folders if folder.is_dir() and not _is_system(folder))


def _is_system(folder: Path) -> bool:
    return any(folder.is_relative_to(path) for path in SYSTEM)


def _torch_home() -> Path:
    """Where torch.hub keeps weights; said here without importing torch."""
    caches = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME", Path(caches) / "torch"))
