"""Processes that take more than their share are ended, those that do not are left alone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab_utils.components import watch
from lab_utils.components.watch import (
    Greedy,
    Share,
    Watch,
    cores_of,
    descendants,
    own_bytes,
    written_bytes,
)
from lab_utils.errors import LabError

HUGE = 2**40
FORKS = (
    "import os, time\nfor _ in range(20):\n    if os.fork() == 0: time.sleep(60)\ntime.sleep(60)"
)
STAYS = "\nimport time\ntime.sleep(60)"
THREADS = (
    "import threading, time\n"
    "for _ in range(60): threading.Thread(target=time.sleep, args=(60,)).start()"
)
SHARES = (
    "import mmap\nm = mmap.mmap(-1, 300 * 2**20)\nfor i in range(0, len(m), 4096): m[i] = 1" + STAYS
)
NAMELESS = (
    "import os\n"
    "files = [os.memfd_create('x') for _ in range(3)]\n"
    "for file in files:\n"
    "    for _ in range(100): os.write(file, bytes(2**20))" + STAYS
)
REMOVED = (
    "import os\n"
    "file = open('x', 'wb'); os.unlink('x')\n"
    "for _ in range(30): file.write(bytes(2**20)); file.flush()" + STAYS
)
DEEP = (
    "import os\n"
    "for _ in range(2000): os.mkdir('d'); os.chdir('d')\n"
    "with open('x', 'wb') as f: f.write(bytes(30 * 2**20))" + STAYS
)
MANY = "for n in range(600): open(str(n), 'w').close()" + STAYS
ALLOCATES = "import time\nkept = bytearray(300 * 2**20)\ntime.sleep(60)"
WRITES = (
    "import time\nwith open('x', 'wb') as f: f.write(bytes(30 * 2**20)); f.flush(); time.sleep(60)"
)


@pytest.mark.parametrize(
    ("source", "share", "reason"),
    [
        (FORKS, Share(processes=10), "started more than 10 processes"),
        (ALLOCATES, Share(memory_bytes=200 * 2**20), "took more than 0.195312 GiB of memory"),
        (THREADS, Share(threads=50), "started more than 50 threads"),
        (SHARES, Share(memory_bytes=200 * 2**20), "took more than 0.195312 GiB of memory"),
        (NAMELESS, Share(memory_bytes=200 * 2**20), "took more than 0.195312 GiB of memory"),
        (REMOVED, Share(written_bytes=20 * 2**20), "wrote more than 0.0195312 GiB"),
        (DEEP, Share(written_bytes=20 * 2**20), "made folders in folders, more than 60 deep"),
        (MANY, Share(), "made more than 500 files"),
        (WRITES, Share(written_bytes=20 * 2**20), "wrote more than 0.0195312 GiB"),
    ],
)
def test_the_greedy_are_ended_with_all_they_started(
    source: str, share: Share, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "MOST_FILES", 500)
    process = subprocess.Popen([sys.executable, "-c", source], cwd=tmp_path)
    with Watch(process.pid, share, tmp_path) as looking:
        assert process.wait(20) < 0
        deadline = time.monotonic() + 10
        while not looking.broken and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(Greedy, match=reason):
            looking.check()
    assert not descendants(process.pid)
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # too deep for Python's own means


@pytest.mark.parametrize("source", [FORKS, ALLOCATES, WRITES, THREADS, SHARES, NAMELESS, REMOVED])
def test_the_modest_are_left_alone(source: str, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", source], cwd=tmp_path)
    try:
        with Watch(process.pid, Share(), tmp_path) as looking:
            time.sleep(1)
            looking.check()
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
    with Watch(HUGE, Share()) as looking:  # it has ended before: nothing to watch
        looking.check()


@pytest.mark.skipif(len(available := os.sched_getaffinity(0)) < 2, reason="there is one core")
def test_whoever_leaves_its_cores_is_ended(tmp_path: Path) -> None:
    source = f"import os, time\nos.sched_setaffinity(0, {available})\ntime.sleep(60)"
    waits = f"import time\ntime.sleep(0.3)\n{source}"
    process = subprocess.Popen(["taskset", "-c", str(min(available)), sys.executable, "-c", waits])
    while cores_of(process.pid) != {min(available)}:
        time.sleep(0.001)
    with Watch(process.pid, Share()) as looking:
        assert process.wait(20) < 0
        with pytest.raises(Greedy, match="took other cores than it was given"):
            looking.check()


def test_where_memory_is_short_nobody_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LEFT_OVER", 2)
    process = subprocess.Popen([sys.executable, "-c", STAYS])
    with Watch(process.pid, Share()) as looking:
        assert process.wait(20) < 0
        with pytest.raises(LabError, match=r"GiB of memory left.*grade it again"):
            looking.check()


def test_whoever_cannot_be_watched_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "own_bytes", lambda pid: 1 / 0)
    process = subprocess.Popen([sys.executable, "-c", STAYS])
    with monkeypatch.context() as before:
        before.setattr(watch, "own_bytes", lambda pid: 0)
        looking = Watch(process.pid, Share())
    with looking:
        assert process.wait(20) < 0
        with pytest.raises(Greedy, match="could not be watched"):
            looking.check()
