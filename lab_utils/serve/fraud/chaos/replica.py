"""A gateway that can be told to have a slow model or a wrong clock, by a file that it looks at.

    python -m lab_utils.serve.fraud.chaos.replica SETTINGS SWITCHES

All else is the gateway's. A process can be killed, stopped or cut off from outside; what a model
takes and what its clock says cannot be changed there without another kernel, so these two faults
are put in where the gateway calls the model and reads the clock. SWITCHES is a file of `Switches`
in JSON; it need not be there.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.files import write_json
from lab_utils.serve.draining import as_process
from lab_utils.serve.fraud.gateway import run
from lab_utils.serve.fraud.live_model import ModelCall
from lab_utils.serve.fraud.settings import Settings

MODULE = "lab_utils.serve.fraud.chaos.replica"
"""Its name, where it is `__main__`, too."""


@dataclass(frozen=True)
class Switches:
    """delay_s: a tier's name → seconds before each of its calls. clock_s: added to the clock."""

    delay_s: Mapping[str, float] = field(default_factory=dict)
    clock_s: float = 0.0

    def write(self, path: Path) -> None:
        """From now on the replica that looks at this file has them."""
        write_json(path, asdict(self))


class SwitchFile:
    """The file's switches, read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed_ns = -1
        self._now = Switches()

    @property
    def now(self) -> Switches:
        """As they are now; none where there is no file."""
        try:
            changed_ns = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return Switches()
        if changed_ns != self._changed_ns:
            self._now = Switches(**json.loads(self._path.read_text()))
            self._changed_ns = changed_ns
        return self._now

    def around(self, name: str, score: ModelCall) -> ModelCall:
        """The model's call, after the delay that its tier has at that moment."""

        async def delayed(rows: NDArray[np.float32]) -> NDArray[Any]:
            delay_s = self.now.delay_s.get(name, 0)
            if delay_s > 0:
                await asyncio.sleep(delay_s)
            return await score(rows)

        return delayed

    def clock(self) -> float:
        """Unix seconds, as this replica believes."""
        return time.time() + self.now.clock_s


def main() -> None:
    """The process."""
    switches = SwitchFile(Path(sys.argv[2]))
    as_process(
        lambda: run(Settings.read(sys.argv[1]), around=switches.around, clock=switches.clock)
    )


if __name__ == "__main__":
    main()
