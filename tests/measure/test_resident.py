from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.measure import resident as resident_module
from lab_utils.measure.resident import resident

MB = 10**6


def test_what_is_written_is_resident_and_what_is_asked_for_is_not() -> None:
    before = resident()
    written = bytearray(b"\1") * (64 * MB)
    after = resident()
    assert 60 * MB < after.private_bytes - before.private_bytes < 80 * MB
    assert after.peak_bytes >= after.resident_bytes - MB  # the kernel counts the peak in batches
    del written
    assert resident().private_bytes < after.private_bytes - 60 * MB
    assert resident().peak_bytes >= after.peak_bytes - MB


def test_another_system_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for content in (None, "VmRSS: 5 kB\n"):
        path = tmp_path / "status"
        if content is not None:
            path.write_text(content)
        monkeypatch.setattr(resident_module, "STATUS", path)
        with pytest.raises(LabError, match="measured on Linux only"):
            resident()
