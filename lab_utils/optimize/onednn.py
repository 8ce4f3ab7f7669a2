"""What PyTorch's library for x86 processors does in one request: its primitives, by name and time.

oneDNN writes a line for each primitive that it executes when it is asked to (`ONEDNN_VERBOSE`, or
`torch.backends.mkldnn.verbose`); the line names the kind (convolution, reorder), the implementation
with its instruction set, the data type, and the milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

DONE = "primitive,exec,cpu,"
SOURCE = re.compile(r"\bsrc[:_]([a-z]+\d+)")


@dataclass(frozen=True)
class Primitive:
    """One execution. implementation: such as "brgconv:avx512_core"; source: type of its input."""

    kind: str
    implementation: str
    source: str
    duration_s: float


def primitives(log: str) -> list[Primitive]:
    """Every primitive whose execution a log reports, in order; other lines are passed over."""
    found = []
    for line in log.splitlines():
        if "onednn_verbose" not in line or DONE not in line:
            continue
        fields = line.split(DONE, 1)[1].split(",")
        source = SOURCE.search(line)
        try:
            duration_s = float(fields[-1]) / 1e3
        except ValueError:  # a line that another one has cut
            continue
        found.append(Primitive(fields[0], fields[1], source[1] if source else "", duration_s))
    return found


def total_s(done: Iterable[Primitive], kind: str) -> float:
    """Seconds in all primitives of a kind."""
    return sum(p.duration_s for p in done if p.kind == kind)


def implementations(done: Iterable[Primitive], kind: str) -> dict[str, int]:
    """How often each implementation of a kind ran, the most frequent first."""
    counts: dict[str, int] = {}
    for p in done:
        if p.kind == kind:
            counts[p.implementation] = counts.get(p.implementation, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
