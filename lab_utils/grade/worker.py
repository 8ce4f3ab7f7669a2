"""A worker: one answer's process, which answers the grader's calls and knows nothing else.

    python -m lab_utils.grade.worker DESCRIPTOR

Forked by `workers.py`; DESCRIPTOR is its end of a socket pair.
"""

from __future__ import annotations

import os
import socket
import sys

from lab_utils.grade.answer import load
from lab_utils.grade.session import Session


def main() -> None:
    """Serve until the grader has gone, then end without any clean-up."""
    try:
        session = Session(socket.socket(fileno=int(sys.argv[1])))
        session.export(load)  # number 0, the only one there is at first
        session.serve()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
