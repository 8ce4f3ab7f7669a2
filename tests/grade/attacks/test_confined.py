"""What an answer cannot see, change or leave behind; and cheats on tasks of lab 1."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_utils.components.sandbox import Sandbox, refusal
from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.grade.engine import grade_task
from lab_utils.grade.spec import load_lab
from lab_utils.grade.submission import Cell, Submission, read
from lab_utils.grade.verdict import Verdict
from lab_utils.grade.workers import Workers
from tests.grade.conftest import DOUBLE

GradeSource = Callable[..., Verdict]
isolated = pytest.mark.skipif(bool(refusal()), reason=refusal() or "there is a sandbox")
RIGHT = "def double(x):\n    return 2 * x"

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
        f"for folder in ({str(tmp_path)!r}, {str(ROOT / 'lab_utils')!r}):\n"
        "    shutil.rmtree(folder, ignore_errors=True)\n"
    )
    grade_source(source + RIGHT)
    assert victim.read_text() == "here"
    assert (ROOT / "lab_utils" / "grade" / "worker.py").exists()
    assert grade_source(RIGHT).points == 3


LEAVES = (
    "import glob, os\n"
    "def double(x):\n"
    "    if os.path.exists('/dev/shm/answer'): return 2 * x\n"
    "    shared = glob.glob('/tmp/grader-*/answers')[0]\n"
    "    os.mkdir(shared + '/answer'); os.chmod(shared + '/answer', 0)\n"
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
    "import glob, os\n"
    "def double(x):\n"
    "    found = os.listdir('/dev/shm') + [n for n in os.listdir('/tmp') if 'grader-' not in n]\n"
    "    found += glob.glob('/tmp/grader-*/*/*') + glob.glob('/tmp/grader-*/[!a]*')\n"
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


DEEP = (
    "import glob, os\n"
    "def double(x):\n"
    "    for folder in (glob.glob('/tmp/grader-*/answers')[0], '/tmp'):\n"
    "        os.chdir(folder)\n"
    "        if not os.path.exists('d'):\n"
    "            for _ in range(3000): os.mkdir('d'); os.chdir('d')\n"
    "    return 2 * x"
)


@isolated
def test_folders_too_deep_to_be_removed_stop_nobody() -> None:
    with Workers() as own:
        for source in (DEEP, LOOKS, DEEP):
            cells = (Cell(1, source, "double"),)
            verdict = grade_task(Submission(Path("x.ipynb"), None, cells), DOUBLE, 7, own)
            assert verdict.state == "passed" or "more than 60 deep" in verdict.message
    assert not list(Path(tempfile.gettempdir()).glob("grader-*/answers/d"))


@isolated
def test_a_lent_folder_that_became_a_link_is_lent_to_no_service(tmp_path: Path) -> None:
    swaps = (
        "import os\n"
        "def swap(folder):\n"
        "    os.rename(folder, folder + '-moved')\n"
        f"    os.symlink({str(tmp_path)!r}, folder)"
    )
    (tmp_path / "victim").write_text("here")
    with Workers() as own:
        with own.folder() as lent:
            with own.answer([{"number": 1, "source": swaps, "own": True}], "swap", 20) as swap:
                swap(folder=str(lent))
            assert lent.is_symlink()
            with pytest.raises(LabError, match="is a link"):
                Sandbox(writable=(lent,)).command(["true"])
        with own.folder() as lent:
            assert not list(lent.parent.glob("*-moved"))
    assert (tmp_path / "victim").read_text() == "here"


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
        (
            "measure_latency",
            "def measure_latency(call, n, warmup):\n    return [0.01 + i / 1e6 for i in range(n)]",
        ),
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
