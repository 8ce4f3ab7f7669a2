"""promtool: Prometheus's own checks of rules, and tests of them, without a server.

    check_rules(RULES)                          # their form
    test_rules(Path("…/latency.yml"))           # what they give for series that a test writes down

A test file names its rule files by a path from its own place. Both raise LabError in promtool's own
words; https://prometheus.io/docs/prometheus/2.42/configuration/unit_testing_rules/ has the form.
"""

from __future__ import annotations

from pathlib import Path

from lab_utils.command import completed
from lab_utils.components.catalogue import needed
from lab_utils.errors import LabError

LIMIT_S = 300.0


def check_rules(*files: Path) -> None:
    """Raise LabError where a rule file is not one, or has a rule twice."""
    _promtool("check", "rules", "--lint-fatal", *map(str, files))


def test_rules(*files: Path) -> None:
    """Raise LabError, with what was expected and what was found, where a test fails."""
    _promtool("test", "rules", *map(str, files))


def _promtool(*arguments: str) -> None:
    command = [str(needed("promtool", "prometheus")), *arguments]
    late = f"promtool {' '.join(arguments[:2])} had not ended after {LIMIT_S:g} s."
    done = completed(command, limit_s=LIMIT_S, late=late)
    if done.returncode:
        raise LabError(
            f"promtool {' '.join(arguments[:2])} failed. It said:\n"
            f"{(done.stdout + done.stderr).strip()}"
        )
