"""The way through the course: each notebook's links to its neighbours, and the map of a unit.

Both come from the sources that exist, so that a new lesson is in its place without being listed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from lab_utils.course.sources import Kind, Source, sources
from lab_utils.files import ROOT

TITLE = re.compile(r"^# # (.+)$", re.MULTILINE)
"""The first heading of a source's text."""


def footer(source: Source, kind: Kind, root: Path = ROOT) -> str:
    """The last line of a lesson or lab, as Markdown: back, the map, onwards. "" for the others."""
    if kind not in ("lesson", "lab"):
        return ""
    here = source.built_path(kind, root)
    course = sources(root)
    place = course.index(source)
    parts = [f"[The course]({_path(course[0], here, root)})"]
    if place > 1:
        parts.insert(0, f"← {_link(course[place - 1], here, root)}")
    if place + 1 < len(course):
        parts.append(f"Next: {_link(course[place + 1], here, root)} →")
    return "---\n" + " &nbsp;·&nbsp; ".join(parts)


def with_maps(text: str, source: Source, root: Path = ROOT) -> str:
    """The text with `{UNIT}`, a unit's name in braces, replaced by links to all its lessons."""
    here = source.built_path(source.faces[0], root)
    lessons: dict[str, list[str]] = {}
    for other in sources(root):
        if other.unit is not None and other.faces == ("lesson",):
            lessons.setdefault(other.unit, []).append(_link(other, here, root))
    for unit, links in lessons.items():
        text = text.replace(f"{{{unit}}}", "<br>".join(links))
    return text


def _link(source: Source, here: Path, root: Path) -> str:
    found = TITLE.search(source.path.read_text())
    title = found[1].strip() if found else source.path.stem
    return f"[{title}]({_path(source, here, root)})"


def _path(source: Source, here: Path, root: Path) -> str:
    return Path(os.path.relpath(source.built_path(source.faces[0], root), here.parent)).as_posix()
