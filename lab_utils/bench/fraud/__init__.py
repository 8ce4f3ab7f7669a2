"""What unit 3's parts reach on this machine.

Each part is a module with a `measure` of its own; see there for the figures' meanings.

    ./lab bench fraud --json
"""

from __future__ import annotations

from lab_utils.bench._document import Figure
from lab_utils.bench.fraud import gateway, simulation, switching

PARTS = (gateway, switching, simulation)


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """The figures of all parts."""
    figures: dict[str, Figure] = {}
    for part in PARTS:
        figures |= part.measure(scale, repeats)
    return figures
