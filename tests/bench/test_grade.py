"""The bench of the grader: its toy is what it says, its noise ends, its arithmetic is right."""

import math

import psutil
import pytest

from lab_utils.bench import _document
from lab_utils.bench.grade import overhead, toy, verdicts
from lab_utils.bench.grade.burners import burning
from lab_utils.grade.verdict import Figure, State, Verdict
from lab_utils.grade.workers import Workers
from lab_utils.measure.interval import Interval
from tests.started import assert_gone


def test_the_bench_is_found() -> None:
    assert "grade" in _document.names()
    assert callable(_document.find("grade"))


def test_the_toys_speeds_are_exact() -> None:
    for speedup, rounds in toy.ROUNDS.items():
        assert math.isclose(toy.REFERENCE_ROUNDS / rounds, speedup)
    namespaces: list[dict] = [{}, {}]
    for namespace, rounds in zip(namespaces, (2, 3), strict=True):
        exec(toy.DIGEST.format(rounds=rounds), namespace)
    data = toy.draw_data(1, 1)[0]["data"]
    assert namespaces[0]["digest"](data) == namespaces[1]["digest"](data)


def test_burners_burn_and_end() -> None:
    with burning(2) as pids:
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert len(pids) == 2
    assert_gone(set(pids))


def graded(true: float, state: State, ratio: float) -> verdicts.Trial:
    figures = {"speedup": Figure(Interval(ratio, ratio, ratio, 9), "×")}
    return verdicts.Trial(true, Verdict("digest", "", state, 0, 4, "", "isolated", 1, figures), 2.0)


def test_rates_and_flips_are_counted() -> None:
    trials = [graded(1.8, "failed", 1.8)] * 98 + [graded(1.8, "passed", 2.1)] * 2
    trials += [graded(2.2, "passed", 2.2)] * 97 + [graded(2.2, "failed", 1.9)] * 3
    again = [graded(2.2, "passed", 2.2)] * 9 + [graded(2.2, "failed", 1.9)]
    got = verdicts.figures_of(trials, again)
    assert isinstance(got["false_pass_at_1_8"], Interval)
    assert isinstance(got["false_fail_at_2_2"], Interval)
    assert got["false_pass_at_1_8"].median == pytest.approx(0.02)
    assert got["false_pass_at_1_8"].high > 0.05  # a hundred trials say no more
    assert got["false_fail_at_2_2"].median == pytest.approx(0.03)
    assert got["verdict_flips_of_50"] == 1
    assert set(_document.document("grade", "ci", got)["figures"]) == set(got)


@pytest.mark.alone
def test_under_load_the_toys_are_told_apart() -> None:
    trials = [t for t, _ in verdicts.grade_all([1.8, 2.2], again_every=2, again=1)]
    assert [t.verdict.state for t in trials] == ["failed", "passed", "passed"]


@pytest.mark.alone
def test_the_engines_own_time_is_what_the_functions_did_not_take() -> None:
    with Workers() as workers:
        overhead.overhead_s(workers)
        assert overhead.overhead_s(workers) > 0
