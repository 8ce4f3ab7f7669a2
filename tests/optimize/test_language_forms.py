"""Forms are made once, of a model in memory and of a shape, and the engines load them."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from lab_utils.models.language.seeded import prompt, seeded, seeded_folder
from lab_utils.models.language.small import WINDOW, held_out, load
from lab_utils.optimize import language_forms
from lab_utils.optimize.language_forms import from_gguf, onnx, openvino, shown
from lab_utils.optimize.language_openvino import Rounding
from lab_utils.serve.llm.engine import Engine
from lab_utils.serve.llm.onnx_engine import OnnxEngine
from tests.models.language.untrained import TINY


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))


def test_a_shape_in_hugging_faces_form_is_of_that_shape_and_made_once() -> None:
    folder = seeded_folder(TINY)
    network = AutoModelForCausalLM.from_pretrained(folder)
    assert sum(p.numel() for p in network.parameters()) == TINY.parameters
    assert len(AutoTokenizer.from_pretrained(folder)) == TINY.vocabulary
    made = (folder / "config.json").stat().st_mtime_ns
    assert seeded_folder(TINY) == folder
    assert (folder / "config.json").stat().st_mtime_ns == made


def test_both_engines_answer_from_seeded_forms() -> None:
    prompts = [prompt(TINY, 9, seed) for seed in range(2)]
    forms = {Engine: openvino(TINY, Rounding(4, 64)), OnnxEngine: onnx(TINY, "int4")}
    for engine, folder in forms.items():
        with engine(folder, threads=1) as loaded:
            run = loaded.run(prompts, 6)
            assert [len(answer) for answer in run.tokens] == [6, 6]
            assert len(run.token_s) == 5
            assert (run.step_s > 0).all()
            assert loaded.run(prompts[:1], 6).tokens == run.tokens[:1]


def test_a_form_of_a_file_answers_as_the_file_does_and_leaves_no_file(tmp_path: Path) -> None:
    folder, answers = from_gguf(TINY, "q4_0"), []
    assert not list(tmp_path.rglob("*.gguf"))
    for path in (folder, seeded(TINY, "q4_0")):
        with Engine(path, threads=1) as engine:
            answers.append(engine.run([prompt(TINY, 9)], 6).tokens)
    assert answers[0] == answers[1]
    assert from_gguf(TINY, "q4_0") == folder != from_gguf(TINY, "q8_0")


def test_a_form_is_made_once_and_another_rounding_is_another_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sixteen, four = openvino(TINY), openvino(TINY, Rounding(4, 64))
    assert sixteen != four != openvino(TINY, Rounding(4, 32))
    for module in (language_forms.language_openvino, language_forms.language_onnx):
        monkeypatch.setattr(module, "exported", lambda *_: pytest.fail("made again"))
    assert (openvino(TINY), openvino(TINY, Rounding(4, 64))) == (sixteen, four)


def test_what_a_method_is_shown_is_not_what_the_model_is_judged_on() -> None:
    model = load()
    found = shown(model, 4)
    assert found.shape == (4, WINDOW)
    judged = held_out()
    for text in found:
        assert model.text(text[64:192].tolist()) not in judged
