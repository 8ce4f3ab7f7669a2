"""A real service under load: frozen, killed, asked by every tool, given what is no picture."""

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from lab_utils.components.sandbox import Sandbox, refusal
from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import constant
from lab_utils.measure.load.generator import closed_loop, open_loop, post
from lab_utils.models import pictures
from lab_utils.serve import load
from lab_utils.serve.freeze import frozen, still
from lab_utils.serve.thumbnail_app import create_app, thumbnail
from lab_utils.serve.web import WebService
from tests.started import assert_gone

pytestmark = pytest.mark.alone

JPEGS = [picture.jpeg for picture in pictures.draw(4, seed=3)]
APP = "lab_utils.serve.thumbnail_app:create_app()"


@pytest.fixture
def service() -> Iterator[WebService]:
    with WebService(APP, workers=1, compute_threads=1) as web:
        yield web


def test_a_thumbnail_is_the_middle_of_the_picture() -> None:
    small = Image.open(io.BytesIO(thumbnail(JPEGS[0])))
    assert (small.size, small.format) == ((224, 224), "JPEG")


@pytest.mark.parametrize("body", [b"", b"no picture", JPEGS[0][:2000]])
def test_what_is_no_picture_is_refused(body: bytes) -> None:
    answer = create_app().test_client().post("/predict", data=body)
    assert answer.status_code == 400
    assert answer.json is not None
    assert "not a whole picture" in answer.json["error"]


def test_a_freeze_is_seen_by_the_open_loop_and_missed_by_the_closed(service: WebService) -> None:
    url, freeze_s = f"{service.url}/predict", 0.5
    rate_rps = closed_loop(post(url), JPEGS, connections=1, requests=60).rate_rps
    with frozen(service, after_s=0.4, for_s=freeze_s) as freeze:
        closed = closed_loop(post(url), JPEGS, connections=1, requests=round(1.5 * rate_rps))
    with frozen(service, after_s=0.4, for_s=freeze_s):
        opened = open_loop(post(url), JPEGS, constant(0.4 * rate_rps, 1.5))
    assert freeze.lasted_s >= freeze_s
    assert closed.failed == opened.failed == 0
    assert closed.latencies_s is not None
    assert opened.latencies_s is not None
    assert (closed.latencies_s > freeze_s / 2).sum() == 1
    assert (opened.latencies_s > freeze_s / 2).sum() >= 0.4 * rate_rps * freeze_s / 4


def test_the_service_runs_again_whatever_happens(service: WebService) -> None:
    def leave_by_an_error() -> None:
        with frozen(service, after_s=0, for_s=60):
            time.sleep(0.1)
            raise KeyError("in the block")

    begun_s = time.monotonic()
    with pytest.raises(KeyError):
        leave_by_an_error()
    assert time.monotonic() - begun_s < 30
    assert closed_loop(post(f"{service.url}/predict"), JPEGS, connections=1, requests=2).failed == 0
    assert all(p.status() != psutil.STATUS_STOPPED for p in service.process.processes())


HOG = """
import os, threading
from lab_utils.serve.thumbnail_app import create_app as thumbnails

def spin():
    while True: pass

def create_app():
    threading.Thread(target=spin, daemon=True).start()
    if os.fork() == 0:
        os.setsid()
        spin()
    return thumbnails()
"""


def test_a_service_that_stands_still_takes_no_core(tmp_path: Path) -> None:
    (tmp_path / "hog.py").write_text(HOG)
    with WebService("hog:create_app()", workers=1, compute_threads=1, folder=tmp_path) as hog:
        processes = hog.process.processes()
        with still(hog):
            before_s = hog.cpu_s()
            time.sleep(0.5)
            assert hog.cpu_s() - before_s < 0.05
        before_s = hog.cpu_s()
        while hog.cpu_s() - before_s < 0.2:  # both spin again
            time.sleep(0.05)
        assert closed_loop(post(f"{hog.url}/predict"), JPEGS, connections=1, requests=2).failed == 0
    assert len(processes) >= 3  # gunicorn, its worker, and what has left their group
    assert_gone(process.pid for process in processes)


@pytest.mark.skipif(bool(refusal()), reason=refusal() or "there is a sandbox")
def test_a_service_in_a_sandbox_answers_and_ends() -> None:
    with WebService(APP, workers=2, compute_threads=1, sandbox=Sandbox()) as web:
        assert closed_loop(post(f"{web.url}/predict"), JPEGS, connections=2, requests=8).failed == 0
        processes = web.process.processes()
        assert len(processes) >= 4  # bubblewrap, gunicorn and its workers, as seen from here
    assert not any(process.is_running() for process in processes)


@pytest.mark.parametrize(("after_s", "for_s"), [(-1, 1), (0, 0), (0, float("nan"))])
def test_a_nonsense_freeze_is_refused(service: WebService, after_s: float, for_s: float) -> None:
    with (
        pytest.raises(LabError, match="A freeze of"),
        frozen(service, after_s=after_s, for_s=for_s),
    ):
        pass


def test_a_service_that_dies_mid_run(service: WebService) -> None:
    """The load tells failures from answers, the service says it has stopped, nothing stays."""
    processes = service.process.processes()
    with frozen(service, after_s=0.2, for_s=0.1):
        time.sleep(0.25)  # it dies while it stands still
        for process in processes:
            process.kill()
    while service.process.alive():
        time.sleep(0.02)
    result = closed_loop(post(f"{service.url}/predict"), JPEGS, connections=2, requests=10)
    assert (result.answered, result.failed) == (0, 10)
    with pytest.raises(LabError, match="The service has stopped"):
        load.count(service, JPEGS, connections=1, requests=2)
    with (
        pytest.raises(LabError, match="not running, so it cannot be frozen"),
        frozen(service, after_s=0, for_s=1),
    ):
        pass
    assert not any(process.is_running() for process in processes)


def test_a_neighbour_is_seen(service: WebService) -> None:
    spin = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(spin) as neighbour:
        try:
            with load.company(service) as company:
                closed_loop(post(f"{service.url}/predict"), JPEGS, connections=1, requests=100)
        finally:
            neighbour.kill()
    assert company.service_cores > 0
    assert company.generator_cores > 0
    assert company.others_cores > 0.2


def test_every_tool_asks_the_same_service(service: WebService) -> None:
    tools = load.tools(service, JPEGS, connections=1, duration_s=1, rate_rps=30)
    assert "ours" in tools
    for name, run in tools.items():
        result = run()
        assert result.loop == "closed", name
        assert result.failed == 0, name
        assert result.answered >= 20, name
    assert "LoadGen" not in load.tools(service, JPEGS, connections=2, duration_s=1, rate_rps=30)
