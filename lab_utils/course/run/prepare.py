"""Gets ready what lessons load, so that no lesson's time includes it: weights and environments.

    python -m lab_utils.course.run.prepare tvm triton

Fits or fetches the network's weights, and beside that makes the named components' environments.
Prints where the weights came from, or one sentence saying why there are none. An environment that
cannot be made is no fault here: the lesson that wants it says what it misses.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from lab_utils.components import environments
from lab_utils.errors import LabError
from lab_utils.models import resnet


def main(names: list[str]) -> int:
    """Load once; gives the exit status."""
    with ThreadPoolExecutor() as threads:
        for name in names:
            threads.submit(_make, name)
        try:
            print(resnet.load().source)
        except LabError as error:
            print(error)
            return 1
    return 0


def _make(name: str) -> None:
    with suppress(LabError):
        environments.python(name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
