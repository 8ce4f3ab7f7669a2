from pathlib import Path

import pytest

from lab_utils.components import catalogue, promtool
from lab_utils.errors import LabError
from tests.scraped import needs_prometheus

RULES = """
groups:
  - name: doubled
    rules:
      - record: doubled:level
        expr: 2 * level
"""
TEST = """
rule_files: [rules.yml]
tests:
  - interval: 1m
    input_series: [{series: level, values: '1 2 3'}]
    promql_expr_test:
      - {expr: doubled:level, eval_time: 2m, exp_samples: [{labels: 'doubled:level', value: 6}]}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rules, test = tmp_path / "rules.yml", tmp_path / "test.yml"
    rules.write_text(RULES)
    test.write_text(TEST)
    return rules, test


@needs_prometheus
def test_right_rules_pass_and_wrong_ones_are_told_what_was_expected(
    files: tuple[Path, Path],
) -> None:
    rules, test = files
    promtool.check_rules(rules)
    promtool.test_rules(test)
    rules.write_text(RULES.replace("2 *", "3 *"))
    promtool.check_rules(rules)
    with pytest.raises(LabError, match=r"test rules failed(.|\n)*exp:(.|\n)*6(.|\n)*got:(.|\n)*9"):
        promtool.test_rules(test)


@needs_prometheus
@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("2 * level", "2 * (level", "parse error"),
        ("record: doubled:level", "record: doubled level", "invalid recording rule name"),
        ("record:", "recorded:", "field recorded not found"),
        ("rules:", "rules:\n      - {record: doubled:level, expr: 2 * level}", "duplicate"),
    ],
)
def test_rules_that_are_none_are_refused(
    files: tuple[Path, Path], right: str, wrong: str, said: str
) -> None:
    files[0].write_text(RULES.replace(right, wrong))
    with pytest.raises(LabError, match=f"check rules failed(.|\n)*{said}"):
        promtool.check_rules(files[0])


def test_without_the_program_a_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalogue, "program", lambda name: None)
    with pytest.raises(LabError, match="promtool is not on this machine; get it with: apt install"):
        promtool.check_rules(Path("rules.yml"))
