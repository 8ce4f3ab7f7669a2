import subprocess
import sys
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.measure import resident as resident_module
from lab_utils.measure.resident import resident

MB = 10**6


WRITES = """
from lab_utils.measure.resident import resident
MB = 10**6
before = resident()
written = bytearray(b"\\1") * (64 * MB)
after = resident()
del written
print(before.private_bytes, after.private_bytes, resident().private_bytes)
print(after.resident_bytes, after.peak_bytes, resident().peak_bytes)
"""


def test_what_is_written_is_resident_and_what_is_given_back_is_not() -> None:
    # A process of its own: some libraries have the allocator keep what is freed.
    done = subprocess.run(
        [sys.executable, "-c", WRITES], check=True, capture_output=True, text=True
    )
    before, with_it, without, held, peak, last_peak = map(int, done.stdout.split())
    assert 60 * MB < with_it - before < 80 * MB
    assert peak >= held - MB  # the kernel counts the peak in batches
    assert without < with_it - 60 * MB
    assert last_peak >= peak - MB


def test_another_system_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for content in (None, "VmRSS: 5 kB\n"):
        path = tmp_path / "status"
        if content is not None:
            path.write_text(content)
        monkeypatch.setattr(resident_module, "STATUS", path)
        with pytest.raises(LabError, match="measured on Linux only"):
            resident()
