"""Answers that try to be graded otherwise than by what they compute: none earns anything.

Each is a whole answer to a task of lab 1, or to a small task where that shows it better. After
each, the same workers grade a right answer rightly.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab_utils.files import ROOT
from lab_utils.grade.engine import grade_task
from lab_utils.grade.spec import load_lab
from lab_utils.grade.submission import Submission, read
from lab_utils.grade.verdict import Verdict
from lab_utils.grade.workers import Workers
from tests.grade.conftest import DOUBLE
from tests.started import assert_gone

GradeSource = Callable[..., Verdict]
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
    grade_source: GradeSource, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
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
        f"            open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        "            while True: time.sleep(0.1)\n"
        "    while True: pass"
    )
    verdict = grade_source(source, task=replace(DOUBLE, limit_s=3))
    assert "ended after 3 s" in verdict.message
    left = [int(pid) for pid in pids.read_text().split()]
    assert len(left) == 2
    assert_gone(left)


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
