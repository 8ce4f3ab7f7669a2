"""Counts in several regions, against the plain count of the payments."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_utils.errors import LabError
from lab_utils.features.regional import (
    WAYS,
    Counters,
    Events,
    Increments,
    LastWriterWins,
    Stream,
    played,
)

GAPS_S = st.floats(0.001, 5)
AT_ANY_PACE = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    count = draw(st.integers(1, 40))
    gaps = draw(st.lists(GAPS_S, min_size=count, max_size=count))
    regions = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    begun_s = draw(st.floats(0, 50))
    return Stream(
        np.cumsum(gaps),
        regions,
        delay_s=draw(st.floats(0, 20)),
        cut_s=(begun_s, begun_s + draw(st.floats(0, 50))),
        again=draw(st.sampled_from([0.0, 0.3, 1.0])),
        seed=draw(st.integers(0, 5)),
    )


@AT_ANY_PACE
@given(stream=streams())
def test_counters_and_payments_end_right_everywhere_whatever_happens(stream: Stream) -> None:
    count = np.size(stream.time_s)
    for way in (Counters, Events):
        found = played(stream, way)
        assert (found.final == count).all()
        assert (found.read <= found.true).all()
    assert (played(stream, LastWriterWins).final <= count).all()


@AT_ANY_PACE
@given(stream=streams())
def test_increments_are_right_but_for_what_comes_twice(stream: Stream) -> None:
    times, regions = np.asarray(stream.time_s), np.asarray(stream.region)
    once = Stream(times, regions, stream.delay_s, stream.cut_s)
    assert (played(once, Increments).final == times.size).all()
    twice = Stream(times, regions, stream.delay_s, stream.cut_s, again=1.0)
    own = np.bincount(regions, minlength=regions.max() + 1)
    assert played(twice, Increments).final.tolist() == (2 * times.size - own).tolist()


def test_of_two_that_are_written_within_the_delay_the_last_writer_loses_one() -> None:
    together = Stream([0.0, 0.01], [0, 1], delay_s=0.04)
    assert played(together, LastWriterWins).final.tolist() == [1, 1]
    apart = Stream([0.0, 0.05], [0, 1], delay_s=0.04)
    assert played(apart, LastWriterWins).final.tolist() == [2, 2]


def test_while_the_link_is_cut_a_region_sees_its_own_payments_alone() -> None:
    stream = Stream([0, 1, 2, 3, 10], [0, 1, 0, 1, 0], delay_s=0.1, cut_s=(0.5, 5.0))
    found = played(stream, Events)
    assert found.read.tolist() == [1, 2, 2, 3, 5]
    assert found.short == pytest.approx(2 / 5)


def test_one_region_alone_is_right_in_every_way() -> None:
    for way in WAYS.values():
        found = played(Stream([0.0, 1.0, 2.0], [0, 0, 0], delay_s=1, again=1.0), way)
        assert found.final.tolist() == [3]
        assert found.short == 0


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        (([], [], 0.1), "0 times and 0 regions"),
        (([1, 0], [0, 1], 0.1), "the times in order"),
        (([1], [0, 1], 0.1), "1 times and 2 regions"),
        (([1], [0], -0.1), "delay_s is -0.1"),
    ],
)
def test_what_is_no_stream_is_told(
    stream: tuple[list[float], list[int], float], sentence: str
) -> None:
    with pytest.raises(LabError, match=sentence):
        Stream(*stream)
