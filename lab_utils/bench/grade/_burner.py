"""A process that keeps a core busy in bursts, and goes when its parent does.

python _burner.py SEED PARENT
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

from lab_utils.components.process_tree import die_with_parent

SHORTEST_S, LONGEST_S = 0.02, 0.3
"""Of a burst, and of a pause: some are shorter than a block that is timed, most are longer."""


def main() -> None:
    """Burn and pause by turns until the parent has gone."""
    chance, parent = random.Random(int(sys.argv[1])), int(sys.argv[2])
    die_with_parent(parent, signal.SIGKILL)
    while os.getppid() == parent:
        until_s = time.perf_counter() + chance.uniform(SHORTEST_S, LONGEST_S)
        while time.perf_counter() < until_s:
            sum(range(1000))
        time.sleep(chance.uniform(SHORTEST_S, LONGEST_S))


if __name__ == "__main__":
    main()
