import time
from pathlib import Path

import psutil
import pytest

from lab_utils.errors import LabError
from lab_utils.serve.web import WebService


def test_an_application_that_cannot_be_loaded_is_quoted_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no model here')\n")
    service = WebService(
        "broken:app", workers=1, compute_threads=1, folder=tmp_path, start_timeout_s=60
    )
    start_s = time.monotonic()
    with pytest.raises(LabError, match="gunicorn stopped before it was ready") as error, service:
        pass
    assert "no model here" in str(error.value)
    assert time.monotonic() - start_s < 40  # not by the time limit


def test_workers_are_told_from_their_parent(tmp_path: Path) -> None:
    (tmp_path / "works.py").write_text("def app(environ, start_response): ...\n")
    with WebService("works:app", workers=2, compute_threads=1, folder=tmp_path) as service:
        pids = service.worker_pids()
        assert len(pids) == 2
        assert len({psutil.Process(pid).ppid() for pid in pids}) == 1
