import os
import subprocess
import sys

import pytest

from lab_utils.machine.cores import limited_to

COUNT = [sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system knows no such limit")
def test_what_is_started_gets_fewer_cores_and_its_starter_keeps_its_own() -> None:
    mine = os.sched_getaffinity(0)
    for cores, expected in ((1, 1), (None, len(mine))):
        with limited_to(cores):
            given = int(subprocess.run(COUNT, capture_output=True, check=True).stdout)
        assert given == expected
        assert os.sched_getaffinity(0) == mine
