from collections.abc import Iterator

import pytest

from lab_utils.components.perf_analyzer import perf_analyzer
from lab_utils.components.triton import Triton
from lab_utils.errors import LabError
from tests.components.test_triton import WORK_S, model

pytestmark = pytest.mark.alone  # it measures


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    repository = tmp_path_factory.mktemp("repository")
    model(repository, "batched", batch_wait_us=2000)
    model(repository, "cached", cache=True)
    with Triton(repository) as running:
        yield running


def test_batches_are_answered_in_the_time_of_one(server: Triton) -> None:
    one, four = perf_analyzer(server, "batched", (1, 4), window_s=0.6)
    assert (one.concurrency, four.concurrency) == (1, 4)
    assert four.rate_rps > 2 * one.rate_rps
    for row in (one, four):
        assert row.parts_s["compute"] >= WORK_S
        assert row.mean_s >= sum(row.parts_s.values())
        assert WORK_S <= row.p50_s <= row.p99_s


def test_a_model_that_is_not_there_is_said(server: Triton) -> None:
    with pytest.raises(LabError, match=r"perf_analyzer failed .* nobody: .*nobody"):
        perf_analyzer(server, "nobody", (1,))


def test_the_requests_that_are_given_are_sent_in_turn(server: Triton) -> None:
    asked = [{"VALUES": [i + 0.5, 10.5 * i]} for i in range(3)]
    perf_analyzer(server, "cached", (1,), window_s=0.2, requests=asked, stable_percent=300)
    statistics = server.statistics("cached")["inference_stats"]
    assert statistics["cache_miss"]["count"] == len(asked)
    assert statistics["cache_hit"]["count"] > len(asked)


def test_windows_that_differ_by_more_than_is_allowed_are_an_error(server: Triton) -> None:
    with pytest.raises(LabError, match="stable"):
        perf_analyzer(server, "cached", (2,), window_s=0.05, stable_percent=0)
