"""The rules by promtool's tests (`rules/*.yml`), by the real server, and against the metrics."""

import ast
import re
import time
from pathlib import Path

import pytest
import yaml

from lab_utils.components.promtool import check_rules, test_rules
from lab_utils.errors import LabError
from lab_utils.serve.llm import metrics as metrics_module
from lab_utils.serve.llm.metrics import CLIENT_FAULT, REFUSALS, SECONDS, Metrics
from lab_utils.serve.llm.rules import RULES, rules
from tests.scraped import needs_prometheus
from tests.serve.llm.observed import ALERTS, EXPORTED, RECORDS, names, watched

test_rules.__test__ = False  # type: ignore[attr-defined]  # promtool's, not pytest's
FOLDER = Path(__file__).with_name("rules")
QUICK_FIRST = ("queue", "latency", "refusals", "budget", "long_windows")
TESTS = [FOLDER / f"{name}.yml" for name in QUICK_FIRST]
WRONG = {
    "a threshold": ("p99_rate5m > 2\n", "p99_rate5m > 20\n"),
    "a quantile": ("histogram_quantile(0.99,", "histogram_quantile(0.9,"),
    "quantiles of each replica": ("sum by (job, le)", "sum by (job, instance, le)"),
    "the wrong bucket": ('le="2.0"', 'le="3.0"'),
    "the clients' faults": ('{reason!="bad request"}', ""),
    "late ones alone": (
        '+ sum by (job) (rate(llm_rejections_total{reason!="bad request"}[1h]))\n',
        "\n",
    ),
    "impatience": ("for: 2m", "for: 0m"),
    "patience": ("for: 2m", "for: 20m"),
    "no short window": ("and job:llm_error_budget:burn_rate5m > 14.4", ""),
    "no second short window": (" and job:llm_error_budget:burn_rate30m > 6", ""),
    "no long window": ("job:llm_error_budget:burn_rate1h > 14.4 and", ""),
    "no second long window": ("(job:llm_error_budget:burn_rate6h > 6 and", "("),
    "a quick page alone": (
        "(job:llm_error_budget:burn_rate6h > 6 and job:llm_error_budget:burn_rate30m > 6)",
        "vector(0) > 1",
    ),
    "nobody is called": ("severity: page", "severity: ticket"),
    "the budget of 99.9 %": ("/ 0.01", "/ 0.001"),
    "a nearly full cache": ("llm_cache_usage_ratio > 0.9", "llm_cache_usage_ratio > 0.99"),
    "a queue that shrinks": ("and delta(", "and -delta("),
    "a queue that empties": ("min_over_time(instance", "max_over_time(instance"),
    "a queue that is long": (
        "and delta(instance:llm_queue_depth:sum[5m]) > 5",
        "and instance:llm_queue_depth:sum > 5",
    ),
    "one priority": ("(llm_queue_depth)", '(llm_queue_depth{priority="0"})'),
    "a metric that is not there": ("llm_tokens_total", "llm_token_total"),
}


def in_turn(tests: list[Path]) -> None:
    """The first that fails is enough."""
    for test in tests:
        test_rules(test)


@needs_prometheus
def test_the_rules_are_rules_and_do_what_their_tests_say() -> None:
    check_rules(RULES)
    test_rules(*TESTS)


@needs_prometheus
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_rules_fail(tmp_path: Path, wrong: str) -> None:
    right, mistake = WRONG[wrong]
    text = RULES.read_text()
    assert right in text
    (tmp_path / "rules.yml").write_text(text.replace(right, mistake))
    copies = []
    for file in TESTS:
        said = re.sub(r"^rule_files: .*$", "rule_files: [rules.yml]", file.read_text(), flags=re.M)
        copies.append(tmp_path / file.name)
        copies[-1].write_text(said)
    check_rules(tmp_path / "rules.yml")
    with pytest.raises(LabError, match="FAILED"):
        in_turn(copies)


