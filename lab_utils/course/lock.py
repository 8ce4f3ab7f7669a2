"""The pins, from the direct dependencies that pyproject.toml names.

`lock()` resolves them for every supported Python and platform into requirements.lock (versions
and hashes, no index address), and writes the same pins to environment.yml for conda, Binder and
JupyterHub. The same is done for each component with an environment of its own
(`components/environments`). None of these files is edited by hand.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab_utils.components.environments import ENVIRONMENTS
from lab_utils.errors import LabError
from lab_utils.files import ROOT, write_text

OLDEST_PYTHON = "3.11"
CONDA_PYTHON = "3.12"
PIN = re.compile(r"^(?P<pin>[A-Za-z0-9._-]+==[^ \\]+)(?: ; (?P<marker>[^\\]+?))? \\$")
HEADER = "# Made by ./lab lock from {}; not edited by hand.\n"


def lock(root: Path = ROOT, upgrade: bool = False) -> list[Path]:
    """Write requirements.lock, environment.yml and the components' locks; gives their paths.

    Pins that still fit are kept unless `upgrade`. Raises LabError with the resolver's own words
    where the dependencies do not fit together or no registry answers; then nothing is written.
    """
    project, base = root / "pyproject.toml", root / "requirements.lock"
    texts = {base: resolve(project, base, upgrade, extras=("dev",))}
    for environment in ENVIRONMENTS.values():
        texts[environment.lock] = resolve(environment.source, environment.lock, upgrade)
    texts[root / "environment.yml"] = environment_yml(texts[base])
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def resolve(source: Path, target: Path, upgrade: bool, extras: Sequence[str] = ()) -> str:
    """The text of a lock: what `source` names, and all that it needs, with hashes and no index."""
    with tempfile.TemporaryDirectory() as folder:
        resolved = Path(folder) / target.name
        if target.exists():
            resolved.write_text(target.read_text())
        command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet"]
        command += ["--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes"]
        command += ["--no-emit-index-url", "--no-emit-find-links", "--no-header"]
        command += ["--no-annotate", "--output-file", str(resolved)]
        command += [part for extra in extras for part in ("--extra", extra)]
        command += ["--upgrade"] if upgrade else []
        done = subprocess.run(
            [*command, str(source)], capture_output=True, text=True, cwd=source.parent
        )
        if done.returncode:
            raise LabError(f"{source.name} could not be resolved: {done.stderr.strip()}")
        header = HEADER.format(source.name)
        return header + resolved.read_text().removeprefix(header)


def pins(lock_text: str) -> list[str]:
    """The pins of a lock as pip requirements: "name==version" or "name==version ; marker"."""
    found = (PIN.match(line) for line in lock_text.splitlines())
    return [m["pin"] + (f" ; {m['marker']}" if m["marker"] else "") for m in found if m]


def environment_yml(lock_text: str) -> str:
    """The conda environment with the lock's pins, installed by its pip."""
    lines = [
        HEADER.format("pyproject.toml").rstrip(),
        "name: inference-lab",
        "channels:",
        "  - conda-forge",
    ]
    lines += ["  - nodefaults", "dependencies:", f"  - python={CONDA_PYTHON}", "  - pip"]
    lines += ["  - pip:"]
    lines += [f'      - "{pin}"' for pin in (p.replace('"', "'") for p in pins(lock_text))]
    lines += ['      - "--editable=."']
    return "\n".join(lines) + "\n"
