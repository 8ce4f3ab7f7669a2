"""A process that grades one job after another; `workers.py` starts it.

    python -m lab_utils.grade.classroom.worker PARENT DESCRIPTOR [CORES]

Jobs come and verdicts go on the socket DESCRIPTOR, each a line of JSON. It ends, answers and
services with it, when the socket is closed, on SIGTERM, and with PARENT.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from dataclasses import asdict
from pathlib import Path

from lab_utils.components.process_tree import die_with_parent
from lab_utils.grade.classroom.job import Job, grade_one
from lab_utils.grade.workers import Workers


def main() -> None:
    """Grade until nobody asks any more."""
    parent, descriptor, cores = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    die_with_parent(parent, signal.SIGKILL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if cores:
        os.sched_setaffinity(0, [int(core) for core in cores.split(",")])
    channel = socket.socket(fileno=descriptor)
    with Workers() as workers, channel.makefile("rwb") as lines:
        for line in lines:
            order = json.loads(line)
            content = Path(order.pop("notebook")).read_bytes()
            done = grade_one(content, Job(**order), workers)
            lines.write(json.dumps(asdict(done), allow_nan=False).encode() + b"\n")
            lines.flush()


if __name__ == "__main__":
    main()
