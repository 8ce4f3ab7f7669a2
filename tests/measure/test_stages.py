import time

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.stages import Stages, Timeline


def test_a_stage_takes_as_long_as_its_block() -> None:
    stages = Stages()
    before = time.perf_counter()
    with stages.stage("sleep"):
        time.sleep(0.02)
    around_s = time.perf_counter() - before
    assert 0.02 <= stages.durations_s["sleep"] <= around_s


def test_a_stage_that_fails_is_timed_and_fails() -> None:
    stages = Stages()
    with pytest.raises(ZeroDivisionError), stages.stage("divide"):
        _ = 1 / 0
    assert stages.durations_s["divide"] >= 0


def test_a_stage_entered_twice_counts_the_sum() -> None:
    stages = Stages(durations_s={"read": 1.0})
    with stages.stage("read"):
        pass
    assert stages.durations_s["read"] > 1.0


def test_the_device_is_synchronised_at_both_ends() -> None:
    calls: list[str] = []
    with Stages(synchronise=lambda: calls.append("synchronise")).stage("compute"):
        calls.append("work")
    assert calls == ["synchronise", "work", "synchronise"]


def test_server_timing_survives_the_journey() -> None:
    sent = Stages(durations_s={"decode": 0.0025, "compute": 0.118})
    received = Stages.from_server_timing(sent.server_timing())
    assert received.durations_s == pytest.approx(sent.durations_s)


def test_server_timing_of_other_services_is_read() -> None:
    header = 'cache;desc="hit, or miss", db;desc="x";dur=53, app;dur=47.2'
    read = Stages.from_server_timing(header).durations_s
    assert read == pytest.approx({"db": 0.053, "app": 0.0472})


@pytest.mark.parametrize("header", ["", "nonsense", "miss, db;desc=x"])
def test_a_header_without_durations_is_refused(header: str) -> None:
    with pytest.raises(LabError, match="Server-Timing"):
        Stages.from_server_timing(header)


def test_shares_are_taken_request_by_request() -> None:
    # A machine that halves its speed keeps the shares: every request is 3 parts of 4.
    timeline = Timeline(
        Stages(durations_s={"wait": slow, "compute": 3 * slow}) for slow in (1.0, 2.0, 50.0)
    )
    share = timeline.share("compute")
    assert (share.low, share.median, share.high) == (0.75, 0.75, 0.75)


def test_a_request_without_a_stage_counts_zero() -> None:
    timeline = Timeline([Stages(durations_s={"a": 1.0}), Stages(durations_s={"a": 1.0, "b": 2.0})])
    assert timeline.names == ["a", "b"]
    assert list(timeline.durations_s("b")) == [0.0, 2.0]
    assert timeline.intervals_s()["a"].n == len(timeline) == 2


def test_an_unknown_stage_is_named_with_the_known_ones() -> None:
    with pytest.raises(LabError, match="'compute' was not measured; measured are: decode"):
        Timeline([Stages(durations_s={"decode": 1.0})]).share("compute")
