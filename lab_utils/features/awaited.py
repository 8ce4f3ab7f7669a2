"""Features that an event loop waits for: a store that is asked in threads, or Redis over a line.

    features = OverALine(store, socket)                 # or InThreads(store, threads=1)
    asked = features.begin(payment)                     # a future of `Served`; it never raises
    await asyncio.wait({asked}, timeout=0.01)
    served = asked.result() if asked.done() else features.without(payment, "slow", "…", None)

A future is not done before its store is: who stops waiting has not stopped the work. `places` says
how many may be at work or wait for it before it is no use to ask for more.
"""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab_utils.features.online import OnlineFeatures, Served
from lab_utils.features.payment import Payment
from lab_utils.features.redis_line import Answers, RedisLine
from lab_utils.features.redis_store import RedisStore
from lab_utils.features.store import Store, StoreError
from lab_utils.features.windows import History

WAITING_PER_THREAD = 8
WAITING_ON_A_LINE = 16
"""More than Redis keeps waiting while all is well: whoever meets so many, meets a process that has
fallen behind, or a Redis that is slow. One that answers without features has caught up sooner."""


class AwaitedFeatures(OnlineFeatures):
    """What both have. It closes its store."""

    places: int

    def begin(self, payment: Payment) -> asyncio.Future[Served]:
        """Record the payment; what its features are, once the store has answered."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()


class InThreads(AwaitedFeatures):
    """Any store, which blocks whoever asks it. stale_after_s: as `OnlineFeatures` has it."""

    def __init__(self, store: Store, *, threads: int = 1, stale_after_s: float = math.inf) -> None:
        super().__init__(store, stale_after_s=stale_after_s)
        self.places = WAITING_PER_THREAD * threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="features")

    def begin(self, payment: Payment) -> asyncio.Future[Served]:
        """See `AwaitedFeatures`."""
        return asyncio.get_running_loop().run_in_executor(self._threads, self.of, payment)

    def close(self) -> None:
        """See `AwaitedFeatures`. A thread that hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        super().close()


class OverALine(AwaitedFeatures):
    """Redis, without threads. store: says what to ask, and what the answers mean."""

    store: RedisStore

    def __init__(
        self, store: RedisStore, socket: Path | str, *, stale_after_s: float = math.inf
    ) -> None:
        super().__init__(store, stale_after_s=stale_after_s)
        self.places = WAITING_ON_A_LINE
        self._line = RedisLine(socket)

    def begin(self, payment: Payment) -> asyncio.Future[Served]:
        """See `AwaitedFeatures`."""
        found: asyncio.Future[Served] = asyncio.get_running_loop().create_future()

        def told(answers: Answers) -> None:
            def history() -> History:
                if isinstance(answers, StoreError):
                    raise answers
                return self.store.history(answers)

            if not found.done():  # cancelled, when the event loop ends
                found.set_result(self.told(payment, history))

        self._line.ask(self.store.commands(payment), told)
        return found

    def close(self) -> None:
        """See `AwaitedFeatures`."""
        self._line.close()
        super().close()
