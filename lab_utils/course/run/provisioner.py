"""Kernels forked from a process that has imported what lessons import, for headless runs.

`ForkProvisioner` puts `components.forked` behind Jupyter's own interface, so that nbclient and
papermill start, interrupt and end a forked kernel as they would a plain one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Integer, Unicode

from lab_utils.components.fork_server import Launch
from lab_utils.components.forked import fork
from lab_utils.course.run.kernel import LAUNCHER

FORKED = "lab_utils.course.run.kernel"


class ForkProvisioner(LocalProvisioner):
    """Starts IPython kernels from the fork server; any other kernel as usual.

    `LabClient` sets the three in the kernel's specification: no variable leaks into the kernel.
    """

    address: str = Unicode(help="The fork server's socket.").tag(config=True)  # type: ignore[assignment]
    threads: int = Integer(help="Compute threads; 0 for the default.").tag(config=True)  # type: ignore[assignment]
    output: str = Unicode(os.devnull, help="Where stray output goes.").tag(config=True)  # type: ignore[assignment]

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork the kernel that `cmd` (python -m ipykernel_launcher -f FILE) describes."""
        modules = [i for i, word in enumerate(cmd) if word == LAUNCHER and cmd[i - 1] == "-m"]
        if not modules:
            return await super().launch_kernel(cmd, **kwargs)
        environment = dict(kwargs.get("env") or os.environ)
        folder = str(kwargs.get("cwd") or Path.cwd())
        launch = Launch(
            module=FORKED,
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
