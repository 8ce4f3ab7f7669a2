"""The real server on pages that the tests write."""

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from prometheus_client import CollectorRegistry, Gauge

from lab_utils.components import catalogue
from lab_utils.components.prometheus import Prometheus
from lab_utils.errors import LabError
from tests.scraped import needs_prometheus, page
from tests.started import assert_gone

EVERY_S = 0.2
RULES = """
groups:
  - name: alerts     # before the records that they read
    rules:
      - alert: TooMuch
        expr: total:level > 5
        labels: {severity: ticket}
        annotations: {summary: 'It is {{ $value }}.'}
      - alert: TooMuchForLong
        expr: total:level > 5
        for: 1h
  - name: records
    rules:
      - record: total:level
        expr: sum(level)
"""


class Levels:
    """Two replicas, each with a level that a test sets."""

    def __init__(self) -> None:
        self.registries = {name: CollectorRegistry() for name in ("a", "b")}
        self.gauges = {
            name: Gauge("level", "…", registry=registry)
            for name, registry in self.registries.items()
        }

    def set(self, a: float, b: float) -> None:
        self.gauges["a"].set(a)
        self.gauges["b"].set(b)


@pytest.fixture(scope="module")
def levels() -> Levels:
    return Levels()


@pytest.fixture(scope="module")
def prometheus(levels: Levels) -> Iterator[Prometheus]:
    first, second = levels.registries.values()
    with page(first) as a, page(second) as b:
        targets = {"a": a, "b": f"{b}/metrics"}
        with Prometheus(targets, rules=RULES, every_s=EVERY_S, job="replicas") as running:
            yield running


@needs_prometheus
def test_what_is_counted_now_can_be_asked_for_after_the_next_scrape(
    prometheus: Prometheus, levels: Levels
) -> None:
    for number in range(3):
        levels.set(number, 2 * number)
        prometheus.until_scraped()
        assert prometheus.number("sum(level)") == 3 * number
        assert prometheus.number("total:level") == 3 * number
    by_instance = {one.labels["instance"]: one.value for one in prometheus.query("level")}
    assert by_instance == {"a": 2, "b": 4}
    assert prometheus.number('count(up{job="replicas"})') == 2
    assert prometheus.number("1 + 1") == 2
    assert prometheus.query("nothing_of_the_kind") == []


@needs_prometheus
def test_a_stretch_of_time_has_a_value_or_nan_at_each_step(
    prometheus: Prometheus, levels: Levels
) -> None:
    levels.set(7, 7)
    prometheus.until_scraped()
    middle_s = time.time()
    prometheus.until_scraped()  # a scrape has the time of its beginning and reads later
    levels.set(9, 9)
    prometheus.until_scraped()
    end_s = time.time()
    (series,) = prometheus.query_range('level{instance="a"}', end_s - 3600, end_s, 0.5)
    assert series.times_s.shape == series.values.shape == (7201,)
    assert series.times_s[-1] == pytest.approx(end_s)
    assert math.isnan(series.values[0])
    assert series.values[-1] == 9
    (short,) = prometheus.query_range("total:level", middle_s, end_s)
    assert np.diff(short.times_s) == pytest.approx(EVERY_S)
    assert short.values[0] == 14
    assert prometheus.number("sum(level)", at=middle_s) == 14


@needs_prometheus
def test_the_last_step_counts_where_milliseconds_reach_it(prometheus: Prometheus) -> None:
    """From .2353113 to .8348777 are 2.998 steps of 0.2, and 3 from .235 to .835."""
    now_s = int(time.time()) - 10
    (series,) = prometheus.query_range("vector(1)", now_s + 0.2353113, now_s + 0.8348777, 0.2)
    assert series.values.tolist() == [1, 1, 1, 1]
    assert series.times_s - now_s == pytest.approx([0.235, 0.435, 0.635, 0.835], abs=1e-6)


