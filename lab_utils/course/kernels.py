"""Kernels that start in a tenth of a second, for running the course headless.

    with ForkServer(folder) as server:          # imports torch and the rest, once
        while server.state == "starting": ...
        process = fork(server.address, Launch("ipykernel_launcher", ["-f", file], …))

`ForkProvisioner` puts this behind Jupyter's own interface, so that nbclient and papermill start,
interrupt and end a forked kernel as they would a plain one. `run_fork_server` is the other side.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal, Self

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Integer, Unicode

from lab_utils.course.run_fork_server import KERNEL, Launch
from lab_utils.errors import LabError
from lab_utils.machine.cores import thread_environment

FORK_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.02


class ForkServer:
    """The server process, alive only inside the `with` block; it takes seconds to be ready.

    folder: where its socket and its log go. Call `check` now and then: it never blocks.
    """

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "fork.sock")
        self.state: Literal["starting", "ready", "refused"] = "starting"
        self.reason = ""
        """Why it refused, for the report."""
        self._log = folder / "fork_server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if sys.platform != "linux":  # macOS has fork, but not after its frameworks were loaded
            self.state, self.reason = "refused", f"kernels are not forked on {sys.platform}"
            return self
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lab_utils.course.run_fork_server", self.address],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # One thread, for libraries that start theirs when they are imported.
                env=thread_environment(1) | {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"},
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
        """Its process, None where it was not started."""
        return None if self._process is None else self._process.pid

    @property
    def output(self) -> int | None:
        """The descriptor that becomes readable when `check` has something to see."""
        if self._process is None or self._process.stdout is None:
            return None
        return self._process.stdout.fileno()

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


def fork(address: str, launch: Launch) -> ForkedProcess:
    """Fork a child of the server that listens at `address`.

    Raises LabError where the server does not answer.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(FORK_TIMEOUT_S)
    try:
        connection.connect(address)
        connection.sendall(launch.to_line())
        answer = b""
        while not answer.endswith(b"\n"):
            received = connection.recv(1)  # never past the line: the status comes after it
            if not received:
                raise ConnectionResetError("it closed the connection")
            answer += received
    except OSError as error:
        connection.close()
        raise LabError(
            f"The server that kernels are forked from did not answer ({error}); "
            "run again, or with --plain."
        ) from None
    return ForkedProcess(connection, int(json.loads(answer)["pid"]))


class ForkProvisioner(LocalProvisioner):
    """Starts IPython kernels from the fork server; any other kernel as usual.

    `LabClient` sets the three in the kernel's specification: no variable leaks into the kernel.
    """

    address: str = Unicode(help="The fork server's socket.").tag(config=True)  # type: ignore[assignment]
    threads: int = Integer(help="Compute threads; 0 for the default.").tag(config=True)  # type: ignore[assignment]
    output: str = Unicode(os.devnull, help="Where stray output goes.").tag(config=True)  # type: ignore[assignment]

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork the kernel that `cmd` (python -m ipykernel_launcher -f FILE) describes."""
        modules = [i for i, word in enumerate(cmd) if word == KERNEL and cmd[i - 1] == "-m"]
        if not modules:
            return await super().launch_kernel(cmd, **kwargs)
        environment = dict(kwargs.get("env") or os.environ)
        folder = str(kwargs.get("cwd") or Path.cwd())
        launch = Launch(
            module=KERNEL,
            arguments=cmd[modules[0] + 1 :],
            environment=environment,
            folder=folder,
            threads=self.threads or None,
            output=self.output,
        )
        process = fork(self.address, launch)
        self.process = process  # type: ignore[assignment]  # what it uses of Popen is there
        self.pid = self.pgid = process.pid  # it leads a session of its own
        self.cwd = folder
        return self.connection_info
