import pytest

from lab_utils.errors import LabError
from lab_utils.machine.staircase import ROUNDS, read_bandwidth_by_size

pytestmark = pytest.mark.alone


def test_what_fits_a_cache_is_read_faster_than_what_does_not() -> None:
    curve = read_bandwidth_by_size([2**15, 2**28])
    assert list(curve) == [2**15, 2**28]
    small, large = curve.values()
    assert small.n == large.n == ROUNDS
    assert small.median > 1.5 * large.median


@pytest.mark.parametrize("sizes", [[], [1024, 512], [0, 4], [64, 64]])
def test_sizes_that_do_not_grow_are_refused(sizes: list[int]) -> None:
    with pytest.raises(LabError, match="expected growing numbers of bytes"):
        read_bandwidth_by_size(sizes)
