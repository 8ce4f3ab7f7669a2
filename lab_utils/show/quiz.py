"""A question with choices, each of which says why it is right or wrong.

    quiz(
        "A service with 4 workers keeps one core busy. What do you look at first?",
        {
            "Which core each worker may run on": "Right: four processes pinned to one core …",
            "A faster network": "Little time is spent there: the core-seconds say so.",
        },
        right="Which core each worker may run on",
    )

In a live notebook each choice is a button, and a wrong one may be followed by another. Run
headless it is a text whose answers are folded away.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from typing import Any

from lab_utils.errors import LabError
from lab_utils.show.surface import Note, Shown, inline, surface

QUESTION_COLOUR = "#0072B2"
RIGHT_COLOUR = "#009E73"
WRONG_COLOUR = "#D55E00"
TEXT = "line-height: 1.45; padding: 0.25em 0.5em; max-width: 43em"


class Quiz:
    """One question and what has been answered.

    choices: text → feedback, in the order shown. right: the text of the right one. tried: the
    choices made, in order, up to the right one. Raises LabError for a question without text, fewer
    than two choices, a right choice that is not among them, or a choice without feedback.
    """

    def __init__(self, question: str, choices: Mapping[str, str], right: str) -> None:
        if not question.strip():
            raise LabError("The quiz has no question; write one before its choices.")
        if len(choices) < 2:
            raise LabError(
                f"The quiz {question!r} needs at least two choices; {len(choices)} given."
            )
        if right not in choices:
            raise LabError(
                f"The right choice {right!r} of the quiz {question!r} is not among its choices; "
                f"expected one of {', '.join(map(repr, choices))}."
            )
        for choice, feedback in choices.items():
            if not choice.strip() or not feedback.strip():
                raise LabError(
                    f"The choice {choice!r} of the quiz {question!r} lacks its text or its "
                    "feedback; say in a sentence why it is right or wrong."
                )
        self.question = question
        self.choices = {choice: choices[choice] for choice in _order(question, choices)}
        self.right = right
        self.tried: list[str] = []

    @property
    def tries(self) -> int:
        """How many different choices were made, up to the right one."""
        return len(self.tried)

    @property
    def answered(self) -> bool:
        """Whether the right choice has been made."""
        return self.right in self.tried

    def choose(self, choice: str) -> Note:
        """Make a choice and get its feedback; LabError where there is no such choice.

        After the right one, the others may still be read; they are not counted.
        """
        if choice not in self.choices:
            raise LabError(
                f"There is no choice {choice!r}; expected one of "
                f"{', '.join(map(repr, self.choices))}."
            )
        if not self.answered and choice not in self.tried:
            self.tried.append(choice)
        if choice == self.right:
            return Note(self.choices[choice], RIGHT_COLOUR, "Right", markdown=True)
        again = "" if self.answered else " Try again."
        return Note(self.choices[choice] + again, WRONG_COLOUR, "Not this one", markdown=True)

    def _ipython_display_(self) -> None:
        """Nothing: `quiz` has shown it, so a cell that ends with it does not show it twice."""


def quiz(question: str, choices: Mapping[str, str], right: str) -> Quiz:
    """Ask a question. choices: text → feedback; right: the text of the right choice."""
    asked = Quiz(question, choices, right)
    if surface() == "live":
        _show_buttons(asked)
    else:
        Shown(_Page(asked))
    return asked


def _order(question: str, choices: Mapping[str, str]) -> list[str]:
    """The same order in every run, and one that depends on the texts alone, not on their roles."""
    return sorted(choices, key=lambda c: hashlib.sha256(f"{question}\n{c}".encode()).digest())


def _question(asked: Quiz) -> str:
    return Note(asked.question, QUESTION_COLOUR, "Question", markdown=True)._repr_html_()


class _Page:
    """A quiz as it is kept on a page: the question, the choices, the answers folded away."""

    def __init__(self, asked: Quiz) -> None:
        self._asked = asked

    def __repr__(self) -> str:
        lines = [
            f"{letter}  {choice}"
            for letter, choice in zip(string.ascii_uppercase, self._asked.choices, strict=False)
        ]
        return "\n".join([f"Question: {self._asked.question}", *lines])

    def _repr_html_(self) -> str:
        asked = self._asked
        question = _question(asked)
        choices = "".join(f"<li>{inline(choice)}</li>" for choice in asked.choices)
        answers = "".join(
            f"<li>{'<strong>Right:</strong> ' if choice == asked.right else ''}"
            f"{inline(feedback)}</li>"
            for choice, feedback in asked.choices.items()
        )
        return (
            f'{question}<ol type="A">{choices}</ol>'
            f'<details><summary>Answer</summary><ol type="A">{answers}</ol></details>'
        )


def _show_buttons(asked: Quiz) -> None:
    """The question, a lettered button before each choice, and the feedback beneath."""
    import ipywidgets as widgets
    from IPython.display import display

    feedback = widgets.HTML()

    def row(letter: str, choice: str) -> Any:
        button = widgets.Button(
            description=letter, tooltip=choice, layout=widgets.Layout(width="3em", flex="0 0 auto")
        )

        def choose(_: Any) -> None:
            feedback.value = asked.choose(choice)._repr_html_()
            button.button_style = "success" if choice == asked.right else "danger"

        button.on_click(choose)
        text = widgets.HTML(f'<div style="{TEXT}">{inline(choice)}</div>')
        return widgets.HBox([button, text])

    question = widgets.HTML(_question(asked))
    rows = [
        row(letter, choice)
        for letter, choice in zip(string.ascii_uppercase, asked.choices, strict=False)
    ]
    display(widgets.VBox([question, *rows, feedback]))  # type: ignore[no-untyped-call]
