"""Fits or fetches the weights that lessons load, so that no lesson's time includes it.

    python -m lab_utils.course.run.prepare

Prints where the weights came from, or one sentence saying why there are none.
"""

from __future__ import annotations

import sys

from lab_utils.errors import LabError
from lab_utils.models import resnet


def main() -> int:
    """Load once; gives the exit status."""
    try:
        print(resnet.load().source)
    except LabError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
