"""A step of a live notebook that may be taken again with a button.

with_button("Check again", first=lambda: check(f), again=lambda: check(f_as_it_is_now()))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab_utils.errors import LabError
from lab_utils.show.surface import Note, Shown

AT_WORK = "At work …"
ERROR_COLOUR = "#D55E00"


def with_button(label: str, first: Callable[[], None], again: Callable[[], None]) -> None:
    """Do the step now, with a button beneath that does it again in place of what it showed.

    first, again: what is done, displaying as it goes; a LabError becomes a sentence. Only for a
    live notebook.
    """
    import ipywidgets as widgets
    from IPython.display import display

    output = widgets.Output()
    button = widgets.Button()

    def take(step: Callable[[], None]) -> None:
        button.disabled, button.description = True, AT_WORK
        output.clear_output(wait=True)
        interrupted = False
        with output:
            try:
                step()
            except LabError as error:
                Shown(Note(str(error), ERROR_COLOUR, "Error"))
            except KeyboardInterrupt:
                interrupted = True
        button.disabled, button.description = False, label
        if interrupted:  # not inside: an Output keeps what is raised, and "Run All" would go on
            raise KeyboardInterrupt

    def clicked(_: Any) -> None:
        take(again)

    button.on_click(clicked)
    display(widgets.VBox([output, button]))  # type: ignore[no-untyped-call]
    take(first)
