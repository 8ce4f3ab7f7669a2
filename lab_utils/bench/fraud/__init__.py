"""What unit 3's parts reach on this machine.

Each part is a module with a `measure` of its own; see there for the figures' meanings.

    ./lab bench fraud --json
    ./lab bench fraud/gateway
"""

from __future__ import annotations

from lab_utils.bench.fraud import chaos, gateway, regions, simulation, switching, validation

PARTS = (gateway, switching, regions, chaos, simulation, validation)
