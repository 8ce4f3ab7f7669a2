"""A function timed against a reference: what is worth points, and what does not help."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from lab_utils.components.sandbox import refusal
from lab_utils.components.watch import Greedy
from lab_utils.grade import findings, notebook, timed
from lab_utils.grade.decision import Curve, Standing, curve_of
from lab_utils.grade.findings import finding_on_timing
from lab_utils.grade.spec import Case, TimedTask, Work, Wrong
from lab_utils.grade.stopwatch import Stopwatch
from lab_utils.grade.timed import Timing
from lab_utils.grade.verdict import Verdict
from lab_utils.grade.workers import Workers
from lab_utils.machine.ceilings import Ceilings, Rate
from lab_utils.measure.interval import Interval
from lab_utils.measure.run_queue import falls_asleep

GradeSource = Callable[..., Verdict]
pytestmark = pytest.mark.alone
ROUNDS = 40
SOURCE = """
import hashlib
def digest(data):
    for _ in range({rounds}):
        made = hashlib.pbkdf2_hmac("sha256", data, b"salt", 100)
    return made
"""
"""The same work so many times over: two of these differ in speed by the ratio of their rounds."""


def times(factor: float) -> str:
    """An answer so many times as fast as the reference."""
    return SOURCE.format(rounds=round(ROUNDS / factor))


def graded_undisturbed(graded: Callable[[], Verdict], low: float, high: float) -> Verdict:
    """Grade again where the median of the speedup lies outside, twice at most.

    A disturbed machine may move the median of nine pairs that far now and then.
    """
    for _ in range(3):
        verdict = graded()
        if low < verdict.figures["speedup"].value.median < high:
            break
    return verdict


def draw(seed: int, count: int) -> list[Case]:
    chance = random.Random(seed)
    return [{"data": chance.randbytes(16)} for _ in range(count)]


def judge(case: Case, expected: object, given: object) -> None:
    if given != expected:
        raise Wrong("another digest. Hash the data that you were given.")


TASK = TimedTask(
    name="digest",
    title="Hash it faster",
    points=4,
    function="digest",
    reference=SOURCE.format(rounds=ROUNDS),
    draw=draw,
    judge=judge,
    bar=2.0,
    too_slow="Hash once.",
    limit_s=30,
)


def test_fast_enough_earns_all_points_and_the_figures_say_how_fast(
    grade_source: GradeSource,
) -> None:
    verdict = graded_undisturbed(lambda: grade_source(times(4), task=TASK), 3, 5)
    assert (verdict.state, verdict.points) == ("passed", 4), verdict.message
    assert 3 < verdict.figures["speedup"].value.median < 5
    assert {name: figure.unit for name, figure in verdict.figures.items()} == {
        "speedup": "×",
        "reference": "ms",
        "yours": "ms",
    }


def test_too_slow_fails_and_says_how_fast_it_was_and_what_to_do(grade_source: GradeSource) -> None:
    verdict = grade_source(times(1.3), task=TASK)
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert "times as fast as the reference; 2 is asked. Hash once." in verdict.message


def test_between_two_ratios_a_part_is_earned_and_the_sentence_says_which(
    grade_source: GradeSource,
) -> None:
    bar = Curve(none_at=1.0, full_at=3.0)
    verdict = graded_undisturbed(
        lambda: grade_source(times(2), task=replace(TASK, bar=bar)), 1.7, 2.3
    )
    assert verdict.state == "partial", verdict.message
    assert verdict.points == pytest.approx(2, abs=0.6)
    speedup = verdict.figures["speedup"].value.median
    assert verdict.points == pytest.approx(4 * bar.share(speedup), abs=0.01)
    assert f"its median earns {verdict.points:g} of 4" in verdict.message
    assert "all points need 3, the first 1" in verdict.message


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def digest(data):\n    return b''", "another digest"),
        (  # right once, then a stored answer
            SOURCE.format(rounds=1) + "once = digest\nkept = []\ndef digest(data):\n"
            "    kept.append(kept[0] if kept else once(data))\n    return kept[0]",
            "another digest",
        ),
        ("def digest(data):\n    raise ValueError('no')", "digest raised ValueError: no"),
        ("import os\ndef digest(data):\n    os._exit(0)", "ended before it answered"),
        ("def digest(data):\n    return {1}", "gave a set, which is not a plain value"),
        ("def digest(data):\n    raise NotImplementedError", "Not done yet"),
    ],
)
def test_what_is_timed_is_judged(grade_source: GradeSource, source: str, said: str) -> None:
    verdict = grade_source(source, task=TASK)
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert said in verdict.message


def test_a_loop_is_ended_at_the_limit(grade_source: GradeSource) -> None:
    verdict = grade_source(
        "def digest(data):\n    while True: pass", task=replace(TASK, limit_s=1.5)
    )
    assert "ended after 1.5 s" in verdict.message


HOG = (
    "import os\n"
    "def digest(data):\n"
    "    global started\n"
    "    if 'started' not in globals():\n"
    "        started = [os.fork() for _ in range(4)]\n"
    "        if 0 in started:\n"
    "            while True: pass\n"
    "    return honest(data)"
)
QUEUES = (
    "import os\n"
    "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
    "if os.fork() == 0:\n"
    "    while True: pass\n"
    "def digest(data):\n"
    "    return honest(data)"
)
WAKES = """
import ctypes, signal, threading
signal.signal(signal.SIGCONT, lambda *_: None)  # the kernel drops a timer that is ignored
lib = ctypes.CDLL(None)
class Event(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signal", ctypes.c_int), ("notify", ctypes.c_int),
                ("rest", ctypes.c_char * 48)]
