"""`./lab lock`."""

from __future__ import annotations

from typing import Annotated

import typer


def lock(
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Take the newest versions that fit, not today's pins.")
    ] = False,
) -> None:
    """Resolve pyproject.toml into pins and hashes (needs a registry).

    Writes requirements.lock, environment.yml, and a lock for each component with an environment of
    its own.
    """
    from lab_utils.course.lock import lock as write_locks
    from lab_utils.files import ROOT

    for path in write_locks(upgrade=upgrade):
        print(f"wrote {path.relative_to(ROOT)}")
