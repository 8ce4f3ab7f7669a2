from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from lab_utils.errors import LabError
from lab_utils.machine.cores import available_cores
from lab_utils.optimize.artefacts import Artefact
from lab_utils.optimize.comparison import Outcome, answer_in_turn, speed
from lab_utils.optimize.variant import Floats
from lab_utils.optimize.variants import load
from lab_utils.optimize.worker import Running, VariantProcess
from tests.optimize.saved import HERE, artefact

pytestmark = pytest.mark.alone  # it computes with all cores

QUICK = ("ONNX Runtime", "OpenVINO fp32")
"""Their processes start without PyTorch."""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    workers = Running()
    workers.start({name: artefact(name) for name in QUICK}, threads=1)
    yield workers
    workers.stop()


def busy_threads(worker: VariantProcess, inputs: Floats) -> int:
    """Threads of the process that computed while it answered: for more than a few clock ticks."""
    [process] = [p for p in worker.processes() if "lab_utils.optimize.worker" in p.cmdline()]
    before = {t.id: t.user_time for t in process.threads()}
    worker.answer(inputs)
    return sum(t.user_time - before.get(t.id, 0.0) > 0.03 for t in process.threads())


def test_a_fresh_process_answers_as_this_one(running: Running, inputs: Floats) -> None:
    for name in QUICK:
        here = load(name, artefact(name), threads=1)
        expected = np.concatenate([here(picture[None]) for picture in inputs[:3]])
        answered = running[name].answer(inputs[:3], warm_up=1)
        np.testing.assert_allclose(answered.logits, expected, rtol=1e-4, atol=1e-4)
        assert len(answered.durations_s) == 3
        assert all(s > 0 for s in answered.durations_s)


def test_a_process_says_how_it_started(running: Running) -> None:
    worker = running["ONNX Runtime"]
    assert list(worker.startup.durations_s) == ["start Python", "import", "load"]
    assert worker.engine.startswith("ONNX Runtime ")
    assert worker.engine.endswith("CPUExecutionProvider")
    weights = artefact("ONNX Runtime").size_bytes
    assert weights < worker.resident_bytes() < 20 * weights


@pytest.mark.parametrize("name", [n for n in ("eager", *QUICK) if n in HERE])
def test_threads_are_as_many_as_were_asked_for(name: str, inputs: Floats) -> None:
    for threads in {1, min(2, available_cores())}:
        with VariantProcess(name, artefact(name), threads) as worker:
            assert worker.threads == threads
            assert busy_threads(worker, inputs[:8]) == threads


def test_every_variant_answers_every_picture_in_turn(running: Running, inputs: Floats) -> None:
    outcomes = answer_in_turn(running, inputs[:12], per_round=2)
    assert list(outcomes) == list(QUICK)
    for outcome in outcomes.values():
        assert len(outcome.round_s) == 6
        assert outcome.logits.shape == (12, artefact(QUICK[0]).labels)
    first, second = (outcomes[name] for name in QUICK)
    np.testing.assert_allclose(first.logits, second.logits, rtol=0.01, atol=0.01)
    assert speed(outcomes, QUICK[0], than=QUICK[1]).pairs == 6


def test_pictures_that_do_not_fill_rounds_are_refused(running: Running, inputs: Floats) -> None:
    with pytest.raises(LabError, match="5 pictures were given for rounds of 2"):
        answer_in_turn(running, inputs[:5], per_round=2)
    with pytest.raises(LabError, match="0 pictures"):
        answer_in_turn(running, inputs[:0], per_round=2)


def test_other_inputs_are_refused_and_the_process_goes_on(running: Running, inputs: Floats) -> None:
    worker = running["ONNX Runtime"]
    with pytest.raises(LabError, match="expected float32"):
        worker.answer(inputs[:, :, :100])
    assert len(worker.answer(inputs[:1]).durations_s) == 1


def test_a_model_that_cannot_be_loaded_is_one_sentence(tmp_path: object) -> None:
    good = artefact("ONNX Runtime")
    foreign = Artefact.read(artefact("eager").folder)
    with pytest.raises(LabError, match="could not be loaded as ONNX Runtime"):
        VariantProcess("ONNX Runtime", foreign, threads=1).__enter__()
    assert good.folder.exists()


def test_a_process_that_dies_is_one_sentence(inputs: Floats) -> None:
    with VariantProcess("ONNX Runtime", artefact("ONNX Runtime"), threads=1) as worker:
        for process in worker.processes():
            process.kill()
        with pytest.raises(LabError, match="The process of ONNX Runtime ended"):
            worker.answer(inputs[:1])


def test_no_process_is_left(inputs: Floats) -> None:
    workers = Running()
    workers.start({"ONNX Runtime": artefact("ONNX Runtime")}, threads=1)
    started = workers["ONNX Runtime"].processes()
    assert started
    workers.stop()
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []


def test_a_variant_that_was_not_measured_is_named() -> None:
    outcome = Outcome([0.1] * 6, np.zeros((6, 4), np.float32))
    with pytest.raises(LabError, match="'eager' was not measured; measured are: a"):
        speed({"a": outcome}, "a")
