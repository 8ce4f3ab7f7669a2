"""`./lab check`."""

from __future__ import annotations

from typing import Annotated

import typer


def check(
    unit: Annotated[
        str | None,
        typer.Argument(metavar="UNIT", help="As 1_resnet_service, or 1."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Check this task only; may be repeated."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The marks as one JSON document on the last line.")
    ] = False,
) -> None:
    """Mark your own lab, labs/UNIT/lab.ipynb, before you hand it in.

    The same marking as ./lab grade, on fresh inputs: advice, since your instructor's run counts.
    Save the notebook first.
    """
    import secrets

    from lab_utils.files import ROOT
    from lab_utils.grade.batch import grade_notebooks
    from lab_utils.grade.spec import load_lab

    name = load_lab(unit).unit
    notebook, key = ROOT / "labs" / name / "lab.ipynb", secrets.token_bytes(32)
    if not grade_notebooks([notebook], name, task, key=key, as_json=as_json):
        raise typer.Exit(1)
