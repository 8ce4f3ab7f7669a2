from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.profile import nsight
from lab_utils.serve import annotated_request


def test_the_courses_recording_names_the_wait_inside_the_glossary() -> None:
    profile = annotated_request.recorded()
    wait = ("request", "glossary", "poll (operating system)")
    assert profile.stacks[wait] > 0.8 * sum(
        seconds for stack, seconds in profile.stacks.items() if "glossary" in stack
    )
    requests = next(row for row in profile.rows if row.name == "request")
    assert requests.calls == 6


def test_without_nsys_it_says_so_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotated_request, "program", lambda name: None)
    profile, source = annotated_request.profile("http://127.0.0.1:1", 2)
    assert profile.tool == "Nsight Systems 2022.4.2.1"
    assert "another machine, see nsight_request.sql" in source
    assert "apt install nsight-systems" in source


def test_an_nsys_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*rest: object) -> None:
        raise LabError("nsys did not end in 120 s.")

    monkeypatch.setattr(annotated_request, "program", lambda name: Path("/usr/bin/nsys"))
    monkeypatch.setattr(nsight, "run", fail)
    assert annotated_request.profile("http://127.0.0.1:1", 2)[1].endswith(
        "nsys did not end in 120 s."
    )
