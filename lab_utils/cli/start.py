"""`./lab start`."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from lab_utils.errors import LabError
from lab_utils.files import ROOT

WELCOME = "notebooks/welcome.ipynb"
FIRST_PORT = 8888


def start(
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", help=f"Default the first free one from {FIRST_PORT}."),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Open JupyterLab at the course's welcome page (Ctrl-C ends it)."""
    if port is not None and not _free(port):
        raise LabError(
            f"Port {port} is in use; name another with --port, or leave it out for a free one."
        )
    command, environment = jupyterlab(ROOT, port or FIRST_PORT)
    command += ["--ServerApp.port_retries=0"] if port is not None else []
    command += [] if browser else ["--no-browser"]
    os.execve(sys.executable, command, environment)


def jupyterlab(root: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """The command and environment of a JupyterLab in a folder, with the course's settings."""
    command = [sys.executable, "-m", "jupyterlab", "--log-level=WARN", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/{WELCOME}"]
    command += [f"--ServerApp.port={port}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command += ["--allow-root"]
    settings = ROOT / "lab_utils" / "course" / "jupyter"
    inherited = os.environ.get("JUPYTER_CONFIG_PATH")
    paths = [str(settings)] + ([inherited] if inherited else [])
    return command, os.environ | {"JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OverflowError:
            raise LabError(f"Port {port} does not exist; name one from 1 to 65535.") from None
        except OSError:
            return False
    return True
