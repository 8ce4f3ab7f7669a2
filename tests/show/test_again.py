import pytest

from lab_utils.errors import LabError
from lab_utils.show.again import with_button


def test_the_button_takes_the_step_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    seen: list[tuple[str, bool]] = []
    monkeypatch.setattr("IPython.display.display", shown.append)

    def step(text: str) -> None:
        seen.append((text, shown[0].children[1].disabled))  # type: ignore[attr-defined]

    with_button("Check again", lambda: step("first"), lambda: step("again"))
    button = shown[0].children[1]  # type: ignore[attr-defined]
    assert button.description == "Check again"
    button.click()
    button.click()
    assert seen == [("first", True), ("again", True), ("again", True)]
    assert not button.disabled


def refuse() -> None:
    raise LabError("Nothing is there.")


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_refusal_is_a_sentence_and_an_interrupt_goes_through(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[object] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    with pytest.raises(KeyboardInterrupt):
        with_button("Check again", interrupt, refuse)
    button = shown[0].children[1]  # type: ignore[attr-defined]
    assert not button.disabled
    button.click()
    assert "Error: Nothing is there." in capsys.readouterr().out
