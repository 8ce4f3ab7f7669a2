import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lab_utils.errors import LabError
from lab_utils.machine import ceilings as module
from lab_utils.machine.ceilings import Ceilings, Rate, ceilings, measure
from lab_utils.machine.kernels import Kernel, copying, openvino_int8, reading, torch_int8
from lab_utils.measure.interval import Interval

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def measured() -> Ceilings:
    """A real measurement, on small arrays and matrices: quick, and no ceiling of this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SIZES", (256,))
        patch.setattr(module._OtherProcesses, "busy_cores", lambda self: 0.0)
        patch.setattr(module, "RUN_S", 0.002)
        patch.setattr(module, "array_bytes", lambda device: 2**22)
        return measure(threads=1)


@pytest.fixture
def counted(
    measured: Ceilings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[], int]:
    """The cache in a folder of its own; gives how often the machine was measured."""
    calls = []

    def fake(threads: int, device: str, watch: object) -> Ceilings:
        calls.append(threads)
        return dataclasses.replace(measured, threads=threads)

    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "measure", fake)
    return lambda: len(calls)


def test_every_ceiling_is_an_interval_with_its_way(measured: Ceilings) -> None:
    rates = [measured.read, measured.copy, *measured.matrix.values()]
    assert {"fp32", "bf16"} <= set(measured.matrix)
    for rate in rates:
        assert 0 < rate.per_s.low <= rate.per_s.median <= rate.per_s.high
        assert rate.per_s.n == module.ROUNDS
        assert rate.through
    assert measured.threads == 1
    assert measured.versions["torch"] == torch.__version__.split("+")[0]
    assert measured.machine["processor"] == measured.device
    peak, bandwidth = measured.peak_per_s("fp32"), measured.bandwidth_bytes_per_s
    assert measured.ridge_point("fp32") == peak / bandwidth


def test_measuring_leaves_the_thread_count_as_it_was(measured: Ceilings) -> None:
    before = torch.get_num_threads()
    with module.compute_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_a_precision_that_was_not_measured_is_refused(measured: Ceilings) -> None:
    with pytest.raises(LabError, match=r"'fp7'.*measured are: fp32, bf16"):
        measured.peak_per_s("fp7")


def test_a_ratio_is_as_wide_as_both_intervals_allow() -> None:
    first, second = Rate(Interval(8, 6, 9, 6), "a"), Rate(Interval(2, 1, 3, 7), "b")
    assert first.over(second) == Interval(4, 2, 9, 6)


def test_a_rate_is_work_over_time_and_the_better_median_wins() -> None:
    def sleeper(seconds: float) -> Kernel:
        return Kernel(f"{seconds}", work=1.0, call=lambda: time.sleep(seconds))

    kernels = [sleeper(0.02), sleeper(0.005)]
    rates, _ = module._rates(kernels, module._seconds, iter, threads=1)
    best = module._best(kernels, rates)
    assert best.through == "0.005"
    slow = module._best(kernels[:1], rates)
    assert best.per_s.median <= 200  # no sleep is shorter than asked for
    assert slow.per_s.median <= 50
    assert best.per_s.median > 1.5 * slow.per_s.median


def test_ceilings_are_measured_once_and_kept(counted: Callable[[], int]) -> None:
    first = ceilings(threads=1)
    assert ceilings(threads=1) == first
    assert counted() == 1
    ceilings(threads=1, anew=True)
    assert counted() == 2


def test_another_library_version_is_measured_anew(
    counted: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ceilings(threads=1)
    monkeypatch.setattr(module, "versions", lambda: {"torch": "another"})
    ceilings(threads=1)
    assert counted() == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"read": 3}', "null"])
def test_a_damaged_file_is_measured_anew(
    counted: Callable[[], int], tmp_path: Path, damage: str
) -> None:
    kept = ceilings(threads=1)
    (path,) = tmp_path.glob("ceilings-*.json")
    path.write_text(damage)
    assert ceilings(threads=1) == kept
    assert counted() == 2


@pytest.mark.parametrize("threads", [0, -1, 10_000])
def test_threads_that_there_are_not_are_refused(threads: int) -> None:
    with pytest.raises(LabError, match=rf"threads is {threads}; expected 1 to \d+"):
        ceilings(threads=threads)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(LabError, match=r"'tpu'; expected 'cpu' or 'cuda'"):
        ceilings(device="tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_gpu_that_is_not_there_is_not_invented() -> None:
    with pytest.raises(LabError, match="sees none here"):
        ceilings(device="cuda")


def test_a_library_that_cannot_multiply_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(size: int, device: str, threads: int) -> Kernel:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(module, "ways_to_multiply", lambda precision, device: (cannot,))
    assert list(module._worth_timing("int8", "cpu", 1, module._seconds)) == []


def test_sizes_grow_until_a_call_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def cubic(size: int, device: str, threads: int) -> Kernel:
        return Kernel(str(size), 1.0, lambda: None)

    seconds = iter([0.0, 0.001, 0.0, 0.008])  # warm-up and timing of each size
    monkeypatch.setattr(module, "ways_to_multiply", lambda precision, device: (cubic,))
    sizes = [k.through for k in module._worth_timing("fp32", "cpu", 1, lambda _: next(seconds))]
    assert sizes == ["512", "1024"]


def test_arrays_lie_beyond_the_last_level_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "caches", lambda: {"L2": 2**20, "L3": 100 * 2**20})
    monkeypatch.setattr(module, "memory_bytes", lambda: 2**40)
    assert module.array_bytes("cpu") == 400 * 2**20
    monkeypatch.setattr(module, "memory_bytes", lambda: 2**32)
    assert module.array_bytes("cpu") == 2**28
    assert module.array_bytes("cpu") % 2**14 == 0


def test_bytes_are_those_of_the_arrays() -> None:
    array, other = torch.ones(8192), torch.zeros(8192)
    assert [k.work for k in reading(array, other)] == [32768, 65536, 32768]
    (copy,) = copying(array, other)
    assert copy.work == 65536
    copy.call()
    assert other.sum() == 8192


def test_int8_products_really_multiply_int8() -> None:
    product = torch_int8(64, "cpu", 1).call()
    assert isinstance(product, torch.Tensor)
    assert product.dtype == torch.int32
    kernel = openvino_int8(64, "cpu", 1)
    assert kernel.work == 2 * 64**3
    kernel.call()


def test_a_disturbed_round_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third try is quiet: its rate counts, and nothing is reported."""
    busy = iter([1.5, 0.9, 0.0] * module.ROUNDS)
    done = iter([0.5, 0.9, 1.0] * module.ROUNDS)
    monkeypatch.setattr(module, "available_cores", lambda: 2)
    monkeypatch.setattr(module._OtherProcesses, "busy_cores", lambda self: next(busy))
    monkeypatch.setattr(module, "_rate_now", lambda kernel, clock: next(done))
    kernel = Kernel("a", 1.0, lambda: None)
    rates, disturbed_cores = module._rates([kernel], module._seconds, iter, threads=2)
    assert rates == {id(kernel): [1.0] * module.ROUNDS}
    assert disturbed_cores == 0


def test_others_on_a_core_that_is_left_over_do_not_disturb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_cores", lambda: 2)
    monkeypatch.setattr(module._OtherProcesses, "busy_cores", lambda self: 1.0)
    monkeypatch.setattr(module, "_rate_now", lambda kernel, clock: 1.0)
    kernel = Kernel("a", 1.0, lambda: None)
    assert module._rates([kernel], module._seconds, iter, threads=1)[1] == 0
    assert module._rates([kernel], module._seconds, iter, threads=2)[1] == 1.0


def test_a_disturbed_measurement_is_not_kept(
    measured: Ceilings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    disturbed = dataclasses.replace(measured, disturbed_cores=0.8)
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "measure", lambda *_: disturbed)
    assert ceilings(threads=1) == disturbed
    assert list(tmp_path.glob("*.json")) == []


def test_another_process_is_seen() -> None:
    others = module._OtherProcesses()
    start_s = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinning:
        try:
            while time.monotonic() - start_s < 1:
                time.sleep(0.05)
            with_it = others.busy_cores()
        finally:
            spinning.kill()
    assert with_it > 0.3
