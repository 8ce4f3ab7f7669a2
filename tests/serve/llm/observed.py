"""What the language-model service's rules and dashboard may name."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from lab_utils.components.prometheus import Prometheus
from lab_utils.serve.llm.metrics import Metrics
from lab_utils.serve.llm.rules import RULES, rules
from tests.scraped import page

WORDS = {"and", "or", "unless", "bool", "offset"}
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALL: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
RECORDS = {rule["record"]: rule["expr"] for rule in ALL if "record" in rule}
ALERTS = {rule["alert"]: rule for rule in ALL if "alert" in rule}
EXPORTED = {sample.name for family in Metrics().registry.collect() for sample in family.samples} | {
    "up"
}
EVERY_S = 0.5


def names(promql: str) -> set[str]:
    """The metrics that an expression reads."""
    text = re.sub(r'"[^"]*"', "", promql)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", text)
    return set(re.findall(r"\b[a-zA-Z_:][\w:]*\b(?!\s*\()", text)) - WORDS


@contextmanager
def watched(metrics: Metrics, faster: float = 1) -> Iterator[Prometheus]:
    """A Prometheus with the rules that has read the metrics twice, so that there are rates."""
    with (
        page(metrics.registry) as url,
        Prometheus({"a": url}, rules=rules(faster), every_s=EVERY_S, job="llm") as prometheus,
    ):
        for _ in range(2):
            prometheus.until_scraped()
        yield prometheus
