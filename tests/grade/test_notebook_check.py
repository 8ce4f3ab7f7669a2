"""The advisory check of a lab's notebook, in the learner's own process."""

from types import SimpleNamespace

import pytest

from lab_utils.errors import LabError
from lab_utils.grade.answer import GRADING
from lab_utils.grade.notebook import STRICT, checks_for

check = checks_for("1_resnet_service")


def softmaxed(logits, labels, k):  # type: ignore[no-untyped-def]
    probabilities, indices = logits.softmax(0).topk(k)
    pairs = zip(indices.tolist(), probabilities.tolist(), strict=True)
    return [{"label": labels[i], "probability": p} for i, p in pairs]


def raw(logits, labels, k):  # type: ignore[no-untyped-def]
    values, indices = logits.topk(k)
    pairs = zip(indices.tolist(), values.tolist(), strict=True)
    return [{"label": labels[i], "probability": v} for i, v in pairs]


def blank(logits, labels, k):  # type: ignore[no-untyped-def]
    raise NotImplementedError("postprocess")


def broken(logits, labels, k):  # type: ignore[no-untyped-def]
    return logits.no_such_thing


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (softmaxed, "✓ postprocess: right on every input tried (advice, not a mark)"),
        (raw, "✗ postprocess: The figures are raw logits"),
        (blank, "✗ postprocess: Not done yet"),
        (broken, "✗ postprocess: postprocess raised AttributeError"),
        (lambda logits, labels, k: object(), "not a plain value"),
        (None, "✗ postprocess: "),
    ],
)
def test_it_says_what_is_wrong_and_goes_on(
    answer: object, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check("postprocess", answer)  # type: ignore[arg-type]
    assert said in capsys.readouterr().out


def test_a_strict_run_stops_at_a_wrong_answer_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STRICT, "1")
    check("postprocess", softmaxed)
    with pytest.raises(LabError, match="'postprocess' did not pass"):
        check("postprocess", raw)


def test_a_live_check_looks_the_function_up_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The live form, with a shell and buttons but without a front end."""
    shown: list[object] = []
    shell = SimpleNamespace(user_ns={})
    monkeypatch.setattr("lab_utils.grade.notebook.surface", lambda: "live")
    monkeypatch.setattr("IPython.display.display", shown.append)
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: shell)
    monkeypatch.setattr("lab_utils.show.surface.surface", lambda: "terminal")
    check("postprocess", blank)
    assert "Not done yet" in capsys.readouterr().out
    button = shown[0].children[1]  # type: ignore[attr-defined]
    button.click()
    assert "No function postprocess is defined; run the cell" in capsys.readouterr().out
    shell.user_ns["postprocess"] = softmaxed
    button.click()
    assert "✓ postprocess: right on every input" in capsys.readouterr().out


def test_while_it_is_graded_a_notebook_checks_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(GRADING, "1")
    monkeypatch.setenv(STRICT, "1")
    check("postprocess", raw)
    assert capsys.readouterr().out == ""


def test_an_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(LabError, match=r"no task 'preproces'.*preprocess, postprocess"):
        check("preproces", softmaxed)
