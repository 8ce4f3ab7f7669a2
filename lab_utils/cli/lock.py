"""`./lab lock`."""

from __future__ import annotations

from typing import Annotated

import typer


def lock(
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Take the newest versions that fit, not today's pins.")
    ] = False,
) -> None:
    """Resolve pyproject.toml, and the components with an environment of their own, into locks."""
    from lab_utils.course.lock import lock as write_locks
    from lab_utils.files import ROOT

    for path in write_locks(upgrade=upgrade):
        print(f"wrote {path.relative_to(ROOT)}")
