"""What a client may ask of the gateway: a payment, checked before anything is done with it.

    parse(b'{"transaction_id": 7, "time_s": 90.0, "customer": 1, "terminal": 2, "amount": 9.5}')

Whatever is wrong is a `Refused` with a sentence. Fields that are not known are not read: a client
may send more than this version knows of.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from lab_utils.errors import LabError
from lab_utils.features.payment import Payment

LONGEST_BODY = 16 * 1024
"""Bytes; a payment takes a hundred."""
NUMBERS = {
    "transaction_id": int,
    "time_s": float,
    "customer": int,
    "terminal": int,
    "amount": float,
}
FORM = '{"transaction_id": 7, "time_s": 90.0, "customer": 1, "terminal": 2, "amount": 9.5}'
BAD, CONFLICT, TOO_LARGE, UNPROCESSABLE, UNRECORDED = 400, 409, 413, 422, 503


class Refused(LabError):  # noqa: N818  it is the service's word for it
    """A payment that gets no score. status: of HTTP. reason: under which it is counted."""

    def __init__(self, status: int, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.reason = status, reason


def parse(body: bytes) -> Payment:
    """The payment in a body, or Refused: 400 for no such form, 422 for numbers that cannot be."""
    not_too_long(body)
    try:
        asked = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(BAD, "malformed", f"The body is not JSON; expected {FORM}.") from None
    if not isinstance(asked, dict):
        raise Refused(BAD, "malformed", f"The body is no JSON object; expected {FORM}.")
    return checked(asked)


def checked(asked: Mapping[str, Any]) -> Payment:
    """The payment that these fields are, or Refused as `parse` does."""
    found = {name: _number(asked, name, kind) for name, kind in NUMBERS.items()}
    try:
        return Payment(**found)
    except LabError as error:
        raise Refused(UNPROCESSABLE, "impossible", str(error)) from None


def not_too_long(body: bytes) -> None:
    """Refused for a body that no payment needs."""
    if len(body) > LONGEST_BODY:
        raise Refused(
            TOO_LARGE,
            "too large",
            f"The body has {len(body)} bytes; at most {LONGEST_BODY} are read.",
        )


def not_ahead(payment: Payment, now_s: float, slack_s: float) -> None:
    """Refused for a payment from the future. now_s: on the payments' count. slack_s: of clocks."""
    ahead_s = payment.time_s - now_s
    if ahead_s > slack_s:
        raise Refused(
            UNPROCESSABLE,
            "future",
            f"The payment's time_s is {ahead_s:.3g} s ahead of this machine's clock; expected at "
            f"most {slack_s:g} s.",
        )


def _number(asked: Mapping[str, Any], name: str, kind: type) -> Any:
    if name not in asked:
        raise Refused(BAD, "malformed", f"The field {name} is missing; expected {FORM}.")
    value = asked[name]
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        given = "null" if value is None else f"a {type(value).__name__}"
        wanted = "a whole number" if kind is int else "a number"
        raise Refused(BAD, "malformed", f"The field {name} is {given}; expected {wanted}.")
    try:
        number = kind(value)
    except OverflowError:
        number = math.inf
    if kind is float and not math.isfinite(number):
        raise Refused(BAD, "malformed", f"The field {name} is not finite; expected a number.")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
