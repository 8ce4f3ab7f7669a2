"""Those who pay: they come by chance, wait 50 ms, and ask the other region before they give up.

    with Payers(Terms(urls, rate_rps=80, deadline_s=0.05, epoch_s=…), payments, folder) as payers:
        ...
        payers.paid             # one record each, in the order in which they ended

What a promise is kept or broken by is what they see. They are a process of their own, so that what
they measure is not what a notebook does meanwhile; at `payers.url` they say to Prometheus what they
have seen. What a gateway counts itself leaves out everybody who did not reach it.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, start_http_server

from lab_utils.components.process import Process
from lab_utils.features.payment import Payment
from lab_utils.measure.load.http import NotHttpError, Poster
from lab_utils.resilience.attempts import begin

MODULE = "lab_utils.serve.fraud.chaos.payers"
FIRST = 0.4
"""Of the deadline: how long the home region may take before the other is asked, too. No sooner than
nearly all have answered, the slow ones of a broken first tier among them: few are asked twice then,
and the other has the longer part (Dean and Barroso, The Tail at Scale, 2013)."""
LATE = "no answer in time"
BEGAN_LATE_S, SELF = 0.010, "the payer was late itself"
"""A payer that begins so late has lost that to its own machine, and says so if it gives up."""
OK, SERVER_ERROR = 200, 500


@dataclass(frozen=True)
class Terms:
    """regions: addresses; a customer's home is one of them. rate_rps: payments, on average.
    deadline_s: of each payer, from when it was due. epoch_s: when the payments' count began, Unix
    seconds. ask_elsewhere: after any refusal; without it a refusal that blames the payment (400 to
    499) is believed.
    """

    regions: Sequence[str]
    rate_rps: float
    deadline_s: float
    epoch_s: float
    ask_elsewhere: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Paid:
    """What became of one payment. due_s: when it came, Unix seconds. took_s: until its payer knew.

    answer: the gateway's, None where there was none by the deadline; cause: why.
    """

    number: int
    due_s: float
    took_s: float
    answer: dict[str, Any] | None
    cause: str

    @property
    def flagged(self) -> bool:
        """Whether it was declined or sent to review."""
        return self.answer is not None and self.answer["decision"] != "approve"

    @property
    def degraded(self) -> bool:
        """Whether another than the first tier answered."""
        return self.answer is not None and bool(self.answer["degraded"])


class Counts:
    """What the payers saw, for Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.asked, self.in_time, self.flagged, self.degraded = (
            Counter(f"payers_{name}", told, registry=self.registry)
            for name, told in (
                ("asked", "Payments that were answered, refused or given up"),
                ("in_time", "Payments answered within the deadline"),
                ("flagged", "Of these, declined or sent to review"),
                ("degraded", "Of these, answered by another than the first tier"),
            )
        )

    def add(self, paid: Paid) -> None:
        """Count a payment."""
        self.asked.inc()
        self.in_time.inc(paid.answer is not None)
        self.flagged.inc(paid.flagged)
        self.degraded.inc(paid.degraded)


class Payers(Process):
    """Payers from the block's beginning to its end.

    payments: played round and round, as if made now, each under a number of its own. folder: for
    what is told and kept. port: where Prometheus asks them; 0 is any free one.
    """

    def __init__(
        self, terms: Terms, payments: Sequence[Payment], folder: Path, *, port: int = 0
    ) -> None:
        self.terms = terms
        self._kept = folder / "paid.jsonl"
        told = folder / "payments.json"
        told.write_text(json.dumps([asdict(payment) for payment in payments]))
        command = [sys.executable, "-m", MODULE, json.dumps(asdict(terms))]
        super().__init__(
            "The payers",
            [*command, str(told), str(self._kept), str(port)],
            ready=lambda: bool(self.url),
        )

    @property
    def paid(self) -> list[Paid]:
        """All that have ended so far."""
        whole = self._kept.read_text().rpartition("\n")[0]  # the last line may be half written
        return [Paid(*json.loads(line)) for line in whole.splitlines()]

    def between(self, since_s: float, until_s: float) -> list[Paid]:
        """Those that were due then, in Unix seconds."""
        return [one for one in self.paid if since_s <= one.due_s < until_s]


