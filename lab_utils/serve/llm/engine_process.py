"""The engine's process (`worker`), seen from the service's."""

from __future__ import annotations

import asyncio
import sys
from typing import Self

from lab_utils.errors import LabError
from lab_utils.serve.llm.messages import Hello, Orders, Report, Settings

LONGEST_LINE = 2**24
"""Bytes: a step of the largest batch says far less."""


class EngineProcess:
    """Started by `start`; it ends with `kill`, or with this process. hello: what it said first."""

    def __init__(self, process: asyncio.subprocess.Process, hello: Hello) -> None:
        self._process, self.hello = process, hello

    @classmethod
    async def start(cls, settings: Settings) -> Self:
        """Waits until the engine is warm. Raises LabError where it ends before."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "lab_utils.serve.llm.worker",
            settings.json(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
        )
        return cls(process, Hello.read(await _line(process)))

    async def step(self, orders: Orders) -> Report:
        """One step of the engine. Raises LabError where its process has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{orders.json()}\n".encode())
        return Report.read(await _line(self._process))

    def kill(self) -> None:
        """End it, also in mid-step; does nothing where it has ended."""
        if self._process.returncode is None:
            self._process.kill()


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise LabError("The engine's process has ended; the lines above say why, if it could.")
    return line
