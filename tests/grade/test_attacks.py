"""Answers that try to be graded otherwise than by what they compute: none earns anything.

Each is a whole answer to a task of lab 1, or to a small task where that shows it better. After
each, the same workers grade a right answer rightly.
"""

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab_utils.components.sandbox import refusal
from lab_utils.components.watch import Share, descendants
from lab_utils.files import ROOT
from lab_utils.grade.engine import grade_task
from lab_utils.grade.spec import FunctionTask, load_lab
from lab_utils.grade.submission import Cell, Submission, read
from lab_utils.grade.verdict import Verdict
from lab_utils.grade.workers import Workers
from tests.grade.conftest import DOUBLE
from tests.started import assert_gone

GradeSource = Callable[..., Verdict]
isolated = pytest.mark.skipif(bool(refusal()), reason=refusal() or "there is a sandbox")
RIGHT = "def double(x):\n    return 2 * x"

MEASURE = "def measure_latency(call, n, warmup):\n    return [0.01 + i / 1e6 for i in range(n)]"
ATTACKS = {
    "ends_the_interpreter": "import sys\ndef double(x):\n    sys.exit(0)",
    "ends_the_process": "import os\ndef double(x):\n    os._exit(0)",
    "ends_while_loading": "import os\nos._exit(0)\ndef double(x):\n    return 2 * x",
    "equals_everything": (
        "class Anything(int):\n"
        "    def __eq__(self, other): return True\n"
        "    __ne__ = lambda self, other: False\n"
        "    def __hash__(self): return 0\n"
        "def double(x):\n    return Anything(-1)"
    ),
    "equals_everything_unpackable": (
        "class Anything:\n"
        "    def __eq__(self, other): return True\n"
        "def double(x):\n    return Anything()"
    ),
    "patches_the_session": (
        "import lab_utils.grade.session as s\n"
        "s.Session._answer = lambda self, message: None\n"
        "def double(x):\n    return 0"
    ),
    "forges_a_frame": (
        "import gc, socket\n"
        "def double(x):\n"
        "    for thing in gc.get_objects():\n"
        "        if isinstance(thing, socket.socket):\n"
        "            thing.sendall(b'\\xff' * 4096)\n"
        "    return 0"
    ),
    "claims_a_verdict": (
        "import gc, lab_utils.grade.session as s\n"
        "def double(x):\n"
        "    for thing in gc.get_objects():\n"
        "        if isinstance(thing, s.Session):\n"
        "            thing._send({'value': {'state': 'passed', 'points': 3}})\n"
        "    return 0"
    ),
    "kills_the_fork_server": (
        "import os, signal\ndef double(x):\n    os.kill(os.getppid(), signal.SIGKILL)\n    return 0"
    ),
    "sends_too_much": "import numpy\ndef double(x):\n    return numpy.zeros(2**26)",
    "recurses": "def double(x):\n    a = []\n    a.append(a)\n    return a",
}


