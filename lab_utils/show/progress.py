"""How far a long step has come, and about when it will end.

    for picture in progress(pictures, "Requests"): ...
    interleaved(runs, rounds=6, watch=watching("Rounds"))
    with waiting("Starting three services", about_s=15): ...
    engines = side_by_side({"int8": load_int8, "int4": load_int4}, "Engines")

One line that changes in place. When the step is over it says what was done and how long it took,
so that a headless run keeps a clean page.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from lab_utils.show.surface import surface

T = TypeVar("T")
PERIOD_S = 0.5
WIDTH = 30


def progress(items: Sequence[T], label: str) -> Iterator[T]:
    """The items one by one, with a bar above them."""
    start_s = time.monotonic()
    line = _Line(_bar(label, 0, f"0 of {len(items)}"))
    for done, item in enumerate(items):
        try:
            yield item
        except GeneratorExit:  # the loop needs no more
            passed_s = time.monotonic() - start_s
            line.end(f"{label}: {done + 1} of at most {len(items)}, {passed_s:.1f} s")
            raise
        passed_s = time.monotonic() - start_s
        left_s = passed_s / (done + 1) * (len(items) - done - 1)
        count = f"{done + 1} of {len(items)}"
        if done + 1 < len(items):
            line.show(_bar(label, (done + 1) / len(items), f"{count}, about {left_s:.0f} s left"))
        else:
            line.end(f"{label}: {count}, {passed_s:.1f} s")


def watching(label: str) -> Callable[[Sequence[int]], Iterator[int]]:
    """`progress` as functions of `measure` take it: from a sequence to its items."""
    return lambda items: progress(items, label)


def side_by_side(makes: Mapping[str, Callable[[], T]], label: str) -> dict[str, T]:
    """What each gives, by name, all at work at the same time; a bar counts those that are done.

    For steps that keep one core busy outside Python, as loading a model does. What one of them
    raises is raised here, once all have ended.
    """
    with ThreadPoolExecutor(len(makes)) as threads:
        begun = {name: threads.submit(make) for name, make in makes.items()}
        return {name: begun[name].result() for name in progress(list(begun), label)}


@contextmanager
def waiting(label: str, about_s: float) -> Iterator[None]:
    """A bar for one step that gives no sign until it ends; `about_s` is what is expected."""
    start_s = time.monotonic()
    line = _Line(_bar(label, 0, f"about {about_s:.0f} s"))
    over = threading.Event()

    def tick() -> None:
        while not over.wait(PERIOD_S):
            passed_s = time.monotonic() - start_s
            line.show(_bar(label, min(passed_s / about_s, 0.99), f"{passed_s:.0f} s"))

    # A headless page keeps only the last line, so nothing needs to move.
    ticker = threading.Thread(target=tick, daemon=True) if surface() != "headless" else None
    if ticker is not None:
        ticker.start()
    outcome = "stopped by an error after"
    try:
        yield
        outcome = "done in"
    finally:
        over.set()
        if ticker is not None:
            ticker.join()
        line.end(f"{label}: {outcome} {time.monotonic() - start_s:.1f} s")


def _bar(label: str, share: float, text: str) -> str:
    filled = int(WIDTH * share)
    return f"{label} {'█' * filled}{'░' * (WIDTH - filled)} {text}"


class _Text:
    """A line of text that a notebook shows without quotation marks."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class _Line:
    """A line that changes in place, in a notebook or a terminal."""

    def __init__(self, text: str) -> None:
        self._live = surface() == "live"
        self._terminal = surface() == "terminal"
        self._moves = self._terminal and sys.stderr.isatty()
        self._handle: Any = None
        self.show(text)

    def show(self, text: str) -> None:
        if self._moves:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif self._terminal:
            return
        elif self._live:
            self._show_widget(text)
        elif self._handle is None:
            from IPython.display import display

            self._handle = display(_Text(text), display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(_Text(text))

    def _show_widget(self, text: str) -> None:
        # A widget, since within an Output a display is not updated.
        if self._handle is None:
            import ipywidgets as widgets
            from IPython.display import display

            self._handle = widgets.Label(style={"font_family": "monospace"})
            display(self._handle)  # type: ignore[no-untyped-call]
        self._handle.value = text

    def end(self, text: str) -> None:
        if self._terminal:
            print(f"\r\x1b[K{text}" if self._moves else text, file=sys.stderr, flush=True)
        else:
            self.show(text)