timer, event = ctypes.c_void_p(), Event(None, signal.SIGCONT, 0)
lib.timer_create(1, ctypes.byref(event), ctypes.byref(timer))
every = (ctypes.c_long * 4)(0, 20_000_000, 0, 20_000_000)
lib.timer_settime(timer, 0, every, None)

def spin():
    while True: pass

threading.Thread(target=spin, daemon=True).start()

def digest(data):
    return honest(data)
"""
"""The kernel sends SIGCONT every 20 ms, and a thread keeps the reference's core busy."""
SLEEPS = "import time\ndef digest(data):\n    time.sleep(0.02)\n    return once(data)"


@pytest.mark.parametrize(
    "source",
    [
        times(1) + "honest = digest\n" + HOG,
        times(1) + "honest = digest\n" + QUEUES,
        SOURCE.format(rounds=1) + "once = digest\n" + SLEEPS,
    ],
    ids=["slows_the_reference", "queues_behind_itself", "sleeps"],
)
def test_time_that_is_not_spent_computing_counts(grade_source: GradeSource, source: str) -> None:
    task = replace(TASK, bar=1.5)
    verdict = grade_source(source, task=task)
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert verdict.figures["speedup"].value.high < 1.5
    assert grade_source(times(4), task=task).points == 4


def test_a_worker_that_does_not_stand_still_earns_nothing(grade_source: GradeSource) -> None:
    verdict = grade_source(times(4) + "honest = digest\n" + WAKES, task=TASK)
    assert (verdict.state, verdict.points) == ("failed", 0)  # found out, or slowed by itself
    assert grade_source(times(4), task=TASK).points == 4


def test_whoever_went_on_meanwhile_is_found_out(workers: Workers) -> None:
    spins = "import threading\ndef digest(data):\n    threading.Thread(target=spin).start()\n"
    spins += "def spin():\n    while True: pass"
    cells = [{"number": 1, "source": spins, "own": True}]
    with workers.running(cells, "digest", 20, threads=1) as running:
        watch = Stopwatch(running)
        watch.time(lambda: running.function(data=b"x"))
        os.kill(running.pid, signal.SIGCONT)
        time.sleep(0.1)
        os.kill(running.pid, signal.SIGSTOP)
        with pytest.raises(Greedy, match="went on while it was to stand still"):
            watch.go()


def test_a_reference_that_fails_is_no_fault_of_the_answers(grade_source: GradeSource) -> None:
    task = replace(TASK, reference="def digest(data):\n    raise OSError('gone')")
    verdict = grade_source(times(4), task=task)
    assert (verdict.state, verdict.points) == ("error", 0)
    assert "The reference function failed (OSError: gone)" in verdict.message


def test_what_is_shorter_than_a_message_is_not_timed(grade_source: GradeSource) -> None:
    task = replace(TASK, reference="def digest(data):\n    return data")
    verdict = grade_source("def digest(data):\n    return data", task=task)
    assert verdict.state == "error"
    assert "too short a task to be timed. Give it larger inputs." in verdict.message


def test_inputs_are_fresh_and_repeatable() -> None:
    assert draw(1, 3) == draw(1, 3) != draw(2, 3)


def test_whoever_is_not_timed_stands_still(workers: Workers) -> None:
    cells = [{"number": 1, "source": "def wait():\n    return 1", "own": True}]
    with workers.running(cells, "wait", 20, threads=1) as running:
        watch = Stopwatch(running)
        watch.stop()
        assert state_of(running.pid) == "T"
        seen = []
        lap = watch.time(lambda: seen.append(running.function()))
        assert seen == [1]
        assert state_of(running.pid) == "T"
        assert 0 < lap.own_s <= lap.wall_s
        watch.go()
        assert falls_asleep(running.pid, within_s=5)


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def test_what_others_hold_is_taken_off_and_nothing_else(workers: Workers) -> None:
    """Four processes on the worker's only core: the wall's clock sees them, its own does not."""
    core = min(os.sched_getaffinity(0))
    source = f"import os\nos.sched_setaffinity(0, [{core}])\n" + SOURCE.format(rounds=10_000)
    cells = [{"number": 1, "source": source, "own": True}]
    with workers.running(cells, "digest", 60, threads=1) as running:
        watch = Stopwatch(running)
        burners = [burner(core) for _ in range(4)]
        try:
            lap = watch.time(lambda: running.function(data=b"x"))
        finally:
            for pid in burners:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    assert lap.alone
    assert lap.own_s < 0.8 * lap.wall_s


