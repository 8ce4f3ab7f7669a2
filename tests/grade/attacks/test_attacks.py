"""Every attack earns nothing, for the reason that it should, and is no straw man."""

import re
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab_utils.components.sandbox import refusal
from lab_utils.grade import wire
from lab_utils.grade.engine import grade_task
from lab_utils.grade.submission import Cell, Submission
from lab_utils.grade.workers import Workers
from tests.grade.attacks import bombs, ends, files, in_process, messages, protocol
from tests.grade.attacks.attack import RIGHT, Attack

ATTACKS = [*in_process.ATTACKS, *files.ATTACKS, *ends.ATTACKS, *messages.ATTACKS, *protocol.ATTACKS]
NAIVE = Path(__file__).with_name("naive.py").read_text()
ALL = 3
needs_sandbox = pytest.mark.skipif(bool(refusal()), reason=refusal() or "there is a sandbox")


def name(attack: Attack) -> str:
    return attack.name


class Friend(socketserver.StreamRequestHandler):
    """Knows the answer."""

    def handle(self) -> None:
        self.wfile.write(b"%d\n" % (2 * int(self.rfile.readline())))


@pytest.fixture(scope="session")
def friend() -> Iterator[int]:
    """The port of a friend on this machine."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Friend) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def poor() -> Iterator[Workers]:
    """Workers whose answers get a small share of the machine."""
    with Workers(bombs.SHARE) as workers:
        yield workers


def earned(attack: Attack, workers: Workers, port: int = 0) -> tuple[float, str]:
    """Points and message."""
    own = Cell(1, attack.source(port), attack.task.name)
    task = replace(attack.task, limit_s=attack.limit_s)
    verdict = grade_task(Submission(Path("eve.ipynb"), None, (own,)), task, 7, workers)
    return verdict.points, verdict.message


def assert_defeated(attack: Attack, workers: Workers, port: int = 0) -> None:
    points, message = earned(attack, workers, port)
    assert points == 0
    assert re.search(attack.said, message, re.DOTALL), message
    assert "\n" not in message
    assert earned(Attack("right", RIGHT, ""), workers) == (ALL, "")


@pytest.mark.parametrize("attack", ATTACKS, ids=name)
def test_an_attack_earns_nothing_and_stops_nobody(
    attack: Attack, workers: Workers, friend: int
) -> None:
    assert_defeated(attack, workers, friend)


@pytest.mark.parametrize("attack", bombs.ATTACKS, ids=name)
def test_whoever_takes_more_than_a_share_is_ended_alone(attack: Attack, poor: Workers) -> None:
    assert_defeated(attack, poor)


def assert_fools_the_naive(attack: Attack, workers: Workers) -> None:
    helper = {"number": 1, "source": NAIVE, "own": True}
    limit_s = attack.limit_s if attack.naive == "fooled" else max(3, attack.limit_s)
    with workers.answer([helper], "naive_points", limit_s) as naive_points:
        if attack.naive == "fooled":
            assert naive_points(attack.source(), attack.task.function) == ALL
        else:
            with pytest.raises((wire.Closed, wire.TimeUp)):
                naive_points(attack.source(), attack.task.function)


@needs_sandbox  # there it can harm nobody
@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.naive], ids=name)
def test_a_naive_grader_falls_for_it(attack: Attack, workers: Workers) -> None:
    assert_fools_the_naive(attack, workers)
