"""Processes that start in a tenth of a second, because what they import is there already.

    with ForkServer(folder, ["torch"]) as server:          # imports once
        server.wait_until_ready()
        process = fork(server.address, Launch("some.module", ["argument"], …))

`fork_server` is the other side.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

import psutil

from lab_utils.components.fork_server import Launch
from lab_utils.components.sandbox import PRIVATE, Sandbox
from lab_utils.errors import LabError
from lab_utils.machine.cores import thread_environment

START_TIMEOUT_S = 120.0
FORK_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.02
BACKLOG = 64


class ForkServer:
    """The server process, alive only inside the `with` block; it takes seconds to be ready.

    folder: where its socket and its log go, which a sandbox does not see. modules: what is imported
    once. adopt: keep what children leave behind among the server's descendants. sandbox: run it,
    and so its children, in there; it then has one child at a time, which finds nothing that an
    earlier one left.

    Call `wait_until_ready`; or do other things meanwhile, and `check` when `output` is readable.
    """

    def __init__(
        self,
        folder: Path,
        modules: Sequence[str],
        *,
        adopt: bool = False,
        sandbox: Sandbox | None = None,
    ) -> None:
        self.address = str(folder / "fork.sock")
        self.state: Literal["starting", "ready", "refused"] = "starting"
        self.reason = ""
        """Why it refused, for the report."""
        self._adopt, self._modules = adopt, modules
        self._sandbox = sandbox and replace(sandbox, first=True)
        self._log = folder / "fork_server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if sys.platform != "linux":  # macOS has fork, but not after its frameworks were loaded
            self.state, self.reason = "refused", f"processes are not forked on {sys.platform}"
            return self
        # -P: what lies in the current folder is never imported by the server.
        command = [sys.executable, "-P", "-m", "lab_utils.components.fork_server"]
        command += ["--adopt"] if self._adopt else []
        # One thread, for libraries that start theirs when they are imported.
        environment = thread_environment(1) | {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
        with socket.socket(socket.AF_UNIX) as listener, self._log.open("wb") as log:
            listener.bind(self.address)
            listener.listen(BACKLOG)
            command += [f"--empty={path}" for path in PRIVATE] if self._sandbox else []
            command += [str(listener.fileno()), *self._modules]
            self._process = subprocess.Popen(
                self._sandbox.command(command) if self._sandbox else command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._sandbox.environment(environment) if self._sandbox else environment,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its children ask to die with it
            self._process.wait()
        self._process.stdout.close()
        Path(self.address).unlink(missing_ok=True)

    @property
    def pid(self) -> int | None:
        """Its process, None where it was not started or has ended."""
        if self._process is None or self._sandbox is None:
            return None if self._process is None else self._process.pid
        try:
            inside = psutil.Process(self._process.pid).children()
        except psutil.NoSuchProcess:
            return None
        return int(inside[0].pid) if inside else None

    @property
    def output(self) -> int | None:
        """The descriptor that becomes readable when `check` has something to see."""
        if self._process is None or self._process.stdout is None:
            return None
        return self._process.stdout.fileno()

    def wait_until_ready(self) -> None:
        """Wait until it has imported everything. Raises LabError where it refuses to serve."""
        if self.state == "starting" and self.output is not None:
            readable, _, _ = select.select([self.output], [], [], START_TIMEOUT_S)
            if not readable:
                raise LabError(
                    f"The fork server did not begin to serve in {START_TIMEOUT_S:g} s; "
                    "is the machine overloaded?"
                )
            self.check()
        if self.state != "ready":
            raise LabError(f"No worker process can be started: {self.reason}.")

    def alive(self) -> bool:
        """Whether it is still running."""
        return self._process is not None and self._process.poll() is None

    def check(self) -> None:
        """Read what the server said; call it when `output` is readable."""
        if self.state != "starting" or self._process is None:
            return
        assert self._process.stdout is not None
        try:
            said = json.loads(self._process.stdout.readline())
        except ValueError:
            said = {"refused": self._last_words()}
        if "refused" in said:
            self.state, self.reason = "refused", str(said["refused"])
        else:
            self.state = "ready"

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f"the fork server ended: {lines[-1]}" if lines else "the fork server ended"


class ForkedProcess:
    """A child of the fork server, with the part of `subprocess.Popen` that Jupyter uses."""

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection
        self._received = b""
        connection.setblocking(False)

    def poll(self) -> int | None:
        """Its exit status, negative for the signal that ended it; None while it runs."""
        while self.returncode is None:
            try:
                received = self._connection.recv(4096)
            except BlockingIOError:
                break
            except OSError:
                received = b""
            self._received += received
            if b"\n" in self._received:
                self.returncode = int(json.loads(self._received)["returncode"])
            elif not received:  # the server ended, and its children with it
                self.returncode = -signal.SIGKILL
        if self.returncode is not None:
            self._connection.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (returncode := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked process", timeout or 0)
            time.sleep(POLL_S)
        return returncode

    def send_signal(self, signum: int) -> None:
        """Send it a signal; does nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def drop(self) -> None:
        """Have the server end it, without waiting; also in a sandbox, whose numbers are its own."""
        self._connection.close()


def fork(address: str, launch: Launch, descriptors: Sequence[int] = ()) -> ForkedProcess:
    """Fork a child of the server that listens at `address`, with these descriptors.

    Raises LabError where the server does not answer.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(FORK_TIMEOUT_S)
    try:
        connection.connect(address)
        line = launch.to_line()
        sent = socket.send_fds(connection, [line], list(descriptors))
        connection.sendall(line[sent:])
        answer = b""
        while not answer.endswith(b"\n"):
            received = connection.recv(1)  # never past the line: the status comes after it
            if not received:
                raise ConnectionResetError("it closed the connection")
            answer += received
    except OSError as error:
        connection.close()
        raise LabError(
            f"The server that processes are forked from did not answer ({error}); run again."
        ) from None
    return ForkedProcess(connection, int(json.loads(answer)["pid"]))
