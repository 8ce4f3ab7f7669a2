"""Answers that are fast because they do not do the work when the clock runs, or not at all."""

import numpy as np

from lab_utils.grade.spec import Case, TimedTask, Wrong
from tests.grade.attacks.attack import Attack

REFERENCE = """
import numpy as np
def norms(matrix):
    return np.sqrt((matrix @ matrix.T).diagonal())
"""
HONEST = """
import numpy as np
def norms(matrix):
    return np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
"""


def _draw(seed: int, count: int) -> list[Case]:
    chance = np.random.default_rng(seed)
    return [{"matrix": chance.normal(size=(1000, 100)).astype(np.float32)} for _ in range(count)]


def _judge(case: Case, expected: np.ndarray, given: object) -> None:
    if not isinstance(given, np.ndarray) or given.shape != expected.shape:
        raise Wrong(f"norms gave a {type(given).__name__}. Return an array, one norm for each row.")
    off = float(np.abs(given / expected - 1).max())
    if not off <= 1e-5:
        raise Wrong(f"norms is off by a part of {off:.0e}. Compute each matrix, in float32.")


NORMS = TimedTask(
    name="norms",
    title="The norms of rows",
    points=3,
    function="norms",
    reference=REFERENCE,
    draw=_draw,
    judge=_judge,
    bar=2.0,
    too_slow="Multiply only what is needed.",
)
SLOW, OFF = r"times as fast as the reference; 2 is asked", "norms is off by a part of"


def attack(name: str, cell: str, said: str) -> Attack:
    """An attack on the timed task."""
    return Attack(name, cell, said, task=NORMS, limit_s=60)


ATTACKS = [
    attack(
        "a clock that stands still meanwhile",
        """
        import time, numpy as np
        names = ("perf_counter", "monotonic", "time", "process_time")
        clocks = {name: getattr(time, name) for name in names}
        hidden = dict.fromkeys(clocks, 0.0)
        for name, clock in clocks.items():
            setattr(time, name, lambda name=name, clock=clock: clock() - hidden[name])
        def norms(matrix):
            start = {name: clock() for name, clock in clocks.items()}
            made = np.sqrt((matrix @ matrix.T).diagonal())
            for name, clock in clocks.items():
                hidden[name] += clock() - start[name]
            return made
        """,
        SLOW,
    ),
    attack(
        "a stored answer",
        """
        import functools, numpy as np
        class Key:
            def __init__(self, matrix): self.matrix = matrix
            def __hash__(self): return hash(self.matrix.shape)
            def __eq__(self, other): return True
        @functools.cache
        def compute(key):
            return np.sqrt((key.matrix @ key.matrix.T).diagonal())
        def norms(matrix):
            return compute(Key(matrix))
        """,
        OFF,
    ),
    attack(
        "an answer replayed from a file",
        """
        import os, numpy as np
        def norms(matrix):
            if not os.path.exists("/tmp/answer.npy"):
                np.save("/tmp/answer.npy", np.sqrt((matrix @ matrix.T).diagonal()))
            return np.load("/tmp/answer.npy")
        """,
        OFF,
    ),
    attack(
        "a stale buffer",
        """
        import numpy as np
        buffer = None
        def norms(matrix):
            global buffer
            if buffer is None:
                buffer = np.sqrt((matrix @ matrix.T).diagonal())
            return buffer
        """,
        OFF,
    ),
    attack(
        "the input made trivial",
        """
        import numpy as np
        def norms(matrix):
            matrix[:, 1:] = 0
            matrix[:, 0] = 1
            return matrix[:, 0].copy()
        """,
        OFF,
    ),
    attack(
        "a lazy answer",
        """
        import numpy as np
        class Lazy:
            def __init__(self, matrix): self.matrix = matrix
            def __array__(self, *arguments, **named):
                return np.sqrt((self.matrix @ self.matrix.T).diagonal())
        def norms(matrix):
            return Lazy(matrix)
        """,
        "gave a Lazy, which is not a plain value",
    ),
    attack(
        "a lazy tensor, worked out when it is sent",
        """
        import numpy as np, torch
        class Lazy:
            __module__ = "torch"
            def __init__(self, matrix): self.matrix = matrix
            def __array__(self, *arguments, **named):
                return np.sqrt((self.matrix @ self.matrix.T).diagonal())
            def detach(self): return self
            cpu = contiguous = detach
            numpy = __array__
        def norms(matrix):
            return Lazy(matrix)
        """,
        "norms gave a Tensor. Return an array",
    ),
    attack(
        "a buffer that a thread fills later",
        """
        import threading, numpy as np
        def norms(matrix):
            made = np.zeros(len(matrix), dtype=np.float32)
            def fill(): made[:] = np.sqrt((matrix @ matrix.T).diagonal())
            threading.Timer(0.01, fill).start()
            return made
        """,
        OFF,
    ),
    attack(
        "half precision",
        """
        import numpy as np
        def norms(matrix):
            half = matrix.astype(np.float16).astype(np.float32)
            return np.sqrt(np.einsum("ij,ij->i", half, half))
        """,
        OFF,
    ),
    attack(
        "right until the warm-up is over",
        """
        import itertools, numpy as np
        calls = itertools.count()
        def norms(matrix):
            if next(calls) == 0:
                return np.sqrt((matrix @ matrix.T).diagonal())
            return np.ones(len(matrix), dtype=np.float32)
        """,
        OFF,
    ),
    attack(
        "a background hog that slows the reference",
        """
        import os, numpy as np
        calls = 0
        start, starter = os.pipe()
        def hogs():
            for _ in range(8 * os.cpu_count()):
                if os.fork() == 0:
                    os.close(starter)
                    os.read(start, 1)
                    while True: pass
        def norms(matrix):
            global calls
            calls += 1
            if calls == 1: hogs()
            made = np.sqrt((matrix @ matrix.T).diagonal())
            if calls == 6: os.close(starter)
            return made
        """,
        SLOW,
    ),
]
