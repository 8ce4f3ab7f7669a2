"""The process that kernels are forked from: it imports what lessons import, and waits.

    python -m lab_utils.course.run_fork_server ADDRESS

A fresh kernel spends most of its start importing torch, torchvision and matplotlib. This process
imports them once; each request then forks a child that goes on as `python -m MODULE ARGUMENT…`
would have done, with its own environment, folder and number of threads.

Only imports happen here. A thread does not survive a fork and a CUDA context must not, so the
server checks both before it answers, and refuses to serve where an import started one.

One connection to the Unix socket ADDRESS is one child. The client sends a `Launch` as a line of
JSON; the child answers {"pid": …}, and at its end the server answers {"returncode": …} (negative:
the signal that ended it). A client that closes its end first has its child killed. The server
ends, and kills what it forked, when its standard input ends.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from typing import NoReturn

from lab_utils.course.run_processes import die_with_parent, end_group

IMPORTS = (
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "IPython.core.debugger",
    "IPython.extensions.storemagic",
    "sqlite3",
    "tornado.platform.asyncio",
    "tornado.queues",
    "torch",
    "torchvision",
    "torch._dynamo",
    "torch.profiler",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "scipy.stats",
    "sklearn.datasets",
    "sklearn.linear_model",
    "skimage.io",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "flask",
    "httpx",
    "threadpoolctl",
    "lab_utils.models.resnet",
)
"""Not among them: onnxruntime and openvino, which start threads when imported; ipywidgets and
matplotlib's inline backend, which look for a running kernel when imported."""

KERNEL = "ipykernel_launcher"
INLINE_BACKEND = "module://matplotlib_inline.backend_inline"
REQUEST_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Launch:
    """What a child becomes: `python -m module arguments…` in `folder`, with this environment.

    threads: compute threads, for libraries that read their variables when they were imported.
    output: the file that takes its standard output and error (a kernel's cells print elsewhere).
    """

    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str
    threads: int | None
    output: str

    def to_line(self) -> bytes:
        """As it goes over the socket."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Server:
    """The listening socket and the children, until standard input ends."""

    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(64)
        self._children: dict[int, socket.socket] = {}
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)

    def serve(self) -> Launch | None:
        """Fork until standard input ends. Gives a Launch in a child, None in the server."""
        while True:
            waiting: list[int | socket.socket] = [
                0,
                self._woken,
                self._listener,
                *self._children.values(),
            ]
            readable, _, _ = select.select(waiting, [], [])
            if 0 in readable and not os.read(0, 1):
                self._end_children()
                return None
            if self._woken in readable:
                os.read(self._woken, 4096)
            self._reap()
            for pid, connection in self._children.items():
                if connection in readable:  # clients never write twice: it is the end
                    _kill(pid)
            if self._listener in readable and (launch := self._fork()):
                return launch

    def _fork(self) -> Launch | None:
        connection, _ = self._listener.accept()
        connection.settimeout(REQUEST_TIMEOUT_S)
        try:
            with connection.makefile("rb") as stream:
                launch = Launch(**json.loads(stream.readline()))
        except (OSError, ValueError, TypeError):
            connection.close()
            return None
        server = os.getpid()
        pid = os.fork()
        if pid:
            self._children[pid] = connection
            return None
        os.setsid()
        die_with_parent(server, signal.SIGKILL)
        connection.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")
        connection.close()
        self._close_in_child()
        return launch

    def _close_in_child(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for other in self._children.values():
            other.close()
        self._listener.close()
        os.close(self._woken)
        os.close(self._waker)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            end_group(pid)  # what a kernel started without a session of its own
            with self._children.pop(pid) as connection:
                returncode = os.waitstatus_to_exitcode(status)
                try:
                    connection.sendall(json.dumps({"returncode": returncode}).encode() + b"\n")
                except OSError:
                    continue  # the client has gone

    def _end_children(self) -> None:
        for pid in self._children:
            _kill(pid)
        for pid in self._children:
            os.waitpid(pid, 0)


def _kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)  # it may not lead a group yet
    end_group(child)


def become(launch: Launch) -> None:
    """Go on as the process that the launch describes, to its end.

    What it registered with `atexit` is called; then it leaves, without taking apart module by
    module what it never loaded itself (half a second of torch).
    """
    output = os.open(launch.output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)
    os.environ.clear()
    os.environ.update(launch.environment)
    os.chdir(launch.folder)
    sys.path[0] = launch.folder  # as `python -m` does
    sys.argv = [launch.module, *launch.arguments]
    _undo_what_imports_remember(launch)
    _Leave.status = 1  # for an exception
    try:
        runpy.run_module(launch.module, run_name="__main__", alter_sys=True)
        _Leave.status = 0
    except SystemExit as error:
        _Leave.status = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise


class _Leave:
    """The last function that a child calls, and its exit status."""

    status = 0

    @classmethod
    def now(cls) -> NoReturn:
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        os._exit(cls.status)


def _undo_what_imports_remember(launch: Launch) -> None:
    """Redo what an import reads from the environment or draws by chance, once a process."""
    import matplotlib
    import numpy as np
    import threadpoolctl  # type: ignore[import-untyped]
    import torch

    np.random.seed()  # both global generators were seeded when the server imported them
    torch.default_generator.seed()
    if launch.threads is not None:
        threadpoolctl.threadpool_limits(launch.threads)
        torch.set_num_threads(launch.threads)
    if launch.module == KERNEL:
        # The kernel names this backend in a variable that matplotlib reads when imported.
        backend = os.environ.setdefault("MPLBACKEND", INLINE_BACKEND)
        matplotlib.rcParams["backend"] = backend
        # Likewise; this also starts the thread with which a plain kernel watches its parent.
        sys.argv.append(f"--IPKernelApp.parent_handle={os.getppid()}")


def import_all() -> None:
    """Import what lessons import. Raises RuntimeError where that made a fork unsafe."""
    for name in IMPORTS:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"{name} was not imported: {error}", file=sys.stderr)
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise RuntimeError(f"importing started {threads - 1} threads, which a fork would lose")
    import torch
    from matplotlib.backends.registry import backend_registry

    if torch.cuda.is_initialized():
        raise RuntimeError("importing opened the GPU, which a fork may not")
    # It reads every installed package's entry points, once.
    backend_registry.list_all()  # type: ignore[no-untyped-call]
    gc.collect()
    gc.freeze()  # children's collections leave these pages shared


def main() -> None:
    """Import, say so in one line of JSON, serve; a child becomes what it was forked for."""
    atexit.register(_Leave.now)  # before all others, so that it is called after them
    try:
        import_all()
        server = Server(sys.argv[1])
    except (RuntimeError, OSError) as error:
        print(json.dumps({"refused": str(error)}), flush=True)
        return
    print(json.dumps({"ready": True}), flush=True)
    launch = server.serve()
    if launch is not None:
        become(launch)


if __name__ == "__main__":
    main()
