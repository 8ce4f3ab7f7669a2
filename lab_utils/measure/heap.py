"""Keeping Python's full collection out of what is measured.

    with heap_set_aside():
        …                       # send requests, time calls

A full collection looks at every object that Python holds: 50 ms in a service of ours, a sixth of a
second in a kernel with PyTorch. In that time a load generator sends nothing, and a timed call is
charged for what the kernel holds. Within the block a collection looks at those objects only that
were made in it (`gc.freeze`).
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
"""Blocks that have begun and not ended, in all threads."""


@contextmanager
def heap_set_aside() -> Iterator[None]:
    """All that is there now is left alone until this block and those around it have ended."""
    global _inside
    with _lock:
        _inside += 1
        gc.freeze()
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                gc.unfreeze()