@needs_prometheus
def test_alerts_are_those_that_hold(prometheus: Prometheus, levels: Levels) -> None:
    levels.set(0, 0)
    prometheus.until_scraped()
    assert prometheus.alerts() == []
    begun_s = time.time()
    levels.set(4, 4)
    prometheus.until_scraped()
    alerts = {alert.name: alert for alert in prometheus.alerts()}
    assert {name: alert.state for name, alert in alerts.items()} == {
        "TooMuch": "firing",
        "TooMuchForLong": "pending",
    }
    assert alerts["TooMuch"].annotations["summary"] == "It is 8."
    assert alerts["TooMuch"].labels["severity"] == "ticket"
    assert alerts["TooMuch"].value == 8
    # Prometheus moves the time of a scrape onto its grid where that is within 2 ms.
    assert begun_s - 0.01 < alerts["TooMuch"].since_s < time.time()
    prometheus.until('ALERTS{alertname="TooMuch", alertstate="firing"}')
    levels.set(0, 0)
    prometheus.until("total:level == 0")
    prometheus.until_scraped()
    assert prometheus.alerts() == []


@needs_prometheus
def test_questions_without_an_answer_are_said(prometheus: Prometheus) -> None:
    prometheus.until_scraped()
    with pytest.raises(LabError, match=r"does not answer sum\(level: .*parse error"):
        prometheus.query("sum(level")
    with pytest.raises(LabError, match=r"nothing has no results; expected one. Is its name right"):
        prometheus.number("nothing")
    with pytest.raises(LabError, match=r"level has 2 results; expected one. Aggregate them"):
        prometheus.number("level")
    with pytest.raises(LabError, match=r"level\[1m\] gives a stretch .* use query_range"):
        prometheus.query("level[1m]")
    with pytest.raises(LabError, match=r"expected a start, a later end, and a step of 0.001 s"):
        prometheus.query_range("level", 2, 1)
    with pytest.raises(LabError, match=r"In 0.3 s level > 1000 had no result"):
        prometheus.until("level > 1000", within_s=0.3)


@needs_prometheus
def test_it_listens_on_loopback_and_is_gone_with_the_block(levels: Levels) -> None:
    with page(levels.registries["a"]) as url:
        with Prometheus({"a": url}) as prometheus:
            processes = prometheus.process.processes()
            folder = processes[0].cwd()
            assert Path(folder, "prometheus.yml").exists()
            listening = [
                connection.laddr.ip
                for process in processes
                for connection in process.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            ]
            assert listening == ["127.0.0.1"]
            assert prometheus.version[0].isdigit()
        assert_gone(process.pid for process in processes)
        assert not Path(folder).exists()


@needs_prometheus
def test_a_target_that_is_silent_is_named_with_the_reason(levels: Levels) -> None:
    with page(levels.registries["b"]) as gone:
        pass
    with page(levels.registries["a"]) as url:
        targets = {"well": url, "gone": gone}
        with (
            Prometheus(targets, every_s=EVERY_S) as prometheus,
            pytest.raises(LabError, match=r"gone was not scraped \(http.*/metrics: .*refused"),
        ):
            prometheus.until_scraped(within_s=8)


@needs_prometheus
def test_rules_that_it_does_not_take_are_said_in_its_words() -> None:
    rules = RULES.replace("sum(level)", "some(level)")
    with (
        pytest.raises(LabError, match=r"said:\nrules.yml: .*unknown function .*some"),
        Prometheus({"a": "http://127.0.0.1:9"}, rules=rules),
    ):
        pass


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "localhost/metrics", "ftp://a", "http://[::"])
def test_targets_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(LabError, match=r"The target a is at .* expected a URL"):
        Prometheus({"a": url})


def test_no_target_and_impossible_intervals_are_refused() -> None:
    with pytest.raises(LabError, match="No target was given"):
        Prometheus({})
    for every_s in (0.01, 90, math.nan):
        with pytest.raises(LabError, match=r"every_s is .* expected 0.1 to 60 seconds"):
            Prometheus({"a": "http://127.0.0.1:9"}, every_s=every_s)


def test_without_the_program_a_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalogue, "program", lambda name: None)
    with (
        pytest.raises(
            LabError, match="prometheus is not on this machine; get it with: apt install"
        ),
        Prometheus({"a": "http://127.0.0.1:9"}),
    ):
        pass
