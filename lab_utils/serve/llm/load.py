"""Load on the language-model service: requests of given lengths, and what became of each.

    served = when_due(service, SHAPE, poisson(20, 30), lengths)
    served.load.rate_rps, served.tokens_per_s, served.first_token_s

The prompts are tokens drawn by a seed: their number decides the time, not what they are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import Arrivals
from lab_utils.measure.load.generator import Answers, Sender, closed_loop, open_loop, post
from lab_utils.measure.load.lengths import Lengths
from lab_utils.measure.load.result import LoadResult
from lab_utils.models.decoder import Decoder
from lab_utils.models.language.seeded import prompt

Floats = NDArray[np.float64]
TIMEOUT_S = 120.0
SHORT_PROMPT = 8


class Reached(Protocol):
    """A service that answers at an address: `LLMService`, or the first version in its place."""

    @property
    def url(self) -> str:
        """Without the path."""


@dataclass(frozen=True)
class Served:
    """One run.

    load: rate, latencies and failures, refusals among them ("status 429"). The others are of the
    good answers, in the order of sending. number: which request. new_tokens: of the answer.
    queueing_s, first_token_s: from when the request was due until the engine began with it, and
    until its first token was there. last_token_s: until its last token was computed, which a static
    batch does not send at once. latency_s: until the client had all of it.
    """

    load: LoadResult
    number: NDArray[np.int_]
    new_tokens: NDArray[np.int_]
    queueing_s: Floats
    first_token_s: Floats
    last_token_s: Floats
    latency_s: Floats

    @property
    def begun_s(self) -> Floats:
        """When the engine began with each, in seconds from the start of the run."""
        return self._due_s + self.queueing_s

    @property
    def written_s(self) -> Floats:
        """When the last token of each was computed, in seconds from the start of the run."""
        return self._due_s + self.last_token_s

    @property
    def done_s(self) -> Floats:
        """When its client had each, in seconds from the start of the run."""
        return self._due_s + self.latency_s

    @property
    def tokens_per_s(self) -> float:
        """New tokens of all good answers, from the first request to the last answer."""
        return float(self.new_tokens.sum() / self.load.duration_s)

    @property
    def saturated_tokens_per_s(self) -> float:
        """While somebody waited: up to when the engine began with the last request.

        The end of a closed loop, when more and more places stay empty, is left out. A request's
        tokens are taken to come evenly.
        """
        until_s = float(self.begun_s.max())
        written = (until_s - self.begun_s) / (self.written_s - self.begun_s)
        return float(np.sum(self.new_tokens * np.clip(written, 0, 1)) / until_s)

    @property
    def time_per_token_s(self) -> Floats:
        """Between a request's tokens, on average; of answers of more than one token."""
        several = self.new_tokens > 1
        decoding_s = (self.latency_s - self.first_token_s)[several]
        return decoding_s / (self.new_tokens[several] - 1)

    @property
    def _due_s(self) -> Floats:
        assert self.load.begun_s is not None
        return self.load.begun_s


def when_due(
    service: Reached,
    shape: Decoder,
    arrivals: Arrivals,
    lengths: Lengths,
    timeout_s: float = TIMEOUT_S,
    **fields: Sequence[Any] | Any,
) -> Served:
    """An open loop: each request is sent when it is due.

    fields: more of the request's own (`priority`, `deadline_s`), one for all or one each. Raises
    LabError where there are not as many lengths as arrivals.
    """
    if lengths.new_tokens.size != arrivals.due_s.size:
        raise LabError(
            f"{arrivals.due_s.size} arrivals and {lengths.new_tokens.size} lengths were given; "
            "expected as many of both."
        )
    answers: Answers = []
    sender = post(f"{service.url}/generate", timeout_s=timeout_s, answers=answers)
    load = open_loop(sender, bodies(shape, lengths, fields), arrivals)
    return _served(load, answers, lengths)


def in_turn(
    service: Reached,
    shape: Decoder,
    lengths: Lengths,
    connections: int,
    timeout_s: float = TIMEOUT_S,
) -> Served:
    """A closed loop: so many clients, each of which asks again when it has its answer."""
    answers: Answers = []
    sender: Sender = post(f"{service.url}/generate", timeout_s=timeout_s, answers=answers)
    requests = lengths.new_tokens.size
    load = closed_loop(
        sender, bodies(shape, lengths, {}), connections=connections, requests=requests
    )
    return _served(load, answers, lengths)


def streamed(service: Reached, shape: Decoder, prompt_tokens: int, new_tokens: int) -> Floats:
    """When each token of one answer came, in seconds from asking, as its reader sees them.

    Raises LabError, in the service's words, where it is refused.
    """
    (body,) = bodies(shape, Lengths.of([prompt_tokens], [new_tokens]), {"stream": True})
    start_s, came_s = time.monotonic(), []
    url = f"{service.url}/generate"
    with httpx.stream("POST", url, content=body, timeout=TIMEOUT_S, trust_env=False) as answer:
        for line in answer.iter_lines():
            said = json.loads(line)
            if "error" in said:
                raise LabError(said["error"])
            if "token" in said:
                came_s.append(time.monotonic() - start_s)
    return np.asarray(came_s)


def streamed_beside(
    service: Reached, shape: Decoder, new_tokens: int, others: Lengths, every_s: float
) -> tuple[Floats, list[float]]:
    """As `streamed`, after a short prompt, while another request comes every so many seconds.

    Also gives when each of the others came, in seconds from asking.
    """
    came_s = []
    with ThreadPoolExecutor() as pool:
        start_s = time.monotonic()
        reading = pool.submit(streamed, service, shape, SHORT_PROMPT, new_tokens)
        for body in bodies(shape, others, {}):
            time.sleep(every_s)
            came_s.append(time.monotonic() - start_s)
            pool.submit(
                httpx.post,
                f"{service.url}/generate",
                content=body,
                timeout=TIMEOUT_S,
                trust_env=False,
            )
        return reading.result(), came_s


def bodies(shape: Decoder, lengths: Lengths, fields: Mapping[str, Any]) -> list[bytes]:
    """The requests as they are sent; fields as for `when_due`."""
    count = lengths.new_tokens.size
    more = {name: np.broadcast_to(value, count).tolist() for name, value in fields.items()}
    return [
        json.dumps(
            {
                "prompt": prompt(shape, int(lengths.prompt_tokens[i]), seed=i),
                "new_tokens": int(lengths.new_tokens[i]),
            }
            | {name: values[i] for name, values in more.items()}
        ).encode()
        for i in range(count)
    ]


def _served(load: LoadResult, answers: Answers, lengths: Lengths) -> Served:
    number = np.array([i for i, answer in enumerate(answers) if answer is not None], dtype=int)
    told = [json.loads(answer) for answer in answers if answer is not None]
    queueing_s, first_s, last_s, request_s = (
        np.array([one[name] for one in told], dtype=float)
        for name in ("queueing_s", "first_token_s", "last_token_s", "request_s")
    )
    assert load.latencies_s is not None
    # What the service does not see: lateness of the generator, and the way there and back.
    outside_s = load.latencies_s - request_s
    return Served(
        load,
        number,
        lengths.new_tokens[number],
        queueing_s + outside_s,
        first_s + outside_s,
        last_s + outside_s,
        load.latencies_s,
    )
