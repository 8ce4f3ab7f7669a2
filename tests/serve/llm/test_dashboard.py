import json
import time

import matplotlib.pyplot as plt
import pytest

from lab_utils.serve.llm.dashboard import PANELS, grafana, show
from lab_utils.serve.llm.metrics import Metrics
from tests.scraped import needs_prometheus
from tests.serve.llm.observed import ALERTS, EXPORTED, RECORDS, names, watched

EXPRESSIONS = [query.promql for panel in PANELS for query in panel.queries]


def test_grafana_s_panels_are_ours() -> None:
    document = json.loads(grafana())
    assert document["title"] == "Language-model service"
    shown = [
        (one["title"], one["fieldConfig"]["defaults"]["unit"], one["description"])
        for one in document["panels"]
    ]
    assert shown == [(panel.title, panel.unit, panel.note) for panel in PANELS]
    targets = [
        [(one["expr"], one["legendFormat"]) for one in panel["targets"]]
        for panel in document["panels"]
    ]
    assert targets == [[(q.promql, q.legend) for q in panel.queries] for panel in PANELS]
    for panel, one in zip(PANELS, document["panels"], strict=True):
        steps = one["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
        assert [step["value"] for step in steps if step.get("value")] == (
            [] if panel.limit is None else [panel.limit]
        )
        assert [target["refId"] for target in one["targets"]] == list("ABC"[: len(panel.queries)])
        assert one["options"]["legend"]["showLegend"]
        assert one["datasource"] == {"type": "prometheus", "uid": "${prometheus}"}
    (variable,) = document["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("prometheus", "datasource")


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(grafana())["panels"]:
        at = panel["gridPos"]
        here = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not here & taken
        assert at["x"] + at["w"] <= 24
        taken |= here


@pytest.mark.parametrize("promql", EXPRESSIONS)
def test_every_name_is_exported_or_recorded(promql: str) -> None:
    assert names(promql)
    assert names(promql) <= EXPORTED | set(RECORDS)


def test_every_limit_is_an_alert_s() -> None:
    expressions = [alert["expr"] for alert in ALERTS.values()]
    for panel in PANELS:
        if panel.limit is not None:
            metric = panel.queries[0].promql.split(":")[1]
            watching = [one for one in expressions if metric in one]
            assert any(f"> {panel.limit:g}" in one for one in watching), panel.title


@needs_prometheus
def test_the_real_prometheus_answers_and_the_answers_are_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = plt.get_backend()
    plt.switch_backend("Agg")
    monkeypatch.setattr(plt, "show", lambda: None)
    metrics = Metrics()
    metrics.queue_depth.labels("0").set(3)
    with watched(metrics) as prometheus:
        for promql in EXPRESSIONS:
            assert prometheus.query(promql), promql
        now_s = time.time()
        show(prometheus, now_s - 1, now_s, "Test")
    axes = {one.get_title(loc="left"): one for one in plt.gcf().axes}
    assert list(axes)[: len(PANELS)] == [panel.title for panel in PANELS]
    (waiting,) = axes["Waiting requests"].lines
    assert (waiting.get_label(), waiting.get_ydata()[-1]) == ("a", 3)
    plt.close("all")
    plt.switch_backend(backend)
