"""A process that has imported what takes long, and forks others that need it.

    python -m lab_utils.components.fork_server [--adopt] [--empty FOLDER]… LISTENER MODULE…

A fresh process spends most of its start importing torch, torchvision and matplotlib. This one
imports them once; each request then forks a child that goes on as `python -m MODULE ARGUMENT…`
would have done, with its own environment, folder and number of threads. `forked` is the other
side: it starts this process and asks it for children.

Only imports happen here. A thread does not survive a fork and a CUDA context must not, so the
server checks both before it answers, and refuses to serve where an import started one.

One connection to the Unix socket of descriptor LISTENER is one child. (It is inherited: where it
has a name, a sandboxed child cannot find it.) The client sends a `Launch` as a line of
JSON, and file descriptors with it if the child is to have any; the child answers {"pid": …}, and at
its end the server answers {"returncode": …} (negative: the signal that ended it). A client that
closes its end first has its child killed. The server ends, and kills what it forked, when its
standard input ends. With --adopt, whatever a child leaves behind stays among the server's
descendants, where it can be found.

With --empty, it is the first process of a sandbox and has one child at a time. Before each fork all
other processes in the sandbox are ended and those folders are emptied, so that no child finds what
an earlier one left; and no child may look into the server's memory.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import NoReturn

from lab_utils.components.process_tree import (
    adopt_orphans,
    be_looked_into,
    die_with_parent,
    end_descendants,
    end_group,
)

REQUEST_TIMEOUT_S = 10.0
MOST_DESCRIPTORS = 4


@dataclass(frozen=True)
class Launch:
    """What a child becomes: `python -m module arguments…` in `folder`, with this environment.

    threads: compute threads, for libraries that read their variables when they were imported.
    output: the file that takes its standard output and error (a kernel's cells print elsewhere).
    Descriptors that are sent along are added to the arguments, as numbers.
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

    def __init__(self, listener: int, empty: Sequence[str] = ()) -> None:
        self._empty = empty
        self._listener = socket.socket(fileno=listener)
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
        descriptors: list[int] = []
        try:
            launch = Launch(**json.loads(_receive(connection, descriptors)))
        except (OSError, ValueError, TypeError):
            connection.close()
            _close(descriptors)
            return None
        if self._empty:
            self._begin_anew()
        server = os.getpid()
        pid = os.fork()
        if pid:
            self._children[pid] = connection
            _close(descriptors)
            return None
        os.setsid()
        if self._empty:
            be_looked_into(True)
        die_with_parent(server, signal.SIGKILL)
        connection.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")
        connection.close()
        self._close_in_child()
        return replace(launch, arguments=[*launch.arguments, *map(str, descriptors)])

    def _begin_anew(self) -> None:
        """End all other processes of the sandbox, and empty its folders."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)  # all but process 1: none can fork its way out
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        for connection in self._children.values():
            connection.close()
        self._children.clear()
        for folder in self._empty:
            empty(folder)

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
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            end_group(pid)  # what a child started without a session of its own
            if pid not in self._children:  # an orphan that was adopted
                continue
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
        end_descendants(os.getpid())


def empty(folder: str) -> None:
    """Remove all in a folder, also what is forbidden to be read; what is mounted there stays."""
    device = os.lstat(folder).st_dev
    os.chmod(folder, 0o700)
    for entry in list(os.scandir(folder)):
        if entry.stat(follow_symlinks=False).st_dev != device:
            continue
        if entry.is_dir(follow_symlinks=False):
            empty(entry.path)
            with contextlib.suppress(OSError):  # it holds what is mounted
                os.rmdir(entry.path)
        else:
            os.unlink(entry.path)


def _receive(connection: socket.socket, descriptors: list[int]) -> bytes:
    """The line that a client sends; the descriptors that come with it are added to the list."""
    line, received, _, _ = socket.recv_fds(connection, 1 << 16, MOST_DESCRIPTORS)
    descriptors += received
    while not line.endswith(b"\n"):
        more = connection.recv(1 << 16)
        if not more:
            raise ConnectionResetError("the client closed the connection")
        line += more
    return line


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


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
    sys.path.insert(0, launch.folder)  # as `python -m` does
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
    if "numpy" in sys.modules:  # both global generators were seeded when the server imported them
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.seed()
    if launch.threads is None:
        return
    if "threadpoolctl" in sys.modules:
        sys.modules["threadpoolctl"].threadpool_limits(launch.threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(launch.threads)


def import_all(names: Sequence[str]) -> None:
    """Import the modules. Raises RuntimeError where that made a fork unsafe."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"{name} was not imported: {error}", file=sys.stderr)
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise RuntimeError(f"importing started {threads - 1} threads, which a fork would lose")
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized():
        raise RuntimeError("importing opened the GPU, which a fork may not")
    gc.collect()
    gc.freeze()  # children's collections leave these pages shared


def main() -> None:
    """Import, say so in one line of JSON, serve; a child becomes what it was forked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--adopt", action="store_true")
    parser.add_argument("--empty", action="append", default=[], metavar="FOLDER")
    parser.add_argument("listener", type=int)
    parser.add_argument("modules", nargs="*")
    asked = parser.parse_args()
    atexit.register(_Leave.now)  # before all others, so that it is called after them
    try:
        adopt_orphans(asked.adopt)
        import_all(asked.modules)
        if asked.empty:
            be_looked_into(False)
        server = Server(asked.listener, asked.empty)
    except (RuntimeError, OSError) as error:
        print(json.dumps({"refused": str(error)}), flush=True)
        return
    print(json.dumps({"ready": True}), flush=True)
    launch = server.serve()
    if launch is not None:
        become(launch)


if __name__ == "__main__":
    main()
