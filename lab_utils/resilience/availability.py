"""How often there is an answer: parts that all must work, tiers of which one must, what they share.

>>> round(availability(each=0.99, tiers=2), 6)
0.9999
>>> round(availability(each=0.99, tiers=2, shared=0.995), 4)
0.9949

Two tiers of two nines make four, as long as they fail independently. What both need, the feature
store, the network, the certificate that ends on the same day, bounds all of them.
"""

from __future__ import annotations

from lab_utils.calculation import Calculation
from lab_utils.errors import LabError


def availability(each: float, tiers: float = 1, in_series: float = 1, shared: float = 1) -> float:
    """The share of requests (0 to 1) that get an answer.

    each: the availability of a part. in_series: parts of a tier, all of which it needs. tiers: of
    which any one suffices, independent of each other. shared: the availability of what all of them
    need; 1 for nothing. shared · (1 − (1 − each^in_series)^tiers) (Barlow and Proschan,
    Mathematical Theory of Reliability, 1965).
    """
    for name, share in (("each", each), ("shared", shared)):
        if not 0 <= share <= 1:
            raise LabError(f"{name} is {share:g}; expected a share of the time, from 0 to 1.")
    for name, count in (("tiers", tiers), ("in_series", in_series)):
        if not count >= 1 or count != int(count):
            raise LabError(f"{name} is {count:g}; expected a whole number, at least 1.")
    tier = each**in_series
    return float(shared * (1 - (1 - tier) ** tiers))


AVAILABILITY = Calculation(
    name="availability",
    formula="availability = shared · (1 − (1 − each^in_series)^tiers)",
    inputs={
        "each": "availability of one part, 0 to 1",
        "in_series": "parts of a tier, all of which it needs",
        "tiers": "tiers, any of which suffices",
        "shared": "availability of what all tiers need, 0 to 1; 1 for nothing",
    },
    result="share of requests that get an answer",
    source="Barlow and Proschan, Mathematical Theory of Reliability (1965)",
    compute=availability,
)
