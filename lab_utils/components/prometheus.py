"""Prometheus: the real server, reading the metrics of what a lesson runs.

    with Prometheus({"llm": service.url}, rules=RULES.read_text()) as prometheus:
        prometheus.until_scraped()                      # what is counted now can be asked for
        prometheus.number("sum(llm_tokens_total)")
        prometheus.query_range("rate(llm_tokens_total[5s])", start_s, end_s, step_s=0.5)
        prometheus.until('ALERTS{alertname="LLMSlow", alertstate="firing"}')

Every target is one `instance` of one `job`, as the replicas of a service are. Times are Unix times
in seconds. The server keeps its data in a folder of its own, which goes with it. Its first scrape
comes 5 s after its start, since it looks for new targets no more often; start it first.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import httpx
import numpy as np
import psutil
from numpy.typing import NDArray

from lab_utils.components.catalogue import needed
from lab_utils.components.process import POLL_S, Process
from lab_utils.errors import LabError

RULES = "rules.yml"
SHORTEST_S, LONGEST_S = 0.1, 60.0
"""Scrape intervals that make sense here."""
ALIGNED_S = 0.01
"""Prometheus may shift a sample's time by 2 ms, to a whole interval after the one before."""
ERROR = re.compile(r'^.*level=error.*? err="(?P<text>(?:[^"\\]|\\.)+)"', re.M)


