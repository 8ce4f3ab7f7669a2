"""Pages for a person that are one file each: no script, nothing from the internet.

A template ends in `.html.j2`, is escaped, and takes the course's style by including `page.css`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab_utils.measure.interval import plain

STYLE = Path(__file__).with_name("page.css")


def page(template: Path, **values: Any) -> str:
    """The page that a template gives; a name that it misses is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, STYLE.parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seconds"] = seconds
    environment.filters["figure"] = figure
    return environment.get_template(template.name).render(**values)


def seconds(duration_s: float | None) -> str:
    """A duration for a person.

    >>> seconds(3.21), seconds(95), seconds(None)
    ('3.2 s', '1 min 35 s', '')
    """
    if duration_s is None:
        return ""
    if duration_s < 60:
        return f"{duration_s:.1f} s"
    return f"{int(duration_s) // 60} min {int(duration_s) % 60} s"


def figure(value: float) -> str:
    """Three digits that matter, without an exponent where a person would not write one.

    >>> figure(61.234), figure(0.8234), figure(24557), figure(2.5e-07)
    ('61.2', '0.823', '24,557', '2.5e-07')
    """
    return plain(value)
