"""The pins, from the direct dependencies that pyproject.toml names.

`lock()` resolves them for every supported Python and platform into requirements.lock (versions
and hashes, no index address), and writes the same pins to environment.yml for conda, Binder and
JupyterHub. Neither is edited by hand.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.files import ROOT, write_text

OLDEST_PYTHON = "3.11"
CONDA_PYTHON = "3.12"
PIN = re.compile(r"^(?P<pin>[A-Za-z0-9._-]+==[^ \\]+)(?: ; (?P<marker>[^\\]+?))? \\$")
HEADER = "# Made by ./lab lock from pyproject.toml; not edited by hand.\n"


def lock(root: Path = ROOT, upgrade: bool = False) -> list[Path]:
    """Write requirements.lock and environment.yml; gives both paths.

    Pins that still fit are kept unless `upgrade`. Raises LabError with the resolver's own words
    where the dependencies do not fit together or no registry answers.
    """
    target = root / "requirements.lock"
    with tempfile.TemporaryDirectory() as folder:
        resolved = Path(folder) / "requirements.lock"
        if target.exists():
            resolved.write_text(target.read_text())
        command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet"]
        command += ["--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes"]
        command += ["--no-emit-index-url", "--no-emit-find-links", "--no-header"]
        command += ["--no-annotate", "--extra", "dev", "--output-file", str(resolved)]
        command += ["--upgrade"] if upgrade else []
        done = subprocess.run(
            [*command, str(root / "pyproject.toml")], capture_output=True, text=True, cwd=root
        )
        if done.returncode:
            raise LabError(f"The dependencies could not be resolved: {done.stderr.strip()}")
        text = resolved.read_text()
    write_text(target, HEADER + text.removeprefix(HEADER))
    write_text(root / "environment.yml", environment_yml(text))
    return [target, root / "environment.yml"]


def pins(lock_text: str) -> list[str]:
    """The pins of a lock as pip requirements: "name==version" or "name==version ; marker"."""
    found = (PIN.match(line) for line in lock_text.splitlines())
    return [m["pin"] + (f" ; {m['marker']}" if m["marker"] else "") for m in found if m]


def environment_yml(lock_text: str) -> str:
    """The conda environment with the lock's pins, installed by its pip."""
    lines = [HEADER.rstrip(), "name: inference-lab", "channels:", "  - conda-forge"]
    lines += ["  - nodefaults", "dependencies:", f"  - python={CONDA_PYTHON}", "  - pip"]
    lines += ["  - pip:"]
    lines += [f'      - "{pin}"' for pin in (p.replace('"', "'") for p in pins(lock_text))]
    lines += ['      - "--editable=."']
    return "\n".join(lines) + "\n"
