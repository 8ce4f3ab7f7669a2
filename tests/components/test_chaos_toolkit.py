"""The real toolkit on small experiments against a server that remembers what it was asked."""

import copy
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab_utils.components.chaos_toolkit import read, run_experiment
from lab_utils.errors import LabError


class Target:
    """Well until POST /break, and from POST /mend on; POST /fail is an error."""

    def __init__(self) -> None:
        self.well = True
        self.asked: list[str] = []
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(200 if target.well else 503)

            def do_POST(self) -> None:
                target.asked.append(self.path)
                target.well = {"/break": False, "/mend": True}.get(self.path, target.well)
                self.answer(500 if self.path == "/fail" else 200)

            def answer(self, status: int) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"said so")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def target() -> Iterator[Target]:
    target = Target()
    thread = threading.Thread(target=target.server.serve_forever, args=[0.02])
    thread.start()
    yield target
    target.server.shutdown()
    target.server.server_close()
    thread.join()


def action(verb: str) -> dict[str, Any]:
    provider = {"type": "http", "method": "POST", "url": f"${{target}}/{verb}"}
    return {"name": verb, "type": "action", "provider": provider}


def experiment(folder: Path, verb: str) -> Path:
    probe = {
        "name": "it is well",
        "type": "probe",
        "tolerance": 200,
        "provider": {"type": "http", "url": "${target}/"},
    }
    document = {
        "version": "1.0.0",
        "title": f"It is told to {verb}",
        "description": "…",
        "configuration": {"target": {"type": "env", "key": "TARGET"}},
        "steady-state-hypothesis": {"title": "Well", "probes": [probe]},
        "method": [action(verb)],
        "rollbacks": [action("mend")],
    }
    path = folder / f"{verb}.json"
    path.write_text(json.dumps(document))
    return path


def test_what_stands_and_what_falls_is_told_and_both_are_mended(
    target: Target, tmp_path: Path
) -> None:
    told = {"TARGET": target.url}
    stood = run_experiment(experiment(tmp_path, "shake"), told)
    assert (stood.held_before, stood.deviated, stood.missed) == (True, False, "")
    fell = run_experiment(experiment(tmp_path, "break"), told)
    assert (fell.held_before, fell.deviated, fell.missed) == (True, True, "it is well")
    assert fell.title == "It is told to break"
    assert fell.begun_s <= fell.mended_s <= fell.ended_s
    assert stood.ended_s < fell.begun_s
    assert target.asked == ["/shake", "/mend", "/break", "/mend"]


def test_nothing_is_broken_where_the_hypothesis_does_not_hold(
    target: Target, tmp_path: Path
) -> None:
    target.well = False
    journal = run_experiment(experiment(tmp_path, "break"), {"TARGET": target.url})
    assert (journal.held_before, journal.missed) == (False, "it is well")
    assert "/break" not in target.asked


def test_an_action_that_is_refused_is_told(target: Target, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="It is told to fail: fail failed: said so"):
        run_experiment(experiment(tmp_path, "fail"), {"TARGET": target.url})
    assert target.asked == ["/fail", "/mend"]


def test_an_action_that_the_toolkit_could_not_do_is_told(target: Target, tmp_path: Path) -> None:
    journal = run_experiment(experiment(tmp_path, "shake"), {"TARGET": target.url})
    document = copy.deepcopy(dict(journal.document))
    document["run"][0] |= {"status": "failed", "output": None, "exception": ["no route"]}
    with pytest.raises(LabError, match="shake failed: no route"):
        read(document)


def test_what_is_no_experiment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="There is no experiment"):
        run_experiment(tmp_path / "nothing.yaml", {})
    path = tmp_path / "untitled.json"
    path.write_text(json.dumps({"description": "…", "method": []}))
    with pytest.raises(LabError, match=r"did not run untitled\.json: .*requires a title"):
        run_experiment(path, {})