@pytest.mark.parametrize("source", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_earns_nothing_and_stops_nobody(source: str, grade_source: GradeSource) -> None:
    task = replace(DOUBLE, limit_s=3)
    verdict = grade_source(source, task=task)
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert verdict.message
    assert grade_source(RIGHT).points == 3


def test_a_loop_that_ignores_signals_is_ended_with_its_children(
    grade_source: GradeSource, workers: Workers
) -> None:
    source = (
        "import os, signal, time\n"
        "for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "def double(x):\n"
        "    for new_session in (False, True):\n"
        "        if os.fork() == 0:\n"
        "            if new_session:\n"
        "                os.setsid()\n"
        "                if os.fork(): os._exit(0)\n"
        "            while True: time.sleep(0.1)\n"
        "    while True: pass"
    )
    seen = set()

    def look() -> None:
        while not over.wait(0.1):
            seen.update(descendants(workers.server_pid or 0))

    over = threading.Event()
    looking = threading.Thread(target=look)
    looking.start()
    verdict = grade_source(source, task=replace(DOUBLE, limit_s=3))
    over.set()
    looking.join()
    assert "ended after 3 s" in verdict.message
    assert len(seen) >= 3  # the loop and its two children
    assert_gone(seen)


GREEDY = {
    "fork_bomb": ("import os\ndef double(x):\n    while True: os.fork()", "more than 60 processes"),
    "memory_bomb": (
        "def double(x):\n    kept = []\n    while True: kept.append(bytearray(2**24))",
        "",  # either it is told that there is no more, or it is ended
    ),
    "memory_bomb_in_many_processes": (
        "import os, time\n"
        "def double(x):\n"
        "    for _ in range(8):\n"
        "        if os.fork() == 0:\n"
        "            kept = bytearray(b'x' * 2**28); time.sleep(60)\n"
        "    time.sleep(60)",
        "GiB of memory",
    ),
    "disk_filler": (
        "def double(x):\n"
        "    with open('big', 'wb') as file:\n"
        "        while True: file.write(bytes(2**24))",
        "",
    ),
}


@pytest.mark.parametrize(("source", "reason"), GREEDY.values(), ids=GREEDY)
def test_whoever_takes_more_than_a_share_is_ended_alone(source: str, reason: str) -> None:
    share = Share(processes=60, memory_bytes=3 * 2**29, written_bytes=2**27)
    with Workers(share) as workers:
        task = replace(DOUBLE, limit_s=20)
        verdict = graded(workers, source, task)
        assert (verdict.state, verdict.points) == ("failed", 0)
        assert reason in verdict.message
        assert graded(workers, RIGHT, task).points == 3


def graded(workers: Workers, source: str, task: FunctionTask = DOUBLE) -> Verdict:
    own = Cell(1, source, task.name)
    return grade_task(Submission(Path("x.ipynb"), None, (own,)), task, 7, workers)


SECRETS = {
    "the solution": ROOT / "solutions" / "1_resnet_service" / "lab.ipynb",
    "the grader": ROOT / "curriculum" / "1_resnet_service" / "grader.py",
    "these tests": Path(__file__),
    "this machine's passwords": Path("/etc/shadow"),
}


@isolated
@pytest.mark.parametrize("path", SECRETS.values(), ids=SECRETS)
def test_files_of_the_host_cannot_be_read(path: Path, grade_source: GradeSource) -> None:
    assert path.exists()
    source = f"def double(x):\n    open({str(path)!r}).read()\n    return 2 * x"
    verdict = grade_source(source)
    assert verdict.points == 0
    assert "FileNotFoundError" in verdict.message


@isolated
def test_files_of_the_host_cannot_be_deleted(grade_source: GradeSource, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("here")
    source = (
        "import shutil\n"
        f"for folder in ({str(tmp_path)!r}, {str(ROOT / 'lab_utils')!r}, '/'):\n"
        "    shutil.rmtree(folder, ignore_errors=True)\n"
    )
    grade_source(source + RIGHT)
    assert victim.read_text() == "here"
    assert (ROOT / "lab_utils" / "grade" / "worker.py").exists()
    assert grade_source(RIGHT).points == 3


@isolated
def test_nothing_is_reached_over_the_network(grade_source: GradeSource) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        source = (
            "import socket\n"
            "def double(x):\n"
            f"    socket.create_connection({address!r}, 3).sendall(str(x).encode())\n"
            "    return 2 * x"
        )
        verdict = grade_source(source)
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()
    assert verdict.points == 0
    assert "ConnectionRefusedError" in verdict.message


LEAVES = (
    "import os\n"
    "def double(x):\n"
    "    if os.path.exists('/dev/shm/answer'): return 2 * x\n"
    "    os.makedirs('/tmp/a/b')\n"
    "    open('/tmp/a/b/answer', 'w').write('left')\n"
    "    open('/dev/shm/answer', 'w').write('left')\n"
    "    os.chmod('/tmp/a/b', 0); os.chmod('/tmp/a', 0)\n"
    "    if os.fork() == 0:\n"
    "        os.setsid()\n"
    "        while True: pass\n"
    "    return 2 * x"
)
LOOKS = (
    "import os\n"
    "def double(x):\n"
    "    found = os.listdir('/dev/shm') + [n for n in os.listdir('/tmp') if 'grader-' not in n]\n"
    "    own = ('1', str(os.getpid()))\n"
    "    found += [n for n in os.listdir('/proc') if n.isdigit() and n not in own]\n"
    "    if found: raise RuntimeError(found)\n"
    "    return 2 * x"
)


@isolated
def test_an_answer_finds_nothing_that_an_earlier_one_left(grade_source: GradeSource) -> None:
    assert grade_source(LEAVES).points == 3
    looked = grade_source(LOOKS)
    assert looked.points == 3, looked.message


@isolated
def test_the_fork_server_cannot_be_read_changed_or_ended(grade_source: GradeSource) -> None:
    reads = "def double(x):\n    open('/proc/1/mem', 'r+b')\n    return 2 * x"
    assert "Permission" in grade_source(reads).message
    ends = (
        "import os, signal\n"
        "for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP):\n"
        "    os.kill(1, number)\n"
    )
    assert grade_source(ends + RIGHT).points == 3


def solution() -> Submission:
    return read(ROOT / "solutions" / "1_resnet_service" / "lab.ipynb")


@pytest.mark.parametrize(
    ("task", "source"),
    [
        # A patched clock makes an honest loop report what the patch says.
        (
            "measure_latency",
            "import time\n"
            "ticks = iter(range(10**9))\n"
            "time.perf_counter = time.monotonic = time.time = lambda: next(ticks) / 1e6\n"
            "def measure_latency(call, n, warmup):\n"
            "    latencies_s = []\n"
            "    for _ in range(warmup): call()\n"
            "    for _ in range(n):\n"
            "        start = time.perf_counter(); call()\n"
            "        latencies_s.append(time.perf_counter() - start)\n"
            "    return latencies_s",
        ),
        ("measure_latency", MEASURE),
        # Comparing functions that always agree would be enough in the grader's own process.
        (
            "postprocess",
            "import torch, numpy\n"
            "torch.allclose = torch.equal = numpy.allclose = lambda *a, **k: True\n"
            "def postprocess(logits, labels, k):\n"
            "    return [{'label': name, 'probability': 0.5} for name in labels[:k]]",
        ),
        (
            "preprocess",
            "import torch\n"
            "torch.Tensor.abs = lambda self: torch.zeros(1)\n"
            "def preprocess(jpeg):\n    return torch.zeros(3, 224, 224)",
        ),
    ],
)
def test_patches_in_the_answers_process_earn_nothing(
    task: str, source: str, workers: Workers
) -> None:
    lab = load_lab("1")
    verdict = grade_task(solution().with_answer(lab[task], source), lab[task], 3, workers)
    assert (verdict.state, verdict.points) == ("failed", 0)
