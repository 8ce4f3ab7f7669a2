import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.serve.batcher import Array, Batcher

CALLERS = 12


def call_together(batcher: Batcher) -> list[Array]:
    everybody = threading.Barrier(CALLERS)

    def one(number: int) -> Array:
        everybody.wait()
        return batcher(np.array([[number]]))

    with ThreadPoolExecutor(CALLERS) as threads:
        return list(threads.map(one, range(CALLERS)))


def test_each_caller_gets_its_own_row() -> None:
    batcher = Batcher(lambda inputs: inputs * 10, most=4, wait_s=0.2)
    assert [row.tolist() for row in call_together(batcher)] == [[[10 * n]] for n in range(CALLERS)]


def test_batches_fill_and_never_overflow() -> None:
    batcher = Batcher(lambda inputs: inputs, most=4, wait_s=5.0)
    call_together(batcher)
    assert dict(batcher.sizes) == {4: CALLERS // 4}


def test_without_waiting_a_lonely_request_goes_alone() -> None:
    batcher = Batcher(lambda inputs: inputs, most=4, wait_s=0.0)
    for _ in range(3):
        batcher(np.zeros((1, 2)))
    assert dict(batcher.sizes) == {1: 3}


def test_a_failure_reaches_every_caller_and_the_next_batch_is_computed() -> None:
    def compute(inputs: Array) -> Array:
        if inputs.max() > 0:
            raise ValueError("no")
        return inputs

    batcher = Batcher(compute, most=CALLERS, wait_s=0.2)
    with pytest.raises(ValueError, match="no"):
        call_together(batcher)
    assert batcher(np.zeros((1, 1))).tolist() == [[0]]


def test_lost_rows_are_an_error_and_not_a_hang() -> None:
    with pytest.raises(LabError, match="0 rows for 1 inputs"):
        Batcher(lambda inputs: inputs[:0], most=2, wait_s=0)(np.zeros((1, 1)))


@pytest.mark.parametrize(("most", "wait_s"), [(0, 0.1), (2, -1.0), (2, float("nan"))])
def test_impossible_settings_are_refused(most: int, wait_s: float) -> None:
    with pytest.raises(LabError, match="batch of at most"):
        Batcher(lambda inputs: inputs, most, wait_s)
