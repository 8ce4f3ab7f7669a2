import pytest

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show import predict as module
from lab_utils.show.predict import Prediction, in_words, number, predict

MEASURED = Interval(184, 170, 201, 30)


@pytest.mark.parametrize(
    ("guess", "words"),
    [
        (20, "You guessed 20 ms; measured 184 ms [170 to 201]: 9.2 times more."),
        (1840, "You guessed 1,840 ms; measured 184 ms [170 to 201]: 10 times less."),
        (172, "You guessed 172 ms; measured 184 ms [170 to 201]: within the interval"),
        (168, "You guessed 168 ms; measured 184 ms [170 to 201]: within 10 %"),
        (0, "You guessed 0 ms; measured 184 ms [170 to 201]: 184 more."),
        (None, "You made no guess; measured 184 ms [170 to 201]."),
    ],
)
def test_guess_and_measurement_in_words(guess: float | None, words: str) -> None:
    assert in_words(guess, MEASURED, "ms").startswith(words)


def test_a_plain_number_may_be_revealed() -> None:
    assert in_words(2, 7.6, "s") == "You guessed 2 s; measured 7.6 s: 3.8 times more."


def test_a_guess_is_kept_and_revealed(capsys: pytest.CaptureFixture[str]) -> None:
    guess = predict("How long?", unit="ms")
    guess.keep(20)
    guess.reveal(MEASURED)
    printed = capsys.readouterr().out
    assert "How long? (in ms)" in printed
    assert "You guessed 20 ms" in printed


def test_a_guess_made_after_run_all_is_laid_beside_what_was_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    guess = predict("How long?", unit="ms")
    guess.reveal(MEASURED)
    assert "You made no guess" in capsys.readouterr().out
    guess.keep(20)
    assert "You guessed 20 ms; measured 184 ms" in capsys.readouterr().out


@pytest.mark.parametrize("guess", [float("nan"), float("inf")])
def test_a_guess_that_is_no_number_is_refused(guess: float) -> None:
    with pytest.raises(LabError, match="expected a number"):
        Prediction("How long?").keep(guess)


def test_the_field_keeps_a_number_and_explains_what_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The live form, driven as a front end drives it: text into the field, a click."""
    shown: list[object] = []
    monkeypatch.setattr(module, "surface", lambda: "live")
    monkeypatch.setattr("IPython.display.display", shown.append)
    guess = predict("How long is `sized`?", unit="ms")
    question, row = shown[0].children  # type: ignore[attr-defined]
    assert "How long is <code>sized</code>?" in question.value
    field, unit, button, kept = row.children
    assert unit.value == "ms"

    field.value = "twenty"
    button.click()
    assert guess.guess is None
    assert "'twenty' is not a number" in kept.value

    field.value = "1,200"
    button.click()
    assert guess.guess == 1200
    assert kept.value == "Kept: 1,200 ms."
    assert field.disabled
    assert button.disabled


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.000287, "0.000287"), (1, "1"), (1154.3, "1,154"), (-2.5, "-2.5"), (99.96, "100")],
)
def test_numbers_have_three_figures_and_no_exponent(value: float, text: str) -> None:
    assert number(value) == text
