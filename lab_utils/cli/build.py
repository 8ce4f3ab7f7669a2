"""`./lab build`."""

from __future__ import annotations

from typing import Annotated

import typer

from lab_utils.errors import LabError


def build(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where anything would change.")
    ] = False,
) -> None:
    """Make notebooks/, labs/ and solutions/ from curriculum/."""
    from lab_utils.course import build as course_build
    from lab_utils.files import ROOT

    if check:
        found = course_build.differences()
        for difference in found:
            print(difference)
        if found:
            raise LabError(
                f"{len(found)} built file(s) are not what curriculum/ gives; run ./lab build, "
                "then commit what it writes."
            )
        print("Every notebook is what its source gives.")
        return
    changed = course_build.build()
    for path in changed:
        print(f"{'wrote' if path.exists() else 'removed'} {path.relative_to(ROOT)}")
    if not changed:
        print("Nothing to do: every notebook is what its source gives.")
