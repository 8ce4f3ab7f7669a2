"""Where output goes: a live notebook, a headless run of one, or a terminal."""

from __future__ import annotations

import html
import os
from typing import Any, Literal

Surface = Literal["live", "headless", "terminal"]
HEADLESS = "INFERENCE_LAB_HEADLESS"
LIVE_SIGNS = ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG")
"""What notebook front ends with a person before them set for their kernels."""


def surface() -> Surface:
    """Where this process's output is seen.

    "live": a front end that shows widgets. "headless": a kernel without a person (papermill,
    nbclient, nbval), whose output is kept as a page. `INFERENCE_LAB_HEADLESS=1` asks for it.
    "terminal": no kernel at all.
    """
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return "terminal"
    if os.environ.get(HEADLESS):
        return "headless"
    return "live" if any(sign in os.environ for sign in LIVE_SIGNS) else "headless"


BOX = (
    "border-left: 4px solid {colour}; padding: 0.4em 0.9em; margin: 0.3em 0; line-height: 1.45; "
    "max-width: 46em"
)


def inline(text: str) -> str:
    """Inline Markdown as HTML: code, emphasis and nothing else; the rest is escaped.

    >>> inline("`a < b`, *now*")
    '<code>a &lt; b</code>, <em>now</em>'
    """
    from markdown_it import MarkdownIt

    rendered: str = MarkdownIt("zero").enable(["backticks", "emphasis"]).renderInline(text)
    return rendered


class Note:
    """A short text in a box with a coloured edge; plain text where there is no HTML.

    markdown: whether the text was written for the course, with code and emphasis in it; a message
    that quotes what somebody gave is shown as it is.
    """

    def __init__(
        self, text: str, colour: str = "#0072B2", label: str = "", *, markdown: bool = False
    ) -> None:
        self.text = text
        self.label = label
        self._style = BOX.format(colour=colour)
        self._html = inline if markdown else html.escape

    def __repr__(self) -> str:
        return f"{self.label}: {self.text}" if self.label else self.text

    def _repr_html_(self) -> str:
        label = f"<strong>{html.escape(self.label)}:</strong> " if self.label else ""
        text = self._html(self.text).replace("\n", "<br>")
        return f'<div style="{self._style}">{label}{text}</div>'


class Shown:
    """Something displayed whose content may change in place; the last one is what is kept."""

    def __init__(self, content: Any) -> None:
        self._handle: Any = None
        self._terminal = surface() == "terminal"
        self.show(content)

    def show(self, content: Any) -> None:
        """Put the content in the place of what was shown before."""
        if self._terminal:
            print(content)
        elif self._handle is None:
            from IPython.display import display

            self._handle = display(content, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(content)
