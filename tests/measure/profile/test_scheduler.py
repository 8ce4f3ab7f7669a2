import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.profile import scheduler

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(
        not os.path.exists("/proc/self/schedstat"), reason="this kernel does not count"
    ),
]
BURN = "while True: pass"
SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def started() -> Iterator[list[int]]:
    """Two processes that burn, both on one core, and one that sleeps."""
    processes = [
        subprocess.Popen([sys.executable, "-S", "-c", code]) for code in (BURN, BURN, SLEEP)
    ]
    for process in processes[:2]:
        psutil.Process(process.pid).cpu_affinity([min(os.sched_getaffinity(0))])
    yield [process.pid for process in processes]
    for process in processes:
        process.kill()
        process.wait()


def test_it_tells_computing_from_waiting_for_a_core_and_from_sleep(started: list[int]) -> None:
    with scheduler.Watch(started) as watch:
        time.sleep(1.0)
    first, second, sleeper = watch.each
    assert first.on_core + second.on_core < 1.1
    assert first.waiting_for_core + second.waiting_for_core > 0.7
    assert first.asleep + second.asleep < 0.3
    assert sleeper.asleep > 0.95
    assert watch.states.total_s == pytest.approx(3 * watch.elapsed_s, rel=0.1)
    assert sum(watch.states.as_dict().values()) == watch.states.total_s


def test_it_sees_the_core_that_they_share(started: list[int]) -> None:
    with scheduler.Watch(started) as watch:
        time.sleep(0.5)
    assert len(watch.core_loads) == psutil.cpu_count()
    assert watch.core_loads[min(os.sched_getaffinity(0))] > 0.7


def test_a_process_that_is_gone_is_named() -> None:
    with pytest.raises(LabError, match="counts of process 4194000 cannot be read"):
        scheduler.Watch([4_194_000]).__enter__()


def test_nothing_to_watch_is_refused() -> None:
    with pytest.raises(LabError, match="No process to watch"):
        scheduler.Watch([])