async def pay(
    terms: Terms,
    payments: Sequence[Payment],
    keep: Callable[[Paid], None],
    ended: asyncio.Event,
) -> None:
    """Pay until it is ended; all that has come by then is kept when this returns."""
    now = asyncio.get_running_loop().time
    posters = [Poster(f"{url}/score") for url in terms.regions]
    chance = random.Random(terms.seed)
    unix_s = time.time() - now()
    due_s = now()
    paying: set[asyncio.Task[None]] = set()

    async def one(number: int, due_s: float) -> None:
        payment = payments[number % len(payments)]
        body = _body(number, payment, time.time() - terms.epoch_s)
        home = payment.customer % len(posters)
        order = (posters[home], posters[home - 1])
        begun_s = now()
        answer, cause = await _asked(order, body, due_s + terms.deadline_s, terms)
        if cause == LATE and begun_s - due_s > BEGAN_LATE_S:
            cause = SELF
        keep(Paid(number, due_s + unix_s, now() - due_s, answer, cause))

    for number in itertools.count():
        due_s += chance.expovariate(terms.rate_rps)
        await asyncio.sleep(max(0.0, due_s - now()))
        if ended.is_set():
            break
        task = asyncio.create_task(one(number, due_s))
        paying.add(task)
        task.add_done_callback(paying.discard)
    await asyncio.gather(*paying)
    for poster in posters:
        poster.close()


async def _asked(
    order: Sequence[Poster], body: bytes, until_s: float, terms: Terms
) -> tuple[dict[str, Any] | None, str]:
    """The first good answer by `until_s`, of the loop's clock; or None and why there is none.

    The next region is asked as soon as one refuses, or has taken `FIRST` of the deadline; then both
    may still answer.
    """
    now = asyncio.get_running_loop().time
    waiting: set[asyncio.Task[tuple[int, bytes]]] = set()
    next_s, cause = now(), LATE
    rest = list(order)
    try:
        while (left_s := until_s - now()) > 0:
            if rest and now() >= next_s:
                waiting.add(begin(partial(rest.pop(0).post, body)))
                next_s = now() + FIRST * terms.deadline_s
            if not waiting:
                return None, cause
            limit_s = min(left_s, max(next_s - now(), 0.0)) if rest else left_s
            done, waiting = await asyncio.wait(
                waiting, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                answer, cause, believed = _read(task, terms)
                if answer is not None or believed:
                    return answer, cause
                next_s = now()
        return None, LATE
    finally:
        for task in waiting:
            task.cancel()


def _read(
    task: asyncio.Task[tuple[int, bytes]], terms: Terms
) -> tuple[dict[str, Any] | None, str, bool]:
    """An answer; or None, why, and whether nobody else is asked after that."""
    try:
        status, said = task.result()
    except (OSError, EOFError, NotHttpError):
        return None, "no connection", False
    if status == OK:
        return json.loads(said), "", False
    return None, f"status {status}", status < SERVER_ERROR and not terms.ask_elsewhere


def _body(number: int, payment: Payment, now_s: float) -> bytes:
    """The payment as if it were made now, on the payments' count."""
    return json.dumps(asdict(payment) | {"transaction_id": number, "time_s": now_s}).encode()


async def _main(terms: Terms, payments: Sequence[Payment], kept: Path, port: int) -> None:
    counts, ended = Counts(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    server, _ = start_http_server(port, addr="127.0.0.1", registry=counts.registry)
    with kept.open("w", buffering=1) as file:  # line by line

        def keep(paid: Paid) -> None:
            counts.add(paid)
            row = [paid.number, paid.due_s, paid.took_s, paid.answer, paid.cause]
            file.write(json.dumps(row) + "\n")

        gc.freeze()  # a full collection takes longer than a payer may begin late
        print(f"Paying; counted at http://127.0.0.1:{server.server_port}/", flush=True)
        await pay(terms, payments, keep, ended)


if __name__ == "__main__":
    asyncio.run(
        _main(
            Terms(**json.loads(sys.argv[1])),
            [Payment(**one) for one in json.loads(Path(sys.argv[2]).read_text())],
            Path(sys.argv[3]),
            int(sys.argv[4]),
        )
    )
