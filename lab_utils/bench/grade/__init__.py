"""Whether grades can be trusted, how often they are wrong, and what they cost.

Each part is a module with a `measure` of its own; see there for the figures' meanings.

    ./lab bench grade --json
    ./lab bench grade/overhead
"""

from __future__ import annotations

from lab_utils.bench.grade import class_runs, overhead, verdicts

PARTS = (overhead, verdicts, class_runs)
