"""The course's parts: which source makes which notebooks, and how a person names them.

curriculum/welcome.py            → notebooks/welcome.ipynb
curriculum/UNIT/NN_name.py       → notebooks/UNIT/NN_name.ipynb
curriculum/UNIT/lab.py           → labs/UNIT/lab.ipynb and solutions/UNIT/lab.ipynb
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from lab_utils.errors import LabError
from lab_utils.files import ROOT

Kind = Literal["welcome", "lesson", "lab", "solution"]
Timing = Literal["alone", "shared"]
FACES: dict[str, Kind] = {"notebooks": "lesson", "labs": "lab", "solutions": "solution"}


@dataclass(frozen=True)
class Source:
    """One text file of `curriculum/` and the faces it is built into."""

    path: Path
    unit: str | None

    @property
    def faces(self) -> tuple[Kind, ...]:
        """What is built from it."""
        if self.unit is None:
            return ("welcome",)
        return ("lab", "solution") if self.path.stem == "lab" else ("lesson",)

    def built_path(self, kind: Kind, root: Path = ROOT) -> Path:
        """Where one face of it stands below `root`."""
        folder = {"lab": "labs", "solution": "solutions"}.get(kind, "notebooks")
        return root / folder / (self.unit or "") / f"{self.path.stem}.ipynb"


@dataclass(frozen=True)
class Notebook:
    """A built notebook as `./lab run` sees it."""

    path: Path
    name: str
    kind: Kind
    title: str
    timing: Timing
    """"alone": its figures are timings, so nothing may run beside it."""
    uses: tuple[str, ...] = ()
    """The components it uses, as `components/catalogue.py` names them."""
    saved_models: tuple[str, ...] = ()
    """The sets that it loads, as `optimize/saved_models.py` names them."""


def units(root: Path = ROOT) -> list[str]:
    """The units' names, in the order of the course."""
    return sorted(p.name for p in (root / "curriculum").iterdir() if p.name[0].isdigit())


def sources(root: Path = ROOT) -> list[Source]:
    """All sources, in the order a learner meets them."""
    found = [Source(root / "curriculum" / "welcome.py", None)]
    for unit in units(root):
        folder = root / "curriculum" / unit
        found += [Source(path, unit) for path in sorted(folder.glob("[0-9][0-9]_*.py"))]
        if (folder / "lab.py").exists():
            found.append(Source(folder / "lab.py", unit))
    return found


@cache
def notebooks(root: Path = ROOT) -> tuple[Notebook, ...]:
    """What `./lab run` executes: the welcome page, every lesson, every solution.

    Raises LabError where the built notebooks are missing or cannot be read.
    """
    found = []
    for source in sources(root):
        kind = source.faces[-1]
        path = source.built_path(kind, root)
        found.append(_read(path, kind))
    return tuple(found)


def find(names: Iterable[str], root: Path = ROOT) -> list[Notebook]:
    """The notebooks that a person names, each once, in the order of the course.

    A name is a unit ("1_resnet_service", or its number, "1"), a notebook ("1_resnet_service/lab",
    or its stem alone), the beginning of one ("1_resnet_service/03", "03_under") or a path to one.
    No names: all of them. Raises LabError for an unknown name, with the nearest known ones, and
    for a beginning that several have.
    """
    everything = notebooks(root)
    wanted: set[str] = set()
    for name in names:
        matches = {notebook.name for notebook in everything if _matches(name, notebook, root)}
        matches = matches or _beginning_with(name, everything, root)
        if not matches:
            raise LabError(_unknown(name, everything, root))
        wanted |= matches
    return [n for n in everything if n.name in wanted] if wanted else list(everything)


def _matches(name: str, notebook: Notebook, root: Path) -> bool:
    unit = notebook.name.split("/")[0] if "/" in notebook.name else ""
    plain = name.rstrip("/").removesuffix(".ipynb")
    stem = notebook.path.stem
    known = {notebook.name, stem}
    if unit:
        known |= {unit, unit.split("_")[0]}
    # "solutions/1_resnet_service" and a path from any folder name the same thing.
    absolute = Path(name).resolve()
    return plain in known or absolute == notebook.path or absolute in notebook.path.parents


def _beginning_with(name: str, everything: Sequence[Notebook], root: Path) -> set[str]:
    """What begins like this: a unit's notebooks, or one; nothing where nothing does.

    Raises LabError where several do.
    """
    begun = [unit for unit in units(root) if unit.startswith(name)]
    for notebook in everything:
        unit, _, stem = notebook.name.rpartition("/")
        spellings = (notebook.name, stem, f"{unit.split('_')[0]}/{stem}")
        if unit not in begun and any(spelling.startswith(name) for spelling in spellings):
            begun.append(notebook.name)
    if len(begun) > 1:
        raise LabError(f"{name!r} may mean {', '.join(begun)}; type more of the one you mean.")
    return {n.name for n in everything if n.name in begun or n.name.split("/")[0] in begun}


def _unknown(name: str, everything: Sequence[Notebook], root: Path) -> str:
    known = [*units(root), *(notebook.name for notebook in everything)]
    stems = {Path(k).stem: k for k in known}
    near = difflib.get_close_matches(Path(name).stem, stems, n=3, cutoff=0.4)
    expected = ", ".join(stems[n] for n in near) if near else ", ".join(known)
    return f"There is no unit or notebook {name!r}; expected one like {expected}."


def _read(path: Path, kind: Kind) -> Notebook:
    if not path.exists():
        raise LabError(f"{path} is missing; build the notebooks with ./lab build.")
    try:
        facts = json.loads(path.read_text())["metadata"]["inference_lab"]
        title, timing = facts["title"], facts["timing"]
        uses, saved_models = tuple(facts["uses"]), tuple(facts["saved_models"])
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"{path} is not a notebook of this course ({type(error).__name__}: {error}); "
            "build it again with ./lab build."
        ) from None
    folder = path.parent.name
    top = folder in FACES
    name = path.stem if top else f"{folder}/{path.stem}"
    return Notebook(path, name, kind, title, timing, uses, saved_models)
