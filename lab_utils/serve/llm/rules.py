"""The service's recording rules and alerts, for Prometheus: `prometheus/rules.yml`.

    with Prometheus({"llm": service.url}, rules=rules(faster=60), every_s=0.5) as prometheus:
        ...
        prometheus.number("job:llm_request_seconds:p99_rate5m")     # of the last 5 s
        prometheus.alerts()

A lesson has seconds where a service has hours: `faster` shortens every window and every `for`.
"""

from __future__ import annotations

import re
from pathlib import Path

from lab_utils.errors import LabError

RULES = Path(__file__).parent / "prometheus" / "rules.yml"
MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION = re.compile(rf"(?<=\[)(\d+)({'|'.join(MS)})(?=\])|(?<=for: )(\d+)({'|'.join(MS)})$", re.M)


def rules(faster: float = 1.0) -> str:
    """The text of the rule file, with all its times divided by `faster`.

    The names of the records stay: at 60, `…:p99_rate5m` is of the last 5 s. Raises LabError for a
    factor below 1, or one that would leave less than a millisecond of a time.
    """
    text = RULES.read_text()
    if not faster >= 1:
        raise LabError(f"faster is {faster:g}; expected 1 or more, how many times as fast.")
    return text if faster == 1 else DURATION.sub(lambda found: _shorter(found, faster), text)


def _shorter(found: re.Match[str], faster: float) -> str:
    number, unit = (part for part in found.groups() if part)
    ms = int(number) * MS[unit] / faster
    if ms < 1:
        raise LabError(
            f"faster is {faster:g}; of {number}{unit} that leaves {ms:.2g} ms. Give a smaller one."
        )
    return f"{round(ms)}ms"