@dataclass(frozen=True)
class Sample:
    """One result of a query for one moment."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, eq=False)
class Series:
    """One result of a query for a stretch of time.

    times_s: from its start to its end by its step. values: at these times, NaN where there is none.
    """

    labels: Mapping[str, str]
    times_s: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Alert:
    """An alert whose expression holds. pending: not yet for as long as it must.

    value: of its expression. since_s: when it began to hold.
    """

    name: str
    state: Literal["pending", "firing"]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    value: float
    since_s: float


class Prometheus:
    """The server, alive only inside the `with` block, on a loopback port of its own.

    targets: instance → URL; without a path, `/metrics` is read. rules: the text of a rule file.
    every_s: between two scrapes, and between two evaluations of a group of rules that does not say
    its own. job: the label of all targets. It computes on one core at most.

    Raises LabError for targets and intervals that make no sense, where Prometheus is not
    installed, and with its own words where it does not take the rules.
    """

    def __init__(
        self,
        targets: Mapping[str, str],
        *,
        rules: str = "",
        every_s: float = 1.0,
        job: str = "lab",
        start_timeout_s: float = 60,
    ) -> None:
        if not SHORTEST_S <= every_s <= LONGEST_S:
            raise LabError(
                f"every_s is {every_s:g}; expected {SHORTEST_S:g} to {LONGEST_S:g} seconds."
            )
        self.every_s = every_s
        self._configuration = _configuration(targets, bool(rules), every_s, job)
        self._rules = rules
        self._start_timeout_s = start_timeout_s
        self._stack = ExitStack()
        self._process: Process | None = None
        self._client = httpx.Client(trust_env=False, timeout=120)
        self.url = ""

    def __enter__(self) -> Self:
        program = needed("prometheus")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prometheus-")))
            # JSON is YAML.
            (folder / "prometheus.yml").write_text(json.dumps(self._configuration))
            (folder / RULES).write_text(self._rules)
            command = [str(program), f"--config.file={folder / 'prometheus.yml'}"]
            command += [f"--storage.tsdb.path={folder / 'data'}"]
            command += ["--web.listen-address=127.0.0.1:0"]
            command += ["--scrape.discovery-reload-interval=100ms"]  # else twice 5 s, see above
            self._process = Process(
                "Prometheus",
                command,
                ready=self._answers,
                # It shares the cores with what it looks at.
                environment=os.environ | {"GOMAXPROCS": "1"},
                folder=folder,
                start_timeout_s=self._start_timeout_s,
                reason=lambda log: _reason(log, folder),
            )
            stack.callback(self._client.close)
            stack.enter_context(self._process)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def process(self) -> Process:
        """The server's process, for its log and for what it costs."""
        assert self._process is not None
        return self._process

    @property
    def version(self) -> str:
        """Its version, as `2.42.0+ds`."""
        return str(self._get("status/buildinfo")["version"])

    def query(self, promql: str, at: float | None = None) -> list[Sample]:
        """All results of an expression, now or at a time; none where nothing matches.

        Raises LabError with Prometheus's words where it is no PromQL.
        """
        asked = {"query": promql} | ({} if at is None else {"time": repr(at)})
        answer = self._ask("query", asked)
        if answer["resultType"] in ("scalar", "string"):
            return [Sample({}, float(answer["result"][1]))]
        if answer["resultType"] == "matrix":
            raise LabError(f"{promql} gives a stretch of time for each series; use query_range.")
        return [Sample(one["metric"], float(one["value"][1])) for one in answer["result"]]

    def number(self, promql: str, at: float | None = None) -> float:
        """The one result of an expression; NaN may be one. Raises LabError for none or several."""
        found = self.query(promql, at)
        if len(found) != 1:
            raise LabError(
                f"{promql} has {len(found) or 'no'} results; expected one. "
                + ("Aggregate them, by sum() or max()." if found else "Is its name right?")
            )
        return found[0].value

    def query_range(
        self, promql: str, start_s: float, end_s: float, step_s: float | None = None
    ) -> list[Series]:
        """All results of an expression over a time. step_s: by default the scrape interval.

        All three are rounded to milliseconds, in which Prometheus counts. Raises LabError as
        `query` does, and for a time that makes no sense.
        """
        step_s = self.every_s if step_s is None else step_s
        start_ms, end_ms, step_ms = (round(1e3 * value) for value in (start_s, end_s, step_s))
        if not (start_ms <= end_ms and step_ms > 0):
            raise LabError(
                f"From {start_s:g} to {end_s:g} by {step_s:g} s was asked; expected a start, a "
                "later end, and a step of 0.001 s or more."
            )
        times = {"start": start_ms, "end": end_ms, "step": step_ms}
        asked = {"query": promql} | {name: repr(ms / 1e3) for name, ms in times.items()}
        answer = self._ask("query_range", asked)
        times_s = np.arange(start_ms, end_ms + 1, step_ms) / 1e3
        found = []
        for one in answer["result"]:
            values = np.full(times_s.size, np.nan)
            for time_s, value in one["values"]:
                values[round((1e3 * time_s - start_ms) / step_ms)] = float(value)
            found.append(Series(one["metric"], times_s, values))
        return found

    def alerts(self) -> list[Alert]:
        """The alerts that are pending or firing."""
        return [
            Alert(
                one["labels"]["alertname"],
                one["state"],
                one["labels"],
                one["annotations"],
                float(one["value"]),
                _unix(one["activeAt"]),
            )
            for one in self._get("alerts")["alerts"]
        ]

    def until_scraped(self, within_s: float = 60) -> None:
        """Return when every target has been scraped, and then every rule evaluated, since now.

        Raises LabError, naming a target that does not answer and why.
        """
        now_s = time.time()
        self._wait(lambda: self._scraped(now_s), within_s, self._silent)
        if self._rules:
            # A rule that reads another group's result sees it at its second evaluation.
            since_s = time.time() + self.every_s
            self._wait(
                lambda: self._evaluated(since_s), within_s, lambda: "the rules were not evaluated"
            )

    def until(self, promql: str, within_s: float = 60) -> None:
        """Return when the expression has a result, as a comparison has when it holds.

        Raises LabError where it has none for so long, and as `query` does.
        """
        self._wait(lambda: bool(self.query(promql)), within_s, lambda: f"{promql} had no result")

    def _wait(self, holds: Callable[[], bool], within_s: float, why: Callable[[], str]) -> None:
        # Counted, not clocked: where all is stopped for a while, nobody has been late.
        for _ in range(math.ceil(within_s / POLL_S)):
            if holds():
                return
            if not self.process.alive():
                raise LabError(f"Prometheus has ended. It said:\n{self.process.tail()}")
            time.sleep(POLL_S)
        raise LabError(f"In {within_s:g} s {why()}.")

    def _scraped(self, since_s: float) -> bool:
        targets = len(self._configuration["scrape_configs"][0]["static_configs"])
        scraped = self.query("timestamp(up) * (up == 1)")
        return sum(one.value > since_s + ALIGNED_S for one in scraped) == targets

    def _evaluated(self, since_s: float) -> bool:
        groups = self._get("rules")["groups"]
        return all(_unix(group["lastEvaluation"]) > since_s for group in groups)

    def _silent(self) -> str:
        for target in self._get("targets")["activeTargets"]:
            if target["health"] != "up":
                name, why = target["labels"]["instance"], target["lastError"] or "not tried yet"
                return f"the target {name} was not scraped ({target['scrapeUrl']}: {why})"
        return "the targets were not scraped; is the machine overloaded?"

    def _answers(self) -> bool:
        self.url = self.url or self._listening()
        try:
            ready = self._client.get(f"{self.url}/-/ready") if self.url else None
        except httpx.TransportError:
            return False
        return ready is not None and ready.status_code == httpx.codes.OK

    def _listening(self) -> str:
        """Its address, as the system knows it: it was free to take any port."""
        for process in self.process.processes():
            try:
                connections = process.net_connections("tcp4")
            except psutil.Error:  # it has just ended
                continue
            for connection in connections:
                if connection.status == psutil.CONN_LISTEN:
                    return f"http://127.0.0.1:{connection.laddr.port}"
        return ""

    def _get(self, path: str) -> Any:
        return self._answer("GET", path, path)

    def _ask(self, path: str, asked: dict[str, str]) -> Any:
        return self._answer("POST", path, asked["query"], asked)

    def _answer(
        self, verb: str, path: str, asked: str, data: Mapping[str, str] | None = None
    ) -> Any:
        try:
            response = self._client.request(verb, f"{self.url}/api/v1/{path}", data=data)
        except httpx.TransportError as error:
            raise LabError(f"Prometheus does not answer {asked}: {error}.") from None
        document = response.json()
        if document["status"] != "success":
            raise LabError(f"Prometheus does not answer {asked}: {document['error']}")
        return document["data"]


