import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.profile import pyspy
from lab_utils.measure.profile.result import Profile

pytestmark = pytest.mark.alone


def run(program: Path, *arguments: str, idle: bool = False) -> Profile:
    try:
        return pyspy.run([sys.executable, str(program), *arguments], idle=idle)
    except LabError as error:
        if "does not let py-spy" in str(error):
            pytest.skip(str(error))
        raise


@contextmanager
def running(program: Path, *arguments: str) -> Iterator[int]:
    command = [sys.executable, str(program), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_it_names_python_that_burns_and_leaves_out_who_sleeps(program: Path) -> None:
    profile = run(program, "burn_in_python", "0.5", "wait_for_somebody", "0.5")
    assert profile.share_of("burn_in_python (planted.py") > 0.9
    waits = [row.self_s for row in profile.rows if "wait_for_somebody" in row.name]
    assert sum(waits) < 0.1  # of the 0.5 s: a sample may catch it falling asleep
    assert profile.total_s < 0.75 * profile.elapsed_s
    assert any("sleeps" in blind for blind in profile.blind_to)


def test_asked_for_idle_threads_it_names_the_wait(program: Path) -> None:
    profile = run(program, "burn_in_python", "0.3", "wait_for_somebody", "0.6", idle=True)
    assert profile.top(1)[0].name.startswith("wait_for_somebody")


def test_it_names_the_line_that_calls_into_c(program: Path) -> None:
    profile = run(program, "burn_in_c", "0.4")
    assert profile.top(1)[0].name.startswith("burn_in_c")
    assert not any("compress" in row.name for row in profile.rows)


def test_it_looks_into_a_running_process(program: Path) -> None:
    with running(program, "burn_in_python", "60") as pid:
        try:
            with pyspy.Recording(pid) as recording:
                with pytest.raises(LabError, match="after the `with`"):
                    _ = recording.profile
                time.sleep(0.5)
        except LabError as error:
            pytest.skip(str(error))
    assert recording.profile.share_of("burn_in_python") > 0.9
    assert any(stack[0].startswith("<module>") for stack in recording.profile.stacks)


def test_it_looks_into_its_own_starter() -> None:
    pyspy.let_profilers_in()
    try:
        with pyspy.Recording(os.getpid(), idle=True) as recording:
            until_s = time.perf_counter() + 0.5  # a busy machine may keep py-spy from a few samples
            while time.perf_counter() < until_s:
                sum(number * number for number in range(1000))
    except LabError as error:
        pytest.skip(str(error))
    assert recording.profile.rows


def test_no_py_spy_is_left_behind_when_the_block_raises(program: Path) -> None:
    with (
        running(program, "burn_in_python", "60") as pid,
        pytest.raises((RuntimeError, LabError)),
        pyspy.Recording(pid),
    ):
        raise RuntimeError("in the block")
    children = psutil.Process().children(recursive=True)
    assert not [child for child in children if child.name() == "py-spy"]


def test_a_process_that_is_not_there_is_named() -> None:
    with pytest.raises(LabError, match=r"process 4194000, which should be a running Python"):
        pyspy.Recording(4_194_000).__enter__()


def test_a_program_that_hangs_is_given_up(program: Path) -> None:
    with pytest.raises(LabError, match=r"did not end in 0\.5 s under py-spy"):
        pyspy.run([sys.executable, str(program), "wait_for_somebody", "60"], may_take_s=0.5)


def test_missing_permission_is_one_clear_sentence() -> None:
    said = pyspy._refusal("process 7", "Error: Permission Denied: Try running again with sudo")
    assert said.startswith("The operating system does not let py-spy look into process 7: call")


@pytest.mark.parametrize("nonsense", [{"rate_hz": 0}, {"may_take_s": -1}])
def test_nonsense_is_refused(nonsense: dict[str, int]) -> None:
    with pytest.raises(LabError, match="expected a number above 0"):
        pyspy.Recording(1, **nonsense)  # type: ignore[arg-type]


def test_no_command_is_refused() -> None:
    with pytest.raises(LabError, match="No command was given"):
        pyspy.run([])


def test_its_lines_are_read() -> None:
    stacks = pyspy.parse("main (a.py:1);f g (b.py:2) 3\nmain (a.py:1) 1\n", 0.01)
    assert stacks == {
        ("main (a.py:1)", "f g (b.py:2)"): pytest.approx(0.03),
        ("main (a.py:1)",): 0.01,
    }
    with pytest.raises(LabError, match=r"py-spy wrote '<svg>'; expected frames and a count"):
        pyspy.parse("<svg>", 0.01)
