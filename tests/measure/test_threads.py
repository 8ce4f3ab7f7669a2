import statistics
import threading
import time
from collections.abc import Callable

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.threads import rate_rps, thread_gains

LOCK = threading.Lock()


def asleep() -> None:
    time.sleep(0.002)


def locked() -> None:
    with LOCK:
        time.sleep(0.002)


def test_what_holds_a_lock_gains_nothing_from_threads() -> None:
    gains = thread_gains({"free": lambda: asleep, "locked": lambda: locked}, 4, rounds=3)
    assert gains["free"].median > 2.5
    assert gains["locked"].median < 1.5
    assert gains["free"].n == 3


def test_each_thread_has_work_of_its_own() -> None:
    made: list[int] = []

    def make() -> Callable[[], None]:
        made.append(0)
        place = len(made) - 1

        def work() -> None:
            made[place] += 1
            asleep()

        return work

    thread_gains({"own": make}, 3, rounds=1, duration_s=0.03)
    assert len(made) == 3
    assert min(made) > 1


def test_rates_add_up() -> None:
    pairs = [[rate_rps([asleep] * n, 0.1) for n in (1, 2)] for _ in range(7)]
    # The middle one: a machine that stands still for a moment spoils a pair.
    assert 1.5 < statistics.median(two / alone for alone, two in pairs) < 2.5


def test_one_thread_has_nobody_to_share_with() -> None:
    with pytest.raises(LabError, match="at least 2"):
        thread_gains({"free": lambda: asleep}, 1)
