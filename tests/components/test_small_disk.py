import errno
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab_utils.components.small_disk import SmallDisk
from lab_utils.errors import LabError

rooted = pytest.mark.skipif(not SmallDisk.possible(), reason="only root may mount")
KEPT = """
import sys, time
from lab_utils.components.small_disk import SmallDisk
with SmallDisk(1) as disk:
    print(disk.folder, flush=True)
    time.sleep(60)
"""


def mounted(folder: Path) -> bool:
    return str(folder) in Path("/proc/mounts").read_text()


@rooted
def test_nothing_fits_when_it_is_full_and_again_when_it_is_cleared() -> None:
    with SmallDisk(1) as disk:
        (disk.folder / "before").write_bytes(b"kept")
        disk.fill()
        with pytest.raises(OSError, match="No space left") as full:
            (disk.folder / "more").write_bytes(b"x")
        assert full.value.errno == errno.ENOSPC
        disk.clear()
        (disk.folder / "more").write_bytes(bytes(2**19))
        assert (disk.folder / "before").read_bytes() == b"kept"
        folder = disk.folder
        assert mounted(folder)
    assert not folder.exists()
    assert not mounted(folder)


@rooted
def test_it_goes_with_a_process_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", KEPT], stdout=subprocess.PIPE, text=True) as keeps:
        assert keeps.stdout is not None
        folder = Path(keeps.stdout.readline().strip())
        assert mounted(folder)
        keeps.send_signal(signal.SIGKILL)
    for _ in range(500):
        if not mounted(folder):
            break
        time.sleep(0.02)
    left = mounted(folder)
    shutil.rmtree(folder, ignore_errors=True)
    assert not left


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not SmallDisk.possible()
    with pytest.raises(LabError, match="needs mount and root"), SmallDisk(1):
        pass
