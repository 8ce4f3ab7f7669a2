from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.serve.triton_statistics import between, counter

PARTS = ("success", "fail", "queue", "cache_hit", "cache_miss")


def reading(batches: dict[int, int], **parts: tuple[int, int]) -> dict[str, Any]:
    return {
        "execution_count": sum(batches.values()),
        "inference_stats": {
            part: dict(zip(("count", "ns"), parts.get(part, (0, 0)), strict=True)) for part in PARTS
        },
        "batch_stats": [
            {"batch_size": size, "compute_infer": {"count": count, "ns": count * 10**6}}
            for size, count in batches.items()
        ],
    }


def test_what_was_counted_in_between_and_nothing_from_before() -> None:
    before = reading({1: 3}, success=(3, 30), queue=(3, 3_000_000), fail=(1, 0))
    after = reading(
        {1: 3, 4: 2, 8: 1},
        success=(19, 99),
        queue=(19, 35_000_000),
        fail=(6, 0),
        cache_hit=(4, 4_000),
        cache_miss=(2, 18_000),
    )
    seen = between(before, after)
    assert (seen.answered, seen.failed, seen.executions) == (16, 5, 3)
    assert seen.batches == {4: 2, 8: 1}
    assert seen.mean_batch == pytest.approx(16 / 3)
    assert seen.shares() == {4: 0.5, 8: 0.5}
    assert (seen.queue_s, seen.busy_s) == pytest.approx((0.002, 0.003))
    assert (seen.cache_hits, seen.cache_hit_s) == (4, pytest.approx(1e-6))
    assert (seen.cache_misses, seen.cache_miss_s) == (2, pytest.approx(9e-6))
    nothing = between(after, after)
    assert (nothing.answered, nothing.queue_s, nothing.mean_batch, nothing.shares()) == (
        0,
        0,
        0,
        {},
    )


def test_a_counter_is_summed_over_the_labels_that_are_not_asked_for() -> None:
    page = "\n".join(
        [
            "# TYPE nv_inference_request_failure counter",
            'nv_inference_request_failure{model="a",reason="REJECTED",version="1"} 4',
            'nv_inference_request_failure{model="a",reason="BACKEND",version="1"} 3',
            'nv_inference_request_failure{model="b",reason="REJECTED",version="1"} 9',
            "",
        ]
    )
    name = "nv_inference_request_failure"
    assert counter(page, name, model="a", reason="REJECTED") == 4
    assert counter(page, name, model="a") == 7
    with pytest.raises(LabError, match="no metric 'nv_rejected'; it has nv_inference_request_fail"):
        counter(page, "nv_rejected")
