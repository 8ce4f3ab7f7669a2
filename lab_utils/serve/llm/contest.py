"""A plan for the chatbot against its first version: both started here, asked the same, in turn.

    with contest(Plan("q4_0", "continuous", 16, 32, first="chat"), threads=2) as two:
        two.warm_up()
        two.pair(seed=1)                            # answers a second: (first version's, plan's)
        two.steady(rate_rps=40, count=480, seed=2)  # at a load, as its clients see it
        two.rush(rate_rps=150, lasts_s=4, seed=3)   # more than it can do, chats and reports

An hour of the machine costs the same whoever uses it, so an answer's cost is one over the answers
a second (`cost_reduction`). The traffic is a chat service's recorded one, shortened; the model has
the true shape of a small one and seeded weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.components.together import Together
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.lengths import Lengths
from lab_utils.models.decoder import TINY, Decoder
from lab_utils.models.language.gguf_file import Kind
from lab_utils.models.language.seeded import seeded, seeded_folder
from lab_utils.serve.llm.chat import chat
from lab_utils.serve.llm.flask_app import baseline_service
from lab_utils.serve.llm.load import Reached, Served, in_turn, when_due
from lab_utils.serve.llm.messages import Batching
from lab_utils.serve.llm.service import LLMService

SHORTER = (64, 16)
"""What the recorded prompts and answers are divided by."""
RECORDED = 1500
"""Conversations that requests are drawn from."""
BLOCK_S = 1.5
"""About how long each side of a pair is asked."""
BASE_CLIENTS, BASE_LEAST, BASE_MOST = 2, 4, 40
PLAN_MOST = 600
"""Requests of a side of a pair, at most."""
LOAD = 0.7
"""Of what a plan can do, its load: with more, a queue grows by chance alone."""
MORE = 1.25
"""Times the answers that a percentile needs: of 459, the fewest that chance gives is about 500."""
CHUNK = 256
CHAT_SHARE = 0.2
"""Of a rush; the others are reports, for which nobody waits."""


@dataclass(frozen=True)
class Plan:
    """How the chatbot is to be served. first: who is taken from the queue first, "chat" or
    "reports"; anything else, and it is the order of arrival. The others: as `LLMService` has them.
    """

    weights: Kind
    batching: Batching
    batch_most: int
    queue_most: int
    first: str

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Plan:
        """From a document of the same names."""
        return cls(**said)


@dataclass(frozen=True)
class Rush:
    """What became of a rush: of those who were accepted. is_chat: which of these are chats."""

    served: Served
    is_chat: NDArray[np.bool_]

    def late(self, chats: bool, limit_s: float) -> float:
        """The share of the accepted chats, or reports, that took longer than this."""
        took_s = self.served.latency_s[self.is_chat == chats]
        return float(np.mean(took_s > limit_s)) if took_s.size else 0.0

    def waited_s(self, chats: bool) -> float:
        """How long a chat, or a report, waited for its place: the median."""
        waited_s = self.served.queueing_s[self.is_chat == chats]
        return float(np.median(waited_s)) if waited_s.size else 0.0


@dataclass
class Contest:
    """Both services, up; what is asked of them is drawn from seeds."""

    first_version: Reached
    service: Reached
    plan: Plan
    shape: Decoder
    _counts: dict[str, int] = field(default_factory=dict)

    def warm_up(self) -> None:
        """Ask both a little, and see how much a block is."""
        base = in_turn(self.first_version, self.shape, drawn(3, seed=0), 1)
        many = drawn(2 * self.plan.batch_most + 4, seed=0)
        mine = in_turn(self.service, self.shape, many, self._clients)
        self._counts = {
            "base": int(np.clip(base.load.rate_rps * BLOCK_S, BASE_LEAST, BASE_MOST)),
            "plan": int(np.clip(mine.load.rate_rps * BLOCK_S, 3 * self.plan.batch_most, PLAN_MOST)),
        }

    def pair(self, seed: int) -> tuple[float, float]:
        """Answers a second where somebody always waits: (the first version's, the plan's).

        The same requests, as often as each needs; who is asked first is drawn.
        """
        chance = np.random.default_rng(seed)
        requests = drawn(self._counts["base"], int(chance.integers(2**31)))
        rates = [0.0, 0.0]
        for side in chance.permutation(2):
            rates[side] = self._plan_rps(requests) if side else self._base_rps(requests)
        return rates[0], rates[1]

    def steady(self, rate_rps: float, count: int, seed: int) -> Served:
        """So many chats or more, at a rate that does not change."""
        arrivals = poisson(rate_rps, MORE * count / rate_rps, seed)
        return when_due(self.service, self.shape, arrivals, drawn(arrivals.due_s.size, seed))

    def rush(self, rate_rps: float, lasts_s: float, seed: int) -> Rush:
        """Chats and reports at once, and more of them than can be answered."""
        arrivals = poisson(rate_rps, lasts_s, seed)
        count = arrivals.due_s.size
        is_chat = np.random.default_rng(seed).random(count) < CHAT_SHARE
        urgent = {"chat": is_chat, "reports": ~is_chat}.get(self.plan.first, np.zeros(count, bool))
        served = when_due(
            self.service, self.shape, arrivals, drawn(count, seed), priority=urgent.astype(int)
        )
        return Rush(served, is_chat[served.number])

    @property
    def _clients(self) -> int:
        """So many that every place is always taken, and nobody is refused."""
        return self.plan.batch_most + min(2, self.plan.queue_most)

    def _base_rps(self, requests: Lengths) -> float:
        return in_turn(self.first_version, self.shape, requests, BASE_CLIENTS).load.rate_rps

    def _plan_rps(self, requests: Lengths) -> float:
        count = self._counts["plan"]
        again = Lengths(
            np.resize(requests.prompt_tokens, count), np.resize(requests.new_tokens, count)
        )
        return in_turn(self.service, self.shape, again, self._clients).load.rate_rps


@contextmanager
def contest(plan: Plan, threads: int, shape: Decoder = TINY) -> Iterator[Contest]:
    """Both, started at the same time, on the same threads, and stopped with the block."""
    services = Together[Any](
        {
            "first version": baseline_service(seeded_folder(shape), threads),
            "plan": LLMService(
                seeded(shape, plan.weights),
                threads=threads,
                batching=plan.batching,
                batch_most=plan.batch_most,
                queue_most=plan.queue_most,
                chunk_tokens=CHUNK if plan.batching == "continuous" else None,
                drain_s=0.0,
            ),
        }
    )
    try:
        yield Contest(services["first version"], services["plan"], plan, shape)
    finally:
        services.stop()


def drawn(count: int, seed: int) -> Lengths:
    """So many of the recorded chats, drawn anew."""
    all_of_them = chat(RECORDED, *SHORTER)
    picks = np.random.default_rng(seed).integers(RECORDED, size=count)
    return Lengths(all_of_them.prompt_tokens[picks], all_of_them.new_tokens[picks])


def cost_reduction(ratio: float) -> float:
    """How much less an answer costs, under `LOAD`, where a plan can do so many times as much as the
    first version: a share, below 1.

    >>> round(cost_reduction(ratio=10), 3)
    0.857
    """
    return 1 - 1 / (LOAD * ratio)
