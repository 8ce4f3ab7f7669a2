"""A payment in, exactly one recorded answer out: features, then the chain of tiers, then the log.

    scoring = Scoring(features, chain_of(tiers, rules, policy), log, policy)
    reply = await scoring.reply(payment)

A tier gets the features with the payment. Where some are missing, because the store is down, slow
or cold, the models are not asked: what they would make of a gap is anybody's guess. The rules need
the payment alone, and the reply says that it is degraded, and why.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lab_utils.features.awaited import AwaitedFeatures
from lab_utils.features.online import Served
from lab_utils.features.payment import Payment
from lab_utils.models.fraud.feature_names import AT_HAND, is_night, is_weekend
from lab_utils.models.fraud.rules import RuleEngine
from lab_utils.resilience.breaker import breaker
from lab_utils.resilience.bulkhead import Bulkhead
from lab_utils.resilience.chain import Answer, Chain, Tier
from lab_utils.resilience.deadline import Deadline
from lab_utils.serve.fraud.audit import AuditLog
from lab_utils.serve.fraud.audit_file import Entry
from lab_utils.serve.fraud.live_model import LiveModel, is_probability
from lab_utils.serve.fraud.policy import Policy
from lab_utils.serve.fraud.request import CONFLICT, Refused

RULES = "rules"
"""The last tier's name, and what its answers call their model."""
LATE = "The feature store has not answered in time."
SHED = "Too many payments wait for the feature store."


@dataclass(frozen=True, slots=True)
class Known:
    """A payment with what the store told of it."""

    payment: Payment
    served: Served


@dataclass(frozen=True, slots=True)
class Scored:
    """A probability of fraud, and the version of the model that it is from."""

    probability: float
    model: str


Chained = Chain[Known, Scored]


def model_tier(
    name: str, model: LiveModel, policy: Policy, *, most_inside: int = 64
) -> Tier[Known, Scored]:
    """A model as a tier. A score that is no probability counts as a failure."""

    async def ask(known: Known) -> Scored:
        found, version = await model.score(known.served.values[np.newaxis])
        return Scored(float(np.asarray(found).ravel()[0]), version)

    return Tier(
        name,
        ask,
        budget_s=policy.model_s,
        breaker=breaker(name, calls=20, open_s=0.5),
        bulkhead=Bulkhead(most_inside),
        accept=lambda scored: is_probability(scored.probability),
        in_place=lambda: model.in_place,
    )


def chain_of(
    tiers: list[Tier[Known, Scored]], rules: RuleEngine, policy: Policy, *, most_inside: int = 512
) -> Chained:
    """The tiers and, last, the rules, within what the features leave of the deadline."""

    def last(known: Known) -> Scored:
        payment = known.payment
        values = payment.amount, is_weekend(payment.time_s), is_night(payment.time_s)
        found = rules.score(dict(zip(AT_HAND, map(float, values), strict=True)))
        return Scored(found, RULES)

    left_s = policy.deadline_s - policy.features_s
    return Chain(tiers, last=last, last_name=RULES, deadline_s=left_s, most_inside=most_inside)


class Scoring:
    """What answers payments."""

    def __init__(
        self, features: AwaitedFeatures, chain: Chained, log: AuditLog, policy: Policy
    ) -> None:
        self.features, self.chain, self.log = features, chain, log
        self.policy = policy
        self._looking_up = Bulkhead(features.places)

    async def reply(self, payment: Payment) -> dict[str, Any]:
        """The payment's one answer, on disk already.

        Raises Refused (409) where this transaction_id was answered before for another payment, and
        AuditError where the answer could not be recorded.
        """
        deadline = Deadline.after(self.policy.deadline_s)
        served = await self._served(payment)
        answer = await self._answer(Known(payment, served), deadline)
        entry = self._entry(payment, served, answer)
        kept = await self.log.record(entry)
        if kept.asked != entry.asked:
            raise Refused(
                CONFLICT,
                "conflict",
                f"transaction_id {payment.transaction_id} was answered before, for another "
                "payment; expected a new number.",
            )
        said: dict[str, Any] = json.loads(kept.answered)
        return said | {"repeated": kept is not entry}

    async def _answer(self, known: Known, deadline: Deadline) -> Answer[Scored]:
        """Of the chain; of its last tier alone where features are missing: no model is to blame."""
        if not known.served.missing:
            return await self.chain.answer(known, deadline)
        left_s = deadline.left_s
        value = self.chain.last(known)
        reasons = (("features", known.served.why),)
        return Answer(value, self.chain.last_name, True, reasons, left_s - deadline.left_s)

    def _entry(self, payment: Payment, served: Served, answer: Answer[Scored]) -> Entry:
        degraded, probability = answer.degraded, answer.value.probability
        said = {
            "transaction_id": payment.transaction_id,
            "fraud": probability,
            "decision": self.policy.decision(probability, payment.amount, degraded),
            "tier": answer.tier,
            "degraded": degraded,
            "reason": f"{answer.reason} ({served.told})" if served.told else answer.reason,
            "model": answer.value.model,
        }
        return Entry(payment.transaction_id, json.dumps(asdict(payment)), json.dumps(said))

    async def _served(self, payment: Payment) -> Served:
        """What the store tells within its part of the deadline.

        Who has stopped waiting keeps the place until the store has answered after all. With none
        left the payment is shed: it gets the rules' answer now, and not a better one too late.
        """
        if not self._looking_up.enter():
            return self.features.without(payment, "slow", SHED, None)
        work = self.features.begin(payment)
        work.add_done_callback(self._left)
        done, _ = await asyncio.wait({work}, timeout=self.policy.features_s)
        return work.result() if done else self.features.without(payment, "slow", LATE, None)

    def _left(self, work: asyncio.Future[Served]) -> None:
        self._looking_up.leave()
        if not work.cancelled():
            work.exception()  # it was for a payment that has been answered
