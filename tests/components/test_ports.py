import re
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab_utils.components import ports
from lab_utils.components.process import Process
from lab_utils.errors import LabError


def test_a_lasting_port_is_free_and_no_outgoing_connection_gets_it() -> None:
    port = ports.lasting_port()
    with socket.create_server(("127.0.0.1", port)):
        pass
    if ports.OUTGOING.exists():
        assert port < int(ports.OUTGOING.read_text().split()[0])


def test_one_that_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken = ports.lasting_port()
    with socket.create_server(("127.0.0.1", taken)):
        monkeypatch.setattr("random.randrange", lambda *_: taken)
        with pytest.raises(LabError, match="No free port was found"):
            ports.lasting_port()


def listening(port: int, log: str = "Address already in use") -> Process:
    """A program that is handed a port, as Redis is."""
    program = f"""
import socket, time
try:
    server = socket.create_server(("127.0.0.1", {port}))
except OSError:
    raise SystemExit({log!r})
print("listening", flush=True)
time.sleep(600)
"""
    command = [sys.executable, "-c", program]
    process = Process("It", command, ready=lambda: "listening" in process.log())
    return process


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


TAKEN = re.compile("Address already in use")


def test_a_process_whose_port_was_taken_gets_another(taken: int) -> None:
    given = [taken, taken, *ports.free_ports(1)]
    with ExitStack() as stack:
        process = ports.started(stack, lambda: listening(given.pop(0)), TAKEN, tries=3)
        assert process.alive()
        assert given == []
    assert not process.alive()


def test_it_is_given_up_after_so_many_tries(taken: int) -> None:
    given = [taken, taken, *ports.free_ports(1)]
    with ExitStack() as stack, pytest.raises(LabError, match="Address already in use"):
        ports.started(stack, lambda: listening(given.pop(0)), TAKEN, tries=2)
    assert len(given) == 1


def test_what_fails_otherwise_is_not_tried_again(taken: int) -> None:
    given = [taken, *ports.free_ports(1)]
    with ExitStack() as stack, pytest.raises(LabError, match="no licence"):
        ports.started(stack, lambda: listening(given.pop(0), "no licence"), TAKEN, tries=3)
    assert len(given) == 1
