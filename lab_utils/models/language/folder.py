"""Where the course's own language model is kept, and under which names."""

from __future__ import annotations

from pathlib import Path

from lab_utils.files import ROOT, cache_folder

HELD_OUT = "held_out.txt"
"""Text that it was not trained on."""
LEARNED = "learned.json"
"""Stretches of the text that it was trained on, for methods that are shown some."""
ORIGIN = "origin.json"
"""How it was made; written last, so only a whole model has one."""

CARRIED = ROOT / "data" / "language"
"""The one that the course carries."""


def trained_folder() -> Path:
    """Where one that was trained on this machine is kept."""
    return cache_folder() / "language-model"


def own_folder() -> Path:
    """Of the model in use: the one trained here, where there is one, else the carried one."""
    return trained_folder() if (trained_folder() / ORIGIN).exists() else CARRIED
