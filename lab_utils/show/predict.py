"""Predict before you measure: a guess is asked for, kept, and laid beside the measurement.

    guess = predict("How long does the first request take?", unit="s")
    …
    guess.reveal(measured)

In a live notebook `predict` shows a field and a button. Run headless it is a line of text, and
`reveal` says that no guess was made.
"""

from __future__ import annotations

import math
from typing import Any

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show.surface import Note, Shown, surface

QUESTION_COLOUR = "#E69F00"
ANSWER_COLOUR = "#009E73"


class Prediction:
    """One question, and the guess once it is made."""

    def __init__(self, question: str, unit: str = "") -> None:
        self.question = question
        self.unit = unit
        self.guess: float | None = None
        self._measured: Interval | float | None = None
        self._revealed: Shown | None = None

    def keep(self, guess: float) -> None:
        """Keep a guess; laid beside the measurement at once where that was shown already."""
        if not math.isfinite(guess):
            raise LabError(f"The guess is {guess}; expected a number.")
        self.guess = float(guess)
        if self._revealed is not None:
            self._revealed.show(self._answer())

    def reveal(self, measured: Interval | float) -> None:
        """Show the measurement, and the guess beside it in words."""
        self._measured = measured
        self._revealed = Shown(self._answer())

    def _answer(self) -> Note:
        assert self._measured is not None
        return Note(in_words(self.guess, self._measured, self.unit), ANSWER_COLOUR, "Measured")


def predict(question: str, unit: str = "") -> Prediction:
    """Ask for a number, in `unit`, before it is measured."""
    prediction = Prediction(question, unit)
    if surface() == "live":
        _show_field(prediction)
    else:
        Shown(_asked(question + (f" (in {unit})" if unit else "")))
    return prediction


def in_words(guess: float | None, measured: Interval | float, unit: str = "") -> str:
    """The guess beside the measurement.

    >>> in_words(20, Interval(184, 170, 201, 30), "ms")
    'You guessed 20 ms; measured 184 ms [170 to 201]: 9.2 times more.'
    """
    interval = measured if isinstance(measured, Interval) else None
    value = interval.median if interval is not None else float(measured)  # type: ignore[arg-type]
    figure = quantity(value, unit)
    if interval is not None:
        figure += f" [{number(interval.low)} to {number(interval.high)}]"
    if guess is None:
        return f"You made no guess; measured {figure}."
    verdict = _verdict(guess, value, interval)
    return f"You guessed {quantity(guess, unit)}; measured {figure}: {verdict}."


def number(value: float) -> str:
    """A number as a person writes it: three figures, no exponent.

    >>> number(184.2), number(0.01234), number(1234.5), number(2)
    ('184', '0.0123', '1,234', '2')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float, unit: str) -> str:
    """A number with its unit.

    >>> quantity(20, "ms"), quantity(97.5, "%"), quantity(2, "times")
    ('20 ms', '97.5 %', '2 times')
    """
    return f"{number(value)} {unit}".rstrip()


def _verdict(guess: float, value: float, interval: Interval | None) -> str:
    if interval is not None and interval.low <= guess <= interval.high:
        return "within the interval, well guessed"
    if guess <= 0 or value <= 0:
        return f"{number(abs(value - guess))} {'more' if value > guess else 'less'}"
    ratio = value / guess
    if 1 / 1.1 < ratio < 1.1:
        return "within 10 %, well guessed"
    return f"{_times(ratio)} more" if ratio > 1 else f"{_times(1 / ratio)} less"


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times" if ratio < 10 else f"{ratio:,.0f} times"


def _asked(question: str) -> Note:
    return Note(question, QUESTION_COLOUR, "Your guess", markdown=True)


def _show_field(prediction: Prediction) -> None:
    """A question, a field, a button. The guess may be made after the reveal, too ("Run All")."""
    import ipywidgets as widgets
    from IPython.display import display

    field = widgets.Text(placeholder="a number", layout=widgets.Layout(width="9em"))
    button = widgets.Button(description="Keep my guess", button_style="info")
    kept = widgets.Label()

    def keep(_: Any) -> None:
        try:
            prediction.keep(float(field.value.replace(",", "").strip()))
        except (ValueError, LabError):
            kept.value = f"{field.value!r} is not a number; write one such as 20 or 0.5."
            return
        assert prediction.guess is not None
        kept.value = f"Kept: {quantity(prediction.guess, prediction.unit)}."
        field.disabled = button.disabled = True

    button.on_click(keep)
    question = widgets.HTML(_asked(prediction.question)._repr_html_())
    row = widgets.HBox([field, widgets.Label(prediction.unit), button, kept])
    display(widgets.VBox([question, row]))  # type: ignore[no-untyped-call]
