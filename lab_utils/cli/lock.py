"""`./lab lock`."""

from __future__ import annotations

from typing import Annotated

import typer


def lock(
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Take the newest versions that fit, not today's pins.")
    ] = False,
) -> None:
    """Resolve pyproject.toml into requirements.lock and environment.yml (needs a registry)."""
    from lab_utils.course.lock import lock as resolve

    for path in resolve(upgrade=upgrade):
        print(f"wrote {path.name}")