def _configuration(
    targets: Mapping[str, str], rules: bool, every_s: float, job: str
) -> dict[str, Any]:
    if not targets:
        raise LabError("No target was given; expected at least one, as instance → URL.")
    every = f"{round(1000 * every_s)}ms"
    scraped = []
    for instance, text in targets.items():
        url = _url(text)
        if url is None:
            raise LabError(
                f"The target {instance} is at {text!r}; expected a URL, as http://127.0.0.1:8000."
            )
        labels = {
            "instance": instance,
            "__scheme__": url.scheme,
            "__metrics_path__": "/metrics" if url.path == "/" else url.path,
        }
        scraped.append({"targets": [url.netloc.decode()], "labels": labels})
    return {
        "global": {
            "scrape_interval": every,
            "scrape_timeout": every,
            "evaluation_interval": every,
        },
        "rule_files": [RULES] if rules else [],
        "scrape_configs": [{"job_name": job, "static_configs": scraped}],
    }


def _url(text: str) -> httpx.URL | None:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return None
    return url if url.scheme in ("http", "https") and url.host else None


def _reason(log: str, folder: Path) -> str | None:
    """The first error: of the last ones, each says that something else failed before."""
    found = ERROR.search(log)
    if found is None:
        return None
    text = found["text"].replace('\\"', '"').replace("\\n", " ")
    return text.replace(f"{folder}{os.sep}", "")


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
