"""The command line as a person types it."""

import json
import socket
import subprocess

import pytest

from lab_utils.components.catalogue import CATALOGUE
from lab_utils.course.sources import notebooks
from lab_utils.machine.cores import available_cores
from tests.conftest import Lab
from tests.started import lab


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


VERBS = ["start", "run", "test", "doctor", "check", "grade", "calc", "release"]
VERBS += ["bench", "build", "lock", "export", "k8s"]


def test_help_names_every_verb() -> None:
    listed = lab("--help").stdout
    assert [verb for verb in VERBS if f"  {verb} " not in listed] == []
    assert "..." not in listed.replace("[ARGS]...", "")  # each in a whole sentence


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, lab_here: Lab) -> None:
    done = lab_here(verb, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: ./lab {verb}")
    assert not set("<{") & set(done.stdout)  # Python's names for types


def test_doctor_says_what_this_machine_is() -> None:
    document = json.loads(lab("doctor", "--json").stdout)
    assert document["machine"]["cores"] == available_cores()
    assert document["machine"]["memory_gb"] > 0
    assert set(document["components"]) == set(CATALOGUE)
    assert document["components"]["gunicorn"] is True
    assert list(document["notebooks"]) == [notebook.title for notebook in notebooks()]
    assert document["versions"]["torch"]


def test_doctor_says_what_a_missing_tool_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    from lab_utils.course import doctor

    absent = type(CATALOGUE["wrk"])(
        "wrk", "load", "apt install wrk", "k6 takes its place", "no_wrk"
    )
    monkeypatch.setitem(CATALOGUE, "wrk", absent)
    diagnosis = doctor.diagnose()
    lesson = next(n for n in notebooks() if "wrk" in n.uses)
    assert diagnosis.notebooks[lesson.title] == "wrk is missing: k6 takes its place"
    assert diagnosis.notebooks["Welcome to Inference Lab"] == "runs in full"


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        # Triton Conceptual Guide, part 2: 16 in flight, batches of 2, 975.048 inferences a second.
        (["littles-law", "in_flight=16", "rate_rps=487.524"], 0.03282),
        (["amdahl", "share=0.5", "factor=2"], 4 / 3),
        # The scaling book: 240 inputs a batch on a TPU v5e.
        (
            [
                "critical-batch",
                "peak_per_s=1.97e14",
                "bandwidth_bytes_per_s=8.2e11",
                "bytes_per_weight=2",
            ],
            240.2,
        ),
        (["ridge-point", "peak_per_s=400e9", "bandwidth_bytes_per_s=25e9"], 16),
        (["roofline", "intensity=2", "peak_per_s=400e9", "bandwidth_bytes_per_s=25e9"], 50e9),
        # MLPerf LoadGen's early stopping.
        (["percentile-samples", "percentile=99", "confidence=0.99"], 459),
        (["mm1", "service_s=1", "utilisation=0.9", "percentile=99"], 46.05),
        # The Tail at Scale: 63 % of requests to 100 servers.
        (["fan-out", "servers=100", "slow_share=0.01"], 0.634),
        # Karp and Flatt: a tenth that is serial makes four workers 1 / (0.1 + 0.9 / 4) as fast.
        (["serial-share", "speedup=3.0769", "workers=4"], 0.1),
        (["cost-per-query", "price_per_h=2", "queries_per_h=4000", "utilisation=0.2"], 2.5),
        (["break-even", "price_small=0.1", "rate_small=5000", "price_large=0.75"], 35_000),
        (
            ["serverless-break-even", "price_per_h=0.108", "price_per_s=0.00006", "busy_s=0.005"],
            100,
        ),
    ],
)
def test_calc(arguments: list[str], result: float, lab_here: Lab) -> None:
    document = json.loads(lab_here("calc", *arguments, "--json").stdout)
    assert document["result"] == pytest.approx(result, rel=1e-3)
    assert document["source"]
    assert document["unit"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["calc", "nonsense"], "There is no calculation 'nonsense'; expected littles-law, amdahl"),
        (["calc", "amdahl", "share=0.5"], "amdahl was given share; expected share=… factor=…."),
        (["calc", "amdahl", "share=2", "factor=2"], "share is 2; expected a part of the whole"),
        (["calc", "littles-law", "in_flight=0", "rate_rps=1"], "expected a number above 0"),
        (["calc", "littles-law", "in_flight=x", "rate_rps=1"], "expected NAME=NUMBER"),
        (["calc", "mm1", "service_s=1", "utilisation=1", "percentile=99"], "utilisation is 1; exp"),
        (["calc", "fan-out", "servers=0", "slow_share=0.1"], "servers is 0; expected at least 1"),
        (["calc", "percentile-samples", "percentile=100", "confidence=0.9"], "between 0 and 100"),
        (["calc", "percentile-samples", "percentile=99", "confidence=1"], "expected a share"),
        (["test", "nonsense"], "There is no step 'nonsense'; expected one of build, style"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], message: str, lab_here: Lab) -> None:
    assert message in one_sentence(lab_here(*arguments))


def test_a_port_that_does_not_exist_is_one_sentence() -> None:
    assert "Port 99999 does not exist" in one_sentence(lab("start", "--port", "99999"))


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = one_sentence(lab("start", "--port", str(port), "--no-browser"))
    assert f"Port {port} is in use; name another with --port" in error
