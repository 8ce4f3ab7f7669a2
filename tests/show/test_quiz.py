import subprocess
import sys

import pytest

from lab_utils.errors import LabError
from lab_utils.show import quiz as module
from lab_utils.show.quiz import Quiz, quiz

QUESTION = "Connections 8, rate 20 a second: mean latency?"
CHOICES = {
    "160 ms": "That is 8 × 20; Little's law divides.",
    "400 ms": "8 / 20 = 0.4 s: in flight = rate × latency.",
    "2.5 s": "That is 20 / 8: a rate for each connection, not a time.",
}
RIGHT = "400 ms"


def test_a_wrong_choice_gets_its_feedback_and_another_try() -> None:
    asked = Quiz(QUESTION, CHOICES, RIGHT)
    wrong = asked.choose("2.5 s")
    assert repr(wrong) == f"Not this one: {CHOICES['2.5 s']} Try again."
    assert (asked.tries, asked.answered) == (1, False)
    right = asked.choose(RIGHT)
    assert repr(right) == f"Right: {CHOICES[RIGHT]}"
    assert (asked.tries, asked.answered) == (2, True)


def test_reading_a_feedback_again_or_afterwards_is_no_try() -> None:
    asked = Quiz(QUESTION, CHOICES, RIGHT)
    for choice in ("2.5 s", "2.5 s", RIGHT):
        asked.choose(choice)
    assert "Try again" not in asked.choose("160 ms").text
    assert asked.tried == ["2.5 s", RIGHT]


def test_the_order_is_the_same_however_the_choices_were_written() -> None:
    backwards = dict(reversed(list(CHOICES.items())))
    shown = list(Quiz(QUESTION, CHOICES, RIGHT).choices)
    assert shown == list(Quiz(QUESTION, backwards, RIGHT).choices)
    other = "import sys; from lab_utils.show.quiz import Quiz; print(*Quiz(%r, %r, %r).choices)"
    done = subprocess.run(
        [sys.executable, "-c", other % (QUESTION, CHOICES, RIGHT)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == " ".join(shown)


def test_the_place_of_the_right_choice_betrays_nothing() -> None:
    """Over 600 questions it is in each of three places about equally often (200 ± 5 sigma)."""
    places = [0, 0, 0]
    for number in range(600):
        asked = Quiz(f"{QUESTION} {number}", CHOICES, RIGHT)
        places[list(asked.choices).index(RIGHT)] += 1
    assert all(142 < place < 258 for place in places)


def test_in_a_terminal_it_is_text_without_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    asked = quiz(QUESTION, CHOICES, RIGHT)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Question: {QUESTION}"
    assert [line[3:] for line in lines[1:]] == list(asked.choices)
    assert [line[0] for line in lines[1:]] == ["A", "B", "C"]


def test_a_kept_page_folds_the_answers_away(monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[object] = []
    monkeypatch.setattr(module, "Shown", pages.append)
    quiz("Is 1 < 2?", {"a < b": "Yes & no.", "b": "No."}, right="a < b")
    page = pages[0]._repr_html_()  # type: ignore[attr-defined]
    open_part, folded = page.split("<details>")
    assert "Is 1 &lt; 2?" in open_part
    assert "a &lt; b" in open_part
    assert "Yes &amp; no." not in open_part
    assert "<strong>Right:</strong> Yes &amp; no." in folded
    assert folded.count("Right:") == 1


def test_code_and_emphasis_are_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[object] = []
    monkeypatch.setattr(module, "Shown", pages.append)
    quiz("Why `a < b`?", {"*now*": "A `c`.", "2 * 3 * 4, a_b_c": "No."}, right="*now*")
    page = pages[0]._repr_html_()  # type: ignore[attr-defined]
    assert "Why <code>a &lt; b</code>?" in page
    assert "<li><em>now</em></li>" in page
    assert "A <code>c</code>." in page
    assert "<li>2 * 3 * 4, a_b_c</li>" in page


def test_the_buttons_show_feedback_and_mark_what_was_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The live form, driven as a front end drives it: clicks."""
    shown: list[object] = []
    monkeypatch.setattr(module, "surface", lambda: "live")
    monkeypatch.setattr("IPython.display.display", shown.append)
    asked = quiz(QUESTION, CHOICES, RIGHT)
    question, *rows, feedback = shown[0].children  # type: ignore[attr-defined]
    assert QUESTION in question.value
    buttons = dict(zip(asked.choices, (row.children[0] for row in rows), strict=True))
    texts = [row.children[1].value for row in rows]
    assert all(f">{choice}<" in text for choice, text in zip(asked.choices, texts, strict=True))

    buttons["160 ms"].click()
    assert "Little's law divides." in feedback.value
    assert buttons["160 ms"].button_style == "danger"
    assert not asked.answered

    buttons[RIGHT].click()
    assert "8 / 20 = 0.4 s" in feedback.value
    assert buttons[RIGHT].button_style == "success"
    assert (asked.tries, asked.answered) == (2, True)


@pytest.mark.parametrize(
    ("question", "choices", "right", "says"),
    [
        (" ", CHOICES, RIGHT, "has no question"),
        (QUESTION, {RIGHT: "Right."}, RIGHT, "needs at least two choices; 1 given"),
        (QUESTION, CHOICES, "0.4 s", "'0.4 s' .* is not among its choices; expected one of '160"),
        (QUESTION, CHOICES | {"1 s": " "}, RIGHT, "The choice '1 s' .* lacks"),
        (QUESTION, CHOICES | {"": "Why?"}, RIGHT, "The choice '' .* lacks"),
    ],
)
def test_nonsense_is_refused(question: str, choices: dict[str, str], right: str, says: str) -> None:
    with pytest.raises(LabError, match=says):
        quiz(question, choices, right)


def test_a_choice_that_does_not_exist_is_refused() -> None:
    with pytest.raises(LabError, match="no choice 'A'; expected one of"):
        Quiz(QUESTION, CHOICES, RIGHT).choose("A")
