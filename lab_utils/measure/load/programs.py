"""The field's load generators, each run once and read into a `LoadResult`.

All three are closed loops here: `connections` clients, each waiting for its answer. They differ
in what they tell (`components.catalogue.program` gives their paths):

- wrk runs for a time and keeps every latency, but does not say which belong to failed requests;
  what is unanswered when the time is over is not counted. Its own percentiles are not of what it
  measured: it adds latencies for coordinated omission (see `_without_corrections`).
- ab sends an exact count over a new connection each, tells whole milliseconds, and also mixes
  failed requests in.
- k6 sends an exact count and writes a line for every request, with its status.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from lab_utils.command import completed, last_words
from lab_utils.errors import LabError
from lab_utils.measure.load.generator import TIMEOUT_S, closed_loop, post
from lab_utils.measure.load.result import LoadResult, machine_facts

NO_BODIES = re.compile(r"^HTML transferred:\s+0 bytes", re.MULTILINE)
MAY_HANG_S = 60.0
"""Beyond the time that a run may take by its own settings."""

WRK_SCRIPT = """
local bodies = {}
for number = 1, %(bodies)d do
  local file = assert(io.open("body-" .. (number - 1), "rb"))
  bodies[number] = file:read("*a")
  file:close()
end
local sent = 0
request = function()
  sent = sent + 1
  local body = bodies[(sent - 1) %% #bodies + 1]
  return wrk.format("POST", nil, {["Content-Type"] = "image/jpeg"}, body)
end
done = function(summary, latency, requests)
  local out = assert(io.open("result", "w"))
  out:write(string.format("duration_us %%d\\nrequests %%d\\n", summary.duration, summary.requests))
  for cause, count in pairs(summary.errors) do
    out:write(string.format("error_%%s %%d\\n", cause, count))
  end
  for row = 1, #latency do
    local latency_us, count = latency(row)
    out:write(string.format("latency_us %%d %%d\\n", latency_us, count))
  end
  out:close()
end
"""

K6_SCRIPT = """
import http from 'k6/http';
const load = %s;
export const options = {
  scenarios: { load: {
    executor: 'shared-iterations', vus: load.connections, iterations: load.requests,
    maxDuration: load.may_take,
  } },
  discardResponseBodies: true,
};
const bodies = load.bodies.map((name) => open(name, 'b'));
export default function () {
  const number = __VU - 1 + __ITER * load.connections;
  http.post(load.url, bodies[number %% bodies.length],
            { timeout: load.timeout, headers: { 'Content-Type': 'image/jpeg' } });
}
"""


def wrk(
    program: Path, url: str, bodies: Sequence[bytes], *, connections: int, duration_s: int
) -> LoadResult:
    """wrk for `duration_s` whole seconds on one thread, posting the bodies in turn."""
    with _folder(bodies) as folder:
        (folder / "load.lua").write_text(WRK_SCRIPT % {"bodies": len(bodies)})
        command = [str(program), "--threads", "1", "--connections", str(connections)]
        command += ["--duration", f"{duration_s}s", "--timeout", f"{TIMEOUT_S:g}s"]
        _run([*command, "--script", "load.lua", url], folder, duration_s)
        return _read_wrk((folder / "result").read_text(), version(program), connections)


def ab(
    program: Path, url: str, bodies: Sequence[bytes], *, connections: int, requests: int
) -> LoadResult:
    """ab for an exact count of requests. It knows one body: the first."""
    with _folder(bodies) as folder:
        # Without -k: ab hangs on servers that keep a connection open without announcing it.
        command = [str(program), "-q", "-l", "-r", "-s", f"{TIMEOUT_S:g}"]
        command += ["-n", str(requests), "-c", str(connections)]
        path = "" if urlsplit(url).path else "/"  # without one ab prints its help
        command += ["-p", "body-0", "-T", "image/jpeg", "-g", "requests.tsv", url + path]
        text = _run(command, folder, TIMEOUT_S * requests / connections)
        rows = (folder / "requests.tsv").read_text().splitlines()[1:]
        result = _read_ab(text, rows, version(program), connections)
        if result.answered and NO_BODIES.search(text) and not _speaks_http(url, bodies[0]):
            return replace(
                result,
                answered=0,
                failures={**result.failures, "no HTTP answer": result.answered},
                latencies_s=None,
            )
        return result


def k6(
    program: Path, url: str, bodies: Sequence[bytes], *, connections: int, requests: int
) -> LoadResult:
    """k6 for an exact count of requests, posting the bodies in turn."""
    may_take_s = TIMEOUT_S * requests / connections
    with _folder(bodies) as folder:
        load = {
            "url": url,
            "bodies": [f"body-{number}" for number in range(len(bodies))],
            "connections": connections,
            "requests": requests,
            "timeout": f"{TIMEOUT_S:g}s",
            "may_take": f"{may_take_s:.0f}s",
        }
        (folder / "load.js").write_text(K6_SCRIPT % json.dumps(load))
        command = [str(program), "run", "--quiet", "--no-usage-report", "--no-summary"]
        command += ["--address", "", "--out", "csv=requests.csv", "load.js"]
        # A blank HOME keeps a person's own k6 settings out of the measurement.
        environment = {"K6_CSV_TIME_FORMAT": "unix_micro", "HOME": str(folder), "PATH": ""}
        _run(command, folder, may_take_s, environment)
        with (folder / "requests.csv").open(newline="") as stream:
            rows = [r for r in csv.DictReader(stream) if r["metric_name"] == "http_req_duration"]
        return _read_k6(rows, version(program), connections)


@cache
def version(program: Path) -> str:
    """The program's name and version, as a result names its tool."""
    flags = {"wrk": ["-v"], "ab": ["-V"], "k6": ["version"]}
    name = program.name
    said = subprocess.run(
        [str(program), *flags.get(name, ["--version"])], capture_output=True, text=True, check=False
    )
    number = re.search(r"\d+\.[\d.]*\d", said.stdout)
    return f"{name} {number.group()}" if number else name


def _read_wrk(text: str, tool: str, connections: int) -> LoadResult:
    lines = [line.split() for line in text.splitlines()]
    facts = {line[0]: int(line[1]) for line in lines if line[0] != "latency_us"}
    rows = np.array([line[1:] for line in lines if line[0] == "latency_us"], dtype=np.int64)
    rows = rows.reshape(-1, 2)
    printed_s = np.repeat(rows[:, 0], rows[:, 1]) / 1e6
    measured = rows
    if rows[:, 1].sum() > facts["requests"]:
        expected_us = facts["duration_us"] // (facts["requests"] // connections)
        measured = _without_corrections(rows, expected_us)
    status = facts["error_status"]
    failures = {
        "status 400 or more": status,
        f"no answer in {TIMEOUT_S:g} s": facts["error_timeout"],
        "connection refused": facts["error_connect"],
        "connection broken": facts["error_read"] + facts["error_write"],
    }
    return LoadResult(
        tool=tool,
        loop="closed",
        connections=connections,
        duration_s=facts["duration_us"] / 1e6,
        answered=facts["requests"] - status,
        failures={cause: count for cause, count in failures.items() if count},
        # Only answers with a bad status are among the latencies.
        latencies_s=None if status else np.repeat(measured[:, 0], measured[:, 1]) / 1e6,
        printed_latencies_s=None if status else printed_s,
        facts={**machine_facts(), "generator_threads": 1},
    )


def _without_corrections(rows: NDArray[np.int64], expected_us: int) -> NDArray[np.int64]:
    """wrk's latencies (µs, count) as they were measured, without those that it added.

    At the end of a run wrk 4 takes duration / (requests / connections) for the interval at which
    each connection should have sent, and for each latency n of two intervals or more also counts
    n − interval, n − 2 · interval, … above one interval (`stats_correct` in its stats.c): 480
    requests may have 559 latencies. It does so from the lowest n upwards, so that an added latency
    never adds another; from the highest downwards it can be undone exactly.
    """
    counts = dict(rows.tolist())
    for latency_us in sorted(counts, reverse=True):
        for added_us in range(latency_us - expected_us, expected_us, -expected_us):
            if latency_us >= 2 * expected_us:
                counts[added_us] -= counts[latency_us]
    return np.array([row for row in sorted(counts.items()) if row[1]], np.int64).reshape(-1, 2)


def _read_ab(text: str, rows: Sequence[str], tool: str, connections: int) -> LoadResult:
    def number(label: str) -> float:
        found = re.search(rf"^{label}:?\s+([\d.]+)", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    status = int(number("Non-2xx responses"))
    # A broken connection stands under two headings, of which these count it once.
    headings = re.search(r"\(Connect: (\d+), Receive: (\d+),", text)
    broken = sum(int(count) for count in headings.groups()) if headings else 0
    failures = {"status other than 2xx": status, "connection broken": broken}
    answered = int(number("Complete requests")) - status - broken
    mixed = answered == 0 or status or broken
    return LoadResult(
        tool=tool,
        loop="closed",
        connections=connections,
        duration_s=number("Time taken for tests"),
        answered=answered,
        failures={cause: count for cause, count in failures.items() if count},
        latencies_s=None if mixed else np.array([float(r.split("\t")[4]) for r in rows]) / 1e3,
        facts={**machine_facts(), "generator_threads": 1},
    )


def _speaks_http(url: str, body: bytes) -> bool:
    """Whether a service's answer is one; ab counts whatever comes before the connection ends.

    What it prints of empty answers is what it prints of nonsense, so the service is asked again.
    """
    return closed_loop(post(url), [body], connections=1, requests=1).answered == 1


def _read_k6(rows: Sequence[Mapping[str, str]], tool: str, connections: int) -> LoadResult:
    if not rows:
        raise LabError(f"{tool} reported no request; see that the address is right.")
    latencies_s = np.array([float(row["metric_value"]) for row in rows]) / 1e3
    ends_s = np.array([int(row["timestamp"]) for row in rows]) / 1e6
    causes = [_k6_failure(row) for row in rows]
    good = np.array([cause is None for cause in causes])
    return LoadResult(
        tool=tool,
        loop="closed",
        connections=connections,
        duration_s=float(np.max(ends_s) - np.min(ends_s - latencies_s)),
        answered=int(good.sum()),
        failures=dict(Counter(cause for cause in causes if cause is not None)),
        latencies_s=latencies_s[good],
        facts={**machine_facts(), "generator_threads": "one a core (Go)"},
    )


def _k6_failure(row: Mapping[str, str]) -> str | None:
    status = int(row["status"] or 0)
    if status:
        return f"status {status}" if status >= 400 else None
    names = {"1050": f"no answer in {TIMEOUT_S:g} s", "1212": "connection refused"}
    return names.get(row["error_code"], "connection broken")


class _folder(tempfile.TemporaryDirectory[str]):  # noqa: N801  used as a function
    """A temporary folder with the bodies as files body-0, body-1, …"""

    def __init__(self, bodies: Sequence[bytes]) -> None:
        if not bodies:
            raise LabError("No body to send was given; expected at least one.")
        super().__init__(prefix="inference-lab-load-")
        for number, body in enumerate(bodies):
            (Path(self.name) / f"body-{number}").write_bytes(body)

    def __enter__(self) -> Path:  # type: ignore[override]
        return Path(super().__enter__())


def _run(
    command: Sequence[str],
    folder: Path,
    may_take_s: float,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What the program prints. Raises LabError with its own words where it gave up or hung."""
    name = Path(command[0]).name
    limit_s = may_take_s + MAY_HANG_S
    done = completed(
        command,
        folder=folder,
        environment=environment,
        limit_s=limit_s,
        late=f"{name} did not end in {limit_s:.0f} s; see whether the service answers at "
        f"{command[-1]}.",
    )
    if done.returncode != 0:
        raise LabError(
            f"{name} gave up on {command[-1]} (it said: {_reason(done.stderr + done.stdout)}); "
            "see that the service is running and answers one request first."
        )
    return done.stdout


def _reason(said: str) -> str:
    boilerplate = ("This is ApacheBench", "Copyright", "Licensed", "Benchmarking")
    lines = [line for line in said.splitlines() if not line.strip().startswith(boilerplate)]
    return last_words("\n".join(lines), lines=2)