def test_every_alert_is_seen_to_fire_and_not_to() -> None:
    assert sorted(TESTS) == sorted(FOLDER.glob("*.yml"))
    seen: dict[bool, set[str]] = {True: set(), False: set()}
    for file in TESTS:
        document = yaml.safe_load(file.read_text())
        (named,) = document["rule_files"]
        assert (file.parent / named).resolve() == RULES
        for test in document["tests"]:
            for case in test.get("alert_rule_test", ()):
                seen[bool(case["exp_alerts"])].add(case["alertname"])
    assert seen[True] == seen[False] == set(ALERTS)


def test_every_name_is_exported_or_recorded() -> None:
    for expression in (*RECORDS.values(), *(alert["expr"] for alert in ALERTS.values())):
        found = names(expression)
        assert found
        assert found <= EXPORTED | set(RECORDS), expression


def test_the_names_of_an_expression_are_found() -> None:
    promql = 'sum by (a) (rate(x_total{b="c", d!~"e f"}[5m])) / on(a) g:h:i > 2 and y'
    assert names(promql) == {"x_total", "g:h:i", "y"}


@needs_prometheus
def test_every_record_has_a_value_as_soon_as_there_are_rates() -> None:
    with watched(Metrics()) as prometheus:
        for record in RECORDS:
            assert prometheus.query(record), record
        assert prometheus.alerts() == []


@needs_prometheus
def test_in_a_hurry_an_alert_fires_after_moments() -> None:
    metrics = Metrics()
    with watched(metrics, faster=100) as prometheus:
        for _ in range(3000):
            metrics.whole.observe(3)
            time.sleep(0.01)
            if any(a.name == "LLMSlow" and a.state == "firing" for a in prometheus.alerts()):
                break
        fired = {alert.name: alert for alert in prometheus.alerts()}
    assert 2 < fired["LLMSlow"].value <= 3
    assert fired["LLMErrorBudgetBurnsFast"].labels["severity"] == "page"


def test_in_a_hurry_every_time_is_shorter_and_nothing_else_changes() -> None:
    text, fast = rules(), rules(faster=60)
    windows = re.compile(r"\[(\w+)\]|for: (\w+)$", re.M)
    assert windows.sub("", text) == windows.sub("", fast)
    pairs = {
        a[0]: b[0] for a, b in zip(windows.finditer(text), windows.finditer(fast), strict=True)
    }
    assert pairs == {
        "[5m]": "[5000ms]",
        "[30m]": "[30000ms]",
        "[1h]": "[60000ms]",
        "[6h]": "[360000ms]",
        "[3d]": "[4320000ms]",
        "for: 1m": "for: 1000ms",
        "for: 2m": "for: 2000ms",
    }


@pytest.mark.parametrize("faster", [0.5, -1, float("nan"), 1e6])
def test_a_hurry_that_makes_no_sense_is_refused(faster: float) -> None:
    with pytest.raises(LabError, match="faster is"):
        rules(faster)


def test_the_pages_and_the_ticket_come_at_the_workbooks_shares_of_the_budget() -> None:
    expression = "".join(ALERTS[f"LLMErrorBudgetBurns{how}"]["expr"] for how in ("Fast", "Slowly"))
    rates = dict(re.findall(r"burn_rate(\w+) > ([\d.]+)", expression))
    hours = {"1h": 1, "6h": 6, "3d": 72}
    rates["6h"] = re.findall(r"burn_rate6h > (\d)", expression)[0]
    shares = {window: float(rates[window]) * hours[window] / (30 * 24) for window in hours}
    assert shares == pytest.approx({"1h": 0.02, "6h": 0.05, "3d": 0.10})


def test_the_objective_is_a_bucket_s_edge() -> None:
    assert 2.0 in SECONDS


def test_every_refusal_is_counted_from_the_start() -> None:
    """`Refused(status, reason, …)`, wherever the service says it."""
    said = set()
    for file in Path(metrics_module.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refused":
                reason = node.args[1]
                assert isinstance(reason, ast.Constant)
                said.add(reason.value)
    assert said == {CLIENT_FAULT, *REFUSALS}
    text = Metrics().text().decode()
    for reason in said:
        assert f'llm_rejections_total{{reason="{reason}"}} 0.0' in text
