import math

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.distance import EARTH_KM, great_circle_km, round_trip_s


def test_a_quarter_of_a_meridian_and_half_of_the_equator() -> None:
    assert great_circle_km((0, 0), (90, 0)) == pytest.approx(EARTH_KM * math.pi / 2)
    assert great_circle_km((0, 0), (0, 180)) == pytest.approx(EARTH_KM * math.pi)
    assert great_circle_km((12, 34), (12, 34)) == 0


def test_it_is_as_far_back_as_there() -> None:
    here, there = (50.1, 8.7), (-23.5, -46.6)
    assert great_circle_km(here, there) == pytest.approx(great_circle_km(there, here))


def test_light_in_glass_takes_a_millisecond_for_each_hundred_kilometres_and_back() -> None:
    assert round_trip_s(100) == pytest.approx(1e-3, rel=0.03)
    assert round_trip_s(100, detour=2) == 2 * round_trip_s(100)


def test_what_is_no_place_or_distance_is_told() -> None:
    with pytest.raises(LabError, match="The place is at 91, 0"):
        great_circle_km((91, 0), (0, 0))
    with pytest.raises(LabError, match="distance_km is -1"):
        round_trip_s(-1)
    with pytest.raises(LabError, match=r"detour is 0\.5"):
        round_trip_s(1, detour=0.5)
