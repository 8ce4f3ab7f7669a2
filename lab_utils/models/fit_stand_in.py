"""Fit the stand-in for ImageNet's weights again, and keep what was fitted.

python -m lab_utils.models.fit_stand_in --into data/resnet
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.models import stand_in
from lab_utils.models.resnet import transforms


def main() -> None:
    """The command. Raises LabError where the folder is none."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    folder = parser.parse_args().into
    if not folder.is_dir():
        raise LabError(f"{folder} is not a folder; give one that exists.")
    stand_in.carry(stand_in.fitted(transforms()), folder / stand_in.FILE)


if __name__ == "__main__":
    main()
