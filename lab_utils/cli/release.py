"""`./lab release`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def release(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write.")] = Path(
        "dist/inference-lab.zip"
    ),
) -> None:
    """Pack the course for learners: no solutions, no wrong answers.

    Not done yet: a Gradescope autograder, and checks whose inputs a learner cannot read.
    """
    from lab_utils.course.release import release as pack

    names = pack(target)
    print(f"wrote {target}: {len(names)} files")
