"""MLPerf LoadGen against an HTTP service: the benchmark's four scenarios, its rules, its verdict.

LoadGen decides when queries are sent and whether a run counts; the system under test, here a
client that posts bodies to the service, only sends and reports back. Its scenarios:

- SingleStream: one query at a time, the next when the answer is there. A closed loop.
- MultiStream: `per_query` requests at once, the next ones when all are answered. A closed loop.
- Server: Poisson arrivals at a rate. An open loop; latency counts from the scheduled time.
- Offline: everything at once; only the rate counts.

    run = loadgen("Server", f"{url}/predict", pictures, rate_rps=50, duration_s=4, bound_s=0.1)
    run.verdict     # INVALID: … needs 219 more queries

LoadGen is one C++ library with one run a process, so it runs in a process of its own
(`loadgen_process`), which also leaves the notebook's interpreter out of the measurement.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lab_utils.command import completed, last_words
from lab_utils.errors import LabError
from lab_utils.measure.load.generator import TIMEOUT_S
from lab_utils.measure.load.result import LoadResult, Schedule, Verdict, machine_facts

Scenario = Literal["SingleStream", "MultiStream", "Server", "Offline"]
SCENARIOS: tuple[Scenario, ...] = ("SingleStream", "MultiStream", "Server", "Offline")
MAY_HANG_S = 60.0
"""Beyond the time that a run may take by its own settings."""
RULES = {
    "result_perf_constraints_met": "too many answers over the latency bound",
    "result_min_duration_met": "shorter than the duration asked for",
    "result_min_queries_met": "fewer queries than asked for",
    "early_stopping_met": "too few queries to be sure of the percentile",
}
SAMPLE = re.compile(
    r'"name":"Sample".*"ph":"b".*"ts":([-\d.]+).*"sample_seq":(\d+),"query_seq":(\d+),'
    r'"sample_idx":(\d+),"issue_start_ns":(-?\d+),"complete_ns":(\d+)'
)


def available() -> bool:
    """Whether LoadGen is installed here; its package exists for Linux on x86-64."""
    return importlib.util.find_spec("mlperf_loadgen") is not None


def loadgen(
    scenario: Scenario,
    url: str,
    bodies: Sequence[bytes],
    *,
    rate_rps: float,
    duration_s: float,
    bound_s: float = 1.0,
    percentile: float = 99,
    per_query: int = 4,
    connections: int = 4,
    timeout_s: float = TIMEOUT_S,
) -> LoadResult:
    """One run of LoadGen, posting bodies as it picks them, for `duration_s` at least.

    rate_rps: Server's arrival rate; for the others the rate that is expected, from which LoadGen
    draws queries in advance. bound_s and percentile: the promise, "so much of the answers within
    so long", that Server checks; the percentile of SingleStream and MultiStream. per_query:
    requests of a MultiStream query. connections: requests that Offline has in flight at most.

    The verdict is LoadGen's, except that a run with failed requests is never valid: LoadGen knows
    only that a query has come back. Raises LabError where it gives up or does not end.
    """
    _check(scenario, bodies, rate_rps, duration_s, bound_s, percentile, per_query, connections)
    order = {
        "scenario": scenario,
        "url": url,
        "bodies": [base64.b64encode(body).decode() for body in bodies],
        "rate_rps": rate_rps,
        "duration_ms": round(1e3 * duration_s),
        "bound_ns": round(1e9 * bound_s),
        "percentile": percentile / 100,
        "per_query": per_query,
        "connections": connections,
        "timeout_s": timeout_s,
    }
    with tempfile.TemporaryDirectory(prefix="inference-lab-loadgen-") as folder:
        causes = _run(order, Path(folder), duration_s + 2 * timeout_s + MAY_HANG_S)
        trace = (Path(folder) / "mlperf_log_trace.json").read_text(errors="replace")
        detail = _detail((Path(folder) / "mlperf_log_detail.txt").read_text(errors="replace"))
    return _read(scenario, trace, detail, causes, per_query, connections, rate_rps)


def _run(order: Mapping[str, Any], folder: Path, limit_s: float) -> list[tuple[int, str | None]]:
    """For each request, in the order of sending, which body it was and why it failed."""
    command = [sys.executable, "-m", "lab_utils.measure.load.loadgen_process", str(folder)]
    done = completed(
        command,
        order=json.dumps(order),
        limit_s=limit_s,
        late=f"LoadGen did not end in {limit_s:.0f} s; see whether the service answers at "
        f"{order['url']}.",
    )
    if done.returncode != 0:
        raise LabError(f"LoadGen gave up on {order['url']}; it said: {last_words(done.stderr)}")
    return [(index, cause) for index, cause in json.loads(done.stdout.splitlines()[-1])]


def _detail(text: str) -> dict[str, Any]:
    entries = (json.loads(line.removeprefix(":::MLLOG ")) for line in text.splitlines())
    return {entry["key"]: entry["value"] for entry in entries}


def _read(
    scenario: Scenario,
    trace: str,
    detail: Mapping[str, Any],
    causes: Sequence[tuple[int, str | None]],
    per_query: int,
    connections: int,
    rate_rps: float,
) -> LoadResult:
    # LoadGen's trace is no JSON (a quoting mistake of its own), but has one line a sample.
    found = [match.groups() for match in map(SAMPLE.search, trace.splitlines()) if match]
    rows = np.array(sorted(found, key=lambda row: int(row[1])), dtype=float)
    if len(rows) != len(causes) or [int(i) for i in rows[:, 3]] != [i for i, _ in causes]:
        raise LabError(
            f"LoadGen's trace holds {len(rows)} samples, but {len(causes)} requests were sent; "
            "the run cannot be read."
        )
    due_s, sent_after_s, latency_s = rows[:, 0] / 1e6, rows[:, 4] / 1e9, rows[:, 5] / 1e9
    start_s = float(np.min(due_s))
    good = np.array([cause is None for _, cause in causes])
    failures = dict(Counter(cause for _, cause in causes if cause is not None))
    in_flight = {"SingleStream": 1, "MultiStream": per_query, "Offline": connections}
    schedule = None
    if scenario == "Server":
        schedule = Schedule(due_s - start_s, due_s - start_s + sent_after_s, rate_rps)
    return LoadResult(
        tool=f"LoadGen {str(detail['loadgen_version']).split()[0]} {scenario}",
        loop="closed" if scenario in ("SingleStream", "MultiStream") else "open",
        connections=in_flight.get(scenario),
        duration_s=float(np.max(due_s + latency_s) - start_s),
        answered=int(good.sum()),
        failures=failures,
        latencies_s=latency_s[good],
        begun_s=(due_s - start_s)[good],
        schedule=schedule,
        verdict=_verdict(scenario, detail, failures),
        facts={**machine_facts(), "generator_threads": 2},
    )


def _verdict(scenario: Scenario, detail: Mapping[str, Any], failures: Mapping[str, int]) -> Verdict:
    reasons = [words for key, words in RULES.items() if detail.get(key) is False]
    reasons += [text] if (text := str(detail.get("result_invalid_reason", "")).strip(" .")) else []
    if failures:
        reasons.append(f"{sum(failures.values())} requests failed, which LoadGen does not see")
    missing = _queries_missing(str(detail.get("early_stopping_result", "")))
    if missing is not None and detail.get("early_stopping_met") is False:
        reasons.append(f"at least {missing} more queries are needed")
    return Verdict(
        valid=detail["result_validity"] == "VALID" and not failures,
        reasons=tuple(reasons),
        queries_missing=missing if detail.get("early_stopping_met") is False else None,
        figures=_figures(scenario, detail),
    )


def _queries_missing(text: str) -> int | None:
    """What early stopping asks for: "at least 315 more queries", or a total beside a count."""
    if more := re.search(r"at\s+least (\d+) more queries", text):
        return int(more.group(1))
    total = re.search(r"Need to process at\s+least (\d+) queries", text)
    processed = re.search(r"[Pp]rocessed (\d+) queries", text)
    return int(total.group(1)) - int(processed.group(1)) if total and processed else None


def _figures(scenario: Scenario, detail: Mapping[str, Any]) -> dict[str, float]:
    """What LoadGen reports the scenario by, and the percentiles it prints however few there are."""
    rates = {
        "SingleStream": ("queries_per_s", "result_qps_with_loadgen_overhead"),
        "Server": ("completed_per_s", "result_completed_samples_per_sec"),
        "Offline": ("samples_per_s", "result_samples_per_second"),
    }
    figures: dict[str, float] = {}
    if scenario in rates:
        name, key = rates[scenario]
        figures[name] = float(detail[key])
    latency = "per_query_latency" if scenario == "MultiStream" else "latency"
    for q in ("50.00", "90.00", "99.00"):
        key = f"result_{q}_percentile_{latency}_ns"
        figures[f"p{float(q):g}_latency_s"] = float(detail[key]) / 1e9
    return figures


def _check(
    scenario: str,
    bodies: Sequence[bytes],
    rate_rps: float,
    duration_s: float,
    bound_s: float,
    percentile: float,
    per_query: int,
    connections: int,
) -> None:
    if scenario not in SCENARIOS:
        raise LabError(f"The scenario is {scenario!r}; expected one of {', '.join(SCENARIOS)}.")
    if not bodies:
        raise LabError("No body to send was given; expected at least one.")
    numbers = {
        "rate_rps": rate_rps,
        "duration_s": duration_s,
        "bound_s": bound_s,
        "per_query": per_query,
        "connections": connections,
    }
    for name, value in numbers.items():
        if not 0 < value < float("inf"):
            raise LabError(f"{name} is {value:g}; expected a number above 0.")
    if not 0 < percentile < 100:
        raise LabError(f"The percentile is {percentile:g}; expected a number between 0 and 100.")
    if not available():
        raise LabError(
            "MLPerf LoadGen is not installed here: its package mlcommons-loadgen exists for Linux "
            "on x86-64; use measure.load.generator on this machine."
        )
