"""A process that has imported torch, and forks one worker for each answer.

Importing torch takes seconds; a fork takes milliseconds. This process only imports: it runs no
operation, so it holds no thread pool that a fork would break. Started by `workers.py`:

    python -m lab_utils.grade.forkserver CONTROL_FD

Each message on the control socket names a folder to work in and comes with one end of a socket
pair; it is answered with the pid of the worker that now holds it. The end of the control socket
ends this process and its workers.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import socket
import sys

import psutil

from lab_utils.grade.answer import load
from lab_utils.grade.session import Session

PRELOAD = (
    "torch",
    "torchvision",
    "PIL.Image",
    "lab_utils.models.resnet",
    "lab_utils.grade.notebook",
)
READY = "workers ready"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> None:
    """Import, then fork on demand until the grader has gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # What an answer's process leaves behind becomes a child of this one, so it can be found.
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for name in PRELOAD:
        importlib.import_module(name)
    print(READY, flush=True)
    try:
        while True:
            folder, descriptors, _, _ = socket.recv_fds(control, 4096, 1)
            if not folder:
                return
            reap()
            pid = os.fork()
            if pid == 0:
                control.close()
                run_worker(descriptors[0], folder)
            os.close(descriptors[0])
            control.sendall(pid.to_bytes(8, "big"))
    finally:
        end_descendants(os.getpid())


def run_worker(descriptor: int, folder: bytes) -> None:
    """Be the worker: answer the grader's calls, then end without any clean-up."""
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.chdir(folder)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        session = Session(socket.socket(fileno=descriptor))
        session.export(load)  # number 0, the only one there is at first
        session.serve()
    finally:
        os._exit(0)


def reap() -> None:
    """Collect children that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_descendants(pid: int) -> None:
    """Kill everything that descends from a process, also what is started meanwhile."""
    for _ in range(50):
        try:
            left = psutil.Process(pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return
        left = [process for process in left if _runs(process)]
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process.kill()
        psutil.wait_procs(left, timeout=0.1)


def prctl(option: int, value: int) -> None:
    """Linux's prctl; does nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    main()
