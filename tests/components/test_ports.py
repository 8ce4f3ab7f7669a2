import socket
from pathlib import Path

import pytest

from lab_utils.components import ports
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
