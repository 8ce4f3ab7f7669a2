"""Where the course's own language model is kept, and under which names."""

from __future__ import annotations

from pathlib import Path

from lab_utils.files import cache_folder

HELD_OUT = "held_out.txt"
"""Text that it was not trained on."""
ORIGIN = "origin.json"
"""How it was made; written last, so only a whole model has one."""


def own_folder() -> Path:
    """On this machine: it is trained once."""
    return cache_folder() / "language-model"
