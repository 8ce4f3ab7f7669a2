"""Saved models: made once, kept in the cache, checked before they are loaded.

An artefact is a folder with the files that an engine loads and `artefact.json`, which says how long
it took to make them, with which versions, and how many bytes each file has. It is written beside
its place and moved into it, and its name holds everything that it depends on: the weights, the
batch where that is fixed, the versions, the processor. Change one of them and another is made.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from lab_utils.errors import LabError
from lab_utils.files import cache_folder, write_json
from lab_utils.machine.facts import facts, versions

if TYPE_CHECKING:
    from torch import nn

MANIFEST = "artefact.json"
Make = Callable[["nn.Module", Path, Path | None, int], None]
"""Writes its files: from the network, into a folder, with the base's folder, for a batch."""


@dataclass(frozen=True)
class Recipe:
    """How the files of a saved model are made.

    base: another recipe whose files this one converts. packages: the distributions whose versions
    decide what comes out. fixed_batch: whether the files answer one number of pictures only.
    of_this_installation: whether they hold paths of it, so that another cannot use them.
    version is raised whenever `make` changes, so that nothing older is used.
    """

    name: str
    make: Make
    packages: Sequence[str]
    base: Recipe | None = None
    fixed_batch: bool = False
    of_this_installation: bool = False
    version: int = 1


@dataclass(frozen=True)
class Artefact:
    """A saved model.

    prepare_s: seconds to make it, its base included. labels: its outputs. batch: the number of
    pictures that it takes at once, None for any.
    """

    folder: Path
    prepare_s: float
    made: str
    labels: int
    batch: int | None
    files: Mapping[str, int]

    @property
    def size_bytes(self) -> int:
        """On disk."""
        return sum(self.files.values())

    @classmethod
    def read(cls, folder: Path) -> Artefact:
        """The artefact in a folder. Raises LabError where it is not whole, or is not one."""
        try:
            said = json.loads((folder / MANIFEST).read_text())
            artefact = cls(
                folder=folder,
                prepare_s=float(said["prepare_s"]),
                made=str(said["made"]),
                labels=int(said["labels"]),
                batch=None if said["batch"] is None else int(said["batch"]),
                files={str(name): int(size) for name, size in said["files"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise LabError(
                f"{folder} holds no saved model: its {MANIFEST} is missing or unreadable. "
                "Delete the folder and prepare the model again."
            ) from None
        for name, expected in artefact.files.items():
            path = folder / name
            size = path.stat().st_size if path.exists() else 0
            if size != expected:
                raise LabError(
                    f"{path} has {size:,} bytes; expected {expected:,}, so it was cut short or "
                    f"replaced. Delete the folder {folder.name} and prepare the model again."
                )
        return artefact


def prepared(recipe: Recipe, network: nn.Module, labels: int, batch: int) -> Artefact:
    """The artefact that a recipe makes of a network: from the cache, or made now.

    Two processes that ask at once do not make it twice. Raises LabError where it cannot be made.
    """
    if not isinstance(batch, int) or batch < 1:
        raise LabError(f"The batch is {batch!r}; expected a whole number of at least 1.")
    return _prepared(recipe, network, fingerprint(network), labels, batch)


def found(recipe: Recipe, weights: str, batch: int) -> Artefact | None:
    """The artefact where the cache has it whole. weights: the network's `fingerprint`."""
    try:
        return Artefact.read(_folder(recipe, weights, batch))
    except LabError:
        return None


def fingerprint(network: nn.Module) -> str:
    """A digest of a network's weights and statistics, and of their names."""
    digest = hashlib.sha256()
    for name, values in network.state_dict().items():
        digest.update(name.encode())
        digest.update(values.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]


def _prepared(
    recipe: Recipe, network: nn.Module, weights: str, labels: int, batch: int
) -> Artefact:
    base = None if recipe.base is None else _prepared(recipe.base, network, weights, labels, batch)
    folder = _folder(recipe, weights, batch)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if folder.exists():
            try:
                return Artefact.read(folder)
            except LabError:  # what is broken is ours, and can be made again
                shutil.rmtree(folder)
        _make(recipe, network, labels, batch, base, folder)
    return Artefact.read(folder)


def _make(
    recipe: Recipe,
    network: nn.Module,
    labels: int,
    batch: int,
    base: Artefact | None,
    folder: Path,
) -> None:
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{recipe.name}-"))
    try:
        start_s = time.perf_counter()
        recipe.make(network, beside, None if base is None else base.folder, batch)
        prepare_s = time.perf_counter() - start_s + (0.0 if base is None else base.prepare_s)
        sizes = {p.name: p.stat().st_size for p in sorted(beside.iterdir()) if p.is_file()}
        document: dict[str, Any] = {
            "recipe": recipe.name,
            "prepare_s": round(prepare_s, 3),
            "made": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "labels": labels,
            "batch": batch if recipe.fixed_batch else None,
            "versions": versions(recipe.packages),
            "processor": facts().processor,
            "files": sizes,
        }
        write_json(beside / MANIFEST, document)
        os.replace(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _folder(recipe: Recipe, weights: str, batch: int) -> Path:
    depends: list[object] = [weights, facts().processor, facts().instruction_sets]
    step: Recipe | None = recipe
    while step is not None:
        depends += [step.name, step.version, versions(step.packages)]
        depends += [batch] if step.fixed_batch else []
        depends += [sys.prefix] if step.of_this_installation else []
        step = step.base
    text = json.dumps(depends, sort_keys=True)
    name = f"{recipe.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return cache_folder() / "optimize" / name
