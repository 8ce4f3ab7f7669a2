"""Models of true shapes with seeded weights, written once and kept.

    path = seeded(SMALL, "q4_0", watch=watching("Tensors"))

See `gguf_file`: as large and as slow as the real model; what they say means nothing.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock

from lab_utils.errors import LabError
from lab_utils.files import cache_folder
from lab_utils.models.decoder import Decoder
from lab_utils.models.language.gguf_file import Kind, Watch, bits_of, write_seeded

VERSION = 1
"""Raised whenever the file's form changes, so that nothing older is used."""


def seeded(shape: Decoder, kind: Kind, watch: Watch = lambda names: names) -> Path:
    """The file of a shape, found or written now (the 7B's takes half a minute at 4 bits).

    Raises LabError where the disk has no room for it.
    """
    digest = hashlib.sha256(repr((VERSION, shape)).encode()).hexdigest()[:12]
    name = f"{shape.parameters / 1e9:.1f}b-{kind}-{digest}.gguf"
    path = cache_folder() / "language" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            needed, free = shape.parameters * bits_of(kind) / 8, shutil.disk_usage(path.parent).free
            if needed * 1.05 > free:
                raise LabError(
                    f"{name} needs {needed / 1e9:.1f} GB; {path.parent} has {free / 1e9:.1f} GB "
                    "left. Free some, or set INFERENCE_LAB_CACHE to a folder on a larger disk."
                )
            write_seeded(path, shape, kind, watch=watch)
    return path


def prompt(shape: Decoder, length: int, seed: int = 0) -> Sequence[int]:
    """Any tokens will do: their number decides the time, not what they are."""
    chance = np.random.default_rng(seed)
    return [int(token) for token in chance.integers(2, shape.vocabulary, length)]
