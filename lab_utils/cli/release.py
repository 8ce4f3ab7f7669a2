"""`./lab release`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def release(
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="The archive to write; default one in dist/.", show_default=False
        ),
    ] = None,
    gradescope: Annotated[
        str | None,
        typer.Option(metavar="UNIT", help="Pack this unit's autograder for Gradescope instead."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Let Gradescope grade this task only; may be repeated."),
    ] = None,
) -> None:
    """Pack the course for learners: no solutions, no wrong answers.

    What judges an answer is in it, since learners check themselves; the inputs that count are not:
    they are drawn from a key that your ./lab grade makes and keeps.
    """
    from lab_utils.course.release import release as pack
    from lab_utils.course.release import release_autograder
    from lab_utils.errors import LabError
    from lab_utils.grade.spec import load_lab

    if gradescope is None:
        if task:
            raise LabError("--task goes with --gradescope UNIT; a course has all its tasks.")
        target = target or Path("dist/inference-lab.zip")
        names = pack(target)
    else:
        lab = load_lab(gradescope)
        tasks = [lab[name].name for name in task or ()]
        target = target or Path(f"dist/gradescope-{lab.unit}.zip")
        names = release_autograder(target, lab.unit, tasks)
    print(f"wrote {target}: {len(names)} files")