def burner(core: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.sched_setaffinity(0, [core])
    end_s = time.monotonic() + 30
    while time.monotonic() < end_s:
        pass
    os._exit(0)


def timing(ratio: float, share: float = 1.0, decided: bool = True) -> Timing:
    near = Interval(ratio, 0.98 * ratio, 1.02 * ratio, 18)
    second = Interval(1e-3, 0.9e-3, 1.1e-3, 18)
    return Timing(near, second, second, Standing(share, decided), cases=[{}])


def test_a_tie_is_said_to_be_one() -> None:
    passed = finding_on_timing(TASK, timing(2.01, 1, decided=False))
    assert passed.state == "passed"
    assert "the longest run could not tell the two apart, so its median decides" in passed.message
    failed = finding_on_timing(TASK, timing(1.99, 0, decided=False))
    assert failed.state == "failed"
    assert "so its median decides" in failed.message
    assert finding_on_timing(TASK, timing(2.5)).message == ""


def ceilings_of(operations_per_s: float, disturbed_cores: float = 0.0) -> Ceilings:
    rate = Rate(Interval(operations_per_s, 0.99 * operations_per_s, operations_per_s, 6), "a loop")
    return Ceilings("here", 2, rate, rate, {"fp32": rate}, 1, "today", 1.0, disturbed_cores, {}, {})


@pytest.mark.parametrize(
    ("work", "state"),
    [
        (Work(operations=0.9e6), "passed"),
        (Work(operations=2e6), "implausible"),
        (Work(bytes=2e6), "implausible"),
        (Work(operations=2e6, precision="any"), "implausible"),
        (Work(operations=2e6, precision="int4"), "passed"),  # nothing was measured for it
    ],
)
def test_faster_than_the_machine_is_flagged_and_earns_nothing(
    monkeypatch: pytest.MonkeyPatch, work: Work, state: str
) -> None:
    monkeypatch.setattr(findings, "_ceilings", lambda: ceilings_of(1e9))
    task = replace(TASK, work=lambda case: work)
    found = finding_on_timing(task, timing(4))  # a thousand calls a second
    assert (found.state, found.points(task)) == (state, 4 if state == "passed" else 0)
    if state == "implausible":
        assert "this machine's measured ceiling is 1 (a loop)" in found.message
        assert "No points until your instructor has looked" in found.message


def test_a_ceiling_that_others_held_down_accuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "_ceilings", lambda: ceilings_of(1e9, disturbed_cores=0.5))
    task = replace(TASK, work=lambda case: Work(operations=9e9))
    assert finding_on_timing(task, timing(4)).state == "passed"


def test_what_failed_is_not_implausible_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "_ceilings", lambda: ceilings_of(1e9))
    task = replace(TASK, work=lambda case: Work(operations=9e9))
    assert finding_on_timing(task, timing(1, share=0)).state == "failed"


def test_a_notebook_can_try_it(monkeypatch: pytest.MonkeyPatch) -> None:
    namespaces: list[dict] = [{}, {}]
    for namespace, factor in zip(namespaces, (8, 0.5), strict=True):
        exec(times(factor), namespace)
    state, said, figures = notebook._timed(TASK, namespaces[0]["digest"], seed=1)
    assert state == "passed"
    assert "2 is asked (advice, not a mark)" in said
    assert list(figures) == ["digest, in process"]
    assert notebook._timed(TASK, namespaces[1]["digest"], seed=1)[0] == "failed"
    with pytest.raises(Wrong, match="another digest"):
        timed.rehearse(TASK, lambda data: b"", 1, timed.PLAN)


@pytest.mark.skipif(bool(refusal()), reason=refusal() or "there is a sandbox")
def test_the_reference_runs_in_a_place_like_the_answers(workers: Workers) -> None:
    assert workers.beside.isolation == workers.isolation
    assert workers.beside is workers.beside
    assert workers.beside.server_pid != workers.server_pid


def test_a_bar_is_a_curve_without_a_slope() -> None:
    assert curve_of(2.0) == Curve(2.0, 2.0)
    assert curve_of(Curve(1.0, 2.0)) == Curve(1.0, 2.0)
