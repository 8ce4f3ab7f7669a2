"""Every program computes the layer as numpy does."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from lab_utils.errors import LabError
from lab_utils.machine.cores import available_cores
from lab_utils.optimize import conv_layer, kept_search
from lab_utils.optimize.conv_layer import ConvLayer, Programs
from lab_utils.optimize.variant import Floats
from tests.optimize.saved import model

SEARCH = kept_search.load()


@pytest.fixture(scope="module")
def layer(inputs: Floats) -> ConvLayer:
    return conv_layer.of(model().network, inputs[:1])


@pytest.fixture(scope="module")
def programs(layer: ConvLayer) -> Iterator[Programs]:
    try:
        started = Programs(layer, SEARCH, available_cores())
    except LabError as error:  # offline, or another kind of processor
        pytest.skip(str(error))
    yield started
    started.stop()


def by_numpy(layer: ConvLayer) -> Floats:
    """Convolution, batch norm and ReLU in double precision: (1, values), channels last."""
    arrays = {name: values.astype(np.float64) for name, values in layer.arrays.items()}
    [inputs] = arrays["inputs"]
    padded = np.pad(inputs, ((1, 1), (1, 1), (0, 0)))
    height, width, _ = inputs.shape
    made = sum(
        padded[y : y + height, x : x + width] @ arrays["weight"][:, :, y, x].T
        for y in range(3)
        for x in range(3)
    )
    deviation = np.sqrt(arrays["variance"] + 1e-5)
    made = (made - arrays["mean"]) / deviation * arrays["scale"] + arrays["shift"]
    return np.maximum(made, 0).astype(np.float32).reshape(1, -1)


def test_the_layer_is_one_of_five_and_its_inputs_are_real(layer: ConvLayer) -> None:
    assert layer.arrays["inputs"].shape == (1, 14, 14, 256)
    assert layer.arrays["inputs"].min() == 0  # a ReLU made them
    assert layer.arrays["inputs"].std() > 0
    assert layer.alike == 5
    assert layer.multiply_adds == 14 * 14 * 256 * 256 * 9


def test_every_program_gives_what_numpy_gives(layer: ConvLayer, programs: Programs) -> None:
    expected = by_numpy(layer)
    assert set(programs.names) >= set(SEARCH.recorded_s)
    for name in programs.names:
        durations_s, values = programs.run(name, 1)
        assert len(durations_s) == 1
        for picture in values:
            np.testing.assert_allclose(picture[None], expected, rtol=1e-3, atol=1e-4)


def test_the_database_serves_one_picture_and_silently_not_two(programs: Programs) -> None:
    served = {name: built["from_database"] for name, built in programs.told["built"].items()}
    others = {name for name in served if name.startswith("TVM, sought for")}
    assert len(others) == (SEARCH.for_older_processors() is not None)
    assert served == {
        "TVM, untuned": False,
        "TVM, tuned": True,
        "TVM, two pictures": False,
    } | dict.fromkeys(others, True)


def test_a_search_reorders_the_arithmetic_and_does_not_change_it(
    layer: ConvLayer, programs: Programs
) -> None:
    """However the loops are cut, they have as many turns as there are multiply-adds."""
    built = programs.told["built"]
    for name in built:
        pictures = 2 if name == "TVM, two pictures" else 1
        turns = np.prod([n for _, n in built[name]["loops"]], dtype=np.int64)
        assert turns == pictures * layer.multiply_adds
        assert np.prod(built[name]["weight_shape"]) == layer.arrays["weight"].size
    kinds = {name: {kind for kind, _ in built[name]["loops"]} for name in built}
    assert kinds["TVM, untuned"] == {"serial"}
    assert kinds["TVM, tuned"] > {"serial", "vectorized"}


def test_programs_take_turns_and_the_search_has_found_something(programs: Programs) -> None:
    outcomes = programs.run_in_turn(rounds=2)
    assert all(len(outcome.round_s) == 2 for outcome in outcomes.values())
    tuned, untuned = (min(outcomes[f"TVM, {name}"].round_s) for name in ("tuned", "untuned"))
    assert 3 * tuned < untuned


def test_an_unknown_program_is_refused(programs: Programs) -> None:
    with pytest.raises(LabError, match=r"'fastest'; expected one of eager, "):
        programs.run("fastest", 1)


def test_no_process_is_left(layer: ConvLayer, programs: Programs) -> None:
    with_tvm = Programs(layer, SEARCH, threads=1)
    started = [process for one in with_tvm.values() for process in one.processes()]
    with_tvm.stop()
    _, alive = psutil.wait_procs(started, timeout=10)
    assert len(started) >= 2
    assert alive == []


def test_without_its_environment_the_recorded_figures_are_given_as_such(
    layer: ConvLayer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if SEARCH.lacks() is not None:
        pytest.skip(str(SEARCH.lacks()))
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    timed = conv_layer.timed(layer, SEARCH, threads=1, rounds=1)
    assert "The environment of Apache TVM could not be made" in timed.where
    assert f"recorded on {SEARCH.date} on {SEARCH.machine}" in timed.where
    assert timed.differences is None
    assert {n: v.median for n, v in timed.latency_s.items()} == SEARCH.recorded_s
    assert timed.turns("TVM, untuned", "serial") == layer.multiply_adds
