import pytest

from lab_utils.errors import LabError
from lab_utils.models import dense
from lab_utils.models.dense import dense_times


def test_every_batch_is_timed_in_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "array_bytes", lambda device: 2**20)
    times = dense_times([1, 64], inputs=256, outputs=128, rounds=3)
    assert times.weight_bytes == 4 * 256 * 128
    assert times.layers == 8
    for by_batch in (times.cached_s, times.from_memory_s):
        assert list(by_batch) == [1, 64]
        assert all(value.n == 3 and value.median > 0 for value in by_batch.values())


def test_layers_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two uses of the same weights lie those of all other layers."""
    used: list[int] = []
    monkeypatch.setattr(dense, "array_bytes", lambda device: 2**20)
    monkeypatch.setattr(dense, "linear", lambda values, weights: used.append(weights.data_ptr()))
    dense_times([1], inputs=256, outputs=128, rounds=1)
    cached, turning = used[: len(used) // 2], used[len(used) // 2 :]
    assert len(set(cached)) == 1
    assert len(set(turning[:8])) == 8


@pytest.mark.parametrize(("batches", "rounds"), [([], 1), ([0], 1), ([1, -2], 1), ([1], 0)])
def test_nothing_to_time_is_refused(batches: list[int], rounds: int) -> None:
    with pytest.raises(LabError, match="expected numbers from 1 on"):
        dense_times(batches, rounds=rounds)
