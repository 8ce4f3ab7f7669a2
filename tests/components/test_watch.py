"""Processes that take more than their share are ended, those that do not are left alone."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab_utils.components.watch import Greedy, Share, Watch, descendants, own_bytes, written_bytes

HUGE = 2**40
FORKS = (
    "import os, time\nfor _ in range(20):\n    if os.fork() == 0: time.sleep(60)\ntime.sleep(60)"
)
ALLOCATES = "import time\nkept = bytearray(300 * 2**20)\ntime.sleep(60)"
WRITES = (
    "import time\nwith open('x', 'wb') as f: f.write(bytes(30 * 2**20)); f.flush(); time.sleep(60)"
)


@pytest.mark.parametrize(
    ("source", "share", "reason"),
    [
        (FORKS, Share(processes=10), "started more than 10 processes"),
        (ALLOCATES, Share(memory_bytes=200 * 2**20), "took more than 0.195312 GiB of memory"),
        (WRITES, Share(written_bytes=20 * 2**20), "wrote more than 0.0195312 GiB"),
    ],
)
def test_the_greedy_are_ended_with_all_they_started(
    source: str, share: Share, reason: str, tmp_path: Path
) -> None:
    process = subprocess.Popen([sys.executable, "-c", source], cwd=tmp_path)
    with Watch(process.pid, share, tmp_path) as watch:
        assert process.wait(20) < 0
        deadline = time.monotonic() + 10
        while not watch.broken and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(Greedy, match=reason):
            watch.check()
    assert not descendants(process.pid)


@pytest.mark.parametrize("source", [FORKS, ALLOCATES, WRITES])
def test_the_modest_are_left_alone(source: str, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", source], cwd=tmp_path)
    try:
        with Watch(process.pid, Share(), tmp_path) as watch:
            time.sleep(1)
            watch.check()
            assert process.poll() is None
    finally:
        for pid in descendants(process.pid):
            subprocess.run(["kill", "-9", str(pid)], check=False)
        process.kill()
        process.wait()


def test_what_is_counted(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(bytes(2**20))
    assert 2**20 <= written_bytes(tmp_path) < 2**21
    assert own_bytes(HUGE) == 0
    with Watch(HUGE, Share()) as watch:  # it has ended before: nothing to watch
        watch.check()
