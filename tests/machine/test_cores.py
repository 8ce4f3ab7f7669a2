import os
import subprocess
import sys

import pytest

from lab_utils.machine.cores import limited_to, set_aside

COUNT = [sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"]
CORES = [sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"]
limits = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="the system knows no such limit"
)


def cores_of_a_child() -> set[int]:
    said = subprocess.run(CORES, capture_output=True, check=True).stdout
    return {int(core) for core in said.split()}


@limits
def test_what_is_started_gets_fewer_cores_and_its_starter_keeps_its_own() -> None:
    mine = os.sched_getaffinity(0)
    for cores, expected in ((1, 1), (None, len(mine))):
        with limited_to(cores):
            given = int(subprocess.run(COUNT, capture_output=True, check=True).stdout)
        assert given == expected
        assert os.sched_getaffinity(0) == mine


@limits
def test_a_core_that_is_set_aside_is_for_what_is_started_on_it() -> None:
    mine = os.sched_getaffinity(0)
    first = {min(mine)}
    with set_aside(1) as its_core:
        with its_core():
            assert cores_of_a_child() == first
        assert cores_of_a_child() == (mine - first or first)
    assert os.sched_getaffinity(0) == mine


@limits
def test_with_no_core_left_for_the_others_everybody_has_all() -> None:
    mine = os.sched_getaffinity(0)
    with set_aside(len(mine)) as its_core, its_core():
        assert cores_of_a_child() == mine
