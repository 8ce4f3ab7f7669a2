"""How far is how long: what no cable and no server can be quicker than.

>>> frankfurt, virginia = (50.1, 8.7), (39.0, -77.5)
>>> round(1e3 * round_trip_s(great_circle_km(frankfurt, virginia)))
64
"""

from __future__ import annotations

import math

from lab_utils.calculation import Calculation
from lab_utils.errors import LabError

LIGHT_KM_S = 299_792.458
GLASS = 1.468
"""How many times as slow light is in a fibre: the group index of Corning's SMF-28 at 1,550 nm."""
EARTH_KM = 6_371.0

Place = tuple[float, float]
"""Degrees north and east."""


def great_circle_km(here: Place, there: Place) -> float:
    """The shortest way between two places on the ground (the haversine formula).

    Raises LabError for degrees that are none.
    """
    for north, east in (here, there):
        if not (-90 <= north <= 90 and -180 <= east <= 180):
            raise LabError(
                f"The place is at {north:g}, {east:g}; expected -90 to 90 degrees north and -180 "
                "to 180 degrees east."
            )
    (north_1, east_1), (north_2, east_2) = (map(math.radians, place) for place in (here, there))
    half = (
        math.sin((north_2 - north_1) / 2) ** 2
        + math.cos(north_1) * math.cos(north_2) * math.sin((east_2 - east_1) / 2) ** 2
    )
    return 2 * EARTH_KM * math.asin(math.sqrt(half))


def round_trip_s(distance_km: float, detour: float = 1) -> float:
    """The time of light in glass to a place and back.

    detour: how many times as long as the distance the cable is; 1 is the bound that nothing is
    under.
    """
    if not distance_km >= 0:
        raise LabError(f"distance_km is {distance_km:g}; expected 0 or more.")
    if not detour >= 1:
        raise LabError(f"detour is {detour:g}; expected at least 1.")
    return 2 * distance_km * detour * GLASS / LIGHT_KM_S


ROUND_TRIP = Calculation(
    name="round-trip",
    formula="round trip = 2 · distance · detour · 1.468 / 299,792 km/s",
    inputs={
        "distance_km": "as the crow flies",
        "detour": "times as long the cable is, at least 1",
    },
    result="seconds that light in a fibre takes there and back",
    source="Corning, SMF-28 product information: group index 1.468 at 1,550 nm (ITU-T G.652)",
    compute=round_trip_s,
    defaults={"detour": 1.0},
)
