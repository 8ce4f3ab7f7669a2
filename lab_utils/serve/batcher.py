"""A dynamic batcher: what several request threads bring is computed together.

    batcher = Batcher(compute, most=8, wait_s=0.01)
    row = batcher(inputs)        # from any thread; returns when its batch is done

The first to come waits up to `wait_s` for company; a full batch goes at once. (Triton's dynamic
batching has the same two settings, `preferred_batch_size` and `max_queue_delay_microseconds`.)
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError

Array = NDArray[Any]


class Batcher:
    """Calls `compute` with inputs joined along the first axis, and hands each caller its rows.

    compute: (n, …) → (n, …), for n from 1 to `most`. `sizes` counts the batches by their size.
    What `compute` raises is raised in every caller of that batch.
    """

    def __init__(self, compute: Callable[[Array], Array], most: int, wait_s: float) -> None:
        if most < 1 or not wait_s >= 0:
            raise LabError(
                f"A batch of at most {most} that waits {wait_s:g} s was asked for; expected at "
                "least 1, and no time below 0."
            )
        self._compute = compute
        self._most, self._wait_s = most, wait_s
        self._waiting: queue.SimpleQueue[tuple[Array, Future[Array]]] = queue.SimpleQueue()
        self.sizes: Counter[int] = Counter()
        threading.Thread(target=self._run, daemon=True).start()

    def __call__(self, inputs: Array) -> Array:
        """The result for one caller's input of shape (1, …); waits for its batch."""
        promised: Future[Array] = Future()
        self._waiting.put((inputs, promised))
        return promised.result()

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            until_s = time.perf_counter() + self._wait_s
            while len(batch) < self._most:
                try:
                    left_s = max(0.0, until_s - time.perf_counter())
                    batch.append(self._waiting.get(timeout=left_s))
                except queue.Empty:
                    break
            self.sizes[len(batch)] += 1
            try:
                rows = self._compute(np.concatenate([inputs for inputs, _ in batch]))
                if len(rows) != len(batch):
                    raise LabError(f"compute gave {len(rows)} rows for {len(batch)} inputs.")
            except BaseException as error:
                for _, promised in batch:
                    promised.set_exception(error)
                continue
            for row, (_, promised) in zip(rows, batch, strict=True):
                promised.set_result(row[None])
