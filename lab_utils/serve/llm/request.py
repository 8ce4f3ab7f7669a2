"""What a client may ask of the language-model service, checked before it costs a step.

    parse(b'{"prompt": [1, 2, 3], "new_tokens": 16}', Limits(context=4096, vocabulary=32_000))

`parse` names every field. Whatever is wrong is a `Refused`: the service says its sentence and goes
on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from lab_utils.errors import LabError

LONGEST_BODY = 2**20
"""Bytes: far more than a prompt that fits into any context here."""
LONGEST_DEADLINE_S = 24 * 3600.0
FIELDS = ("prompt", "new_tokens", "priority", "deadline_s", "stream")

Encode = Callable[[str], Sequence[int]]


class Refused(LabError):  # noqa: N818  it is the service's word for it
    """A request that is not answered, or not to its end.

    status: of HTTP. reason: the word under which it is counted. retry_after_s: when asking again
    is worth it, None where it never is.
    """

    def __init__(
        self, status: int, reason: str, sentence: str, retry_after_s: int | None = None
    ) -> None:
        super().__init__(sentence)
        self.status, self.reason, self.retry_after_s = status, reason, retry_after_s


@dataclass(frozen=True)
class Limits:
    """What the model can take: tokens of a prompt with its answer; size of the vocabulary."""

    context: int
    vocabulary: int


@dataclass(frozen=True)
class Asked:
    """A request that can be answered.

    priority: 1 goes before 0. deadline_s: from its arrival to the end of the answer; None waits
    for ever. stream: each token is sent when it is there.
    """

    prompt: Sequence[int]
    new_tokens: int
    priority: int = 0
    deadline_s: float | None = None
    stream: bool = False


def parse(body: bytes, limits: Limits, encode: Encode | None = None) -> Asked:
    """The request in a body of JSON. encode: a text's tokens, where the service has a tokenizer.

    Raises Refused, with status 413 for a body that is far too long and 400 for all else.
    """
    said = _object(body)
    unknown = sorted(set(said) - set(FIELDS))
    if unknown:
        raise _bad(f"There is no field {_short(unknown[0])}; expected {', '.join(FIELDS)}.")
    prompt = _prompt(said.get("prompt"), limits, encode)
    new_tokens = said.get("new_tokens")
    if not _whole(new_tokens) or new_tokens < 1:
        raise _bad(f"new_tokens is {_short(new_tokens)}; expected a whole number of at least 1.")
    if len(prompt) + new_tokens > limits.context:
        raise _bad(
            f"A prompt of {len(prompt)} tokens and {_short(new_tokens)} new ones were given; the "
            f"model's context holds {limits.context} in all. Ask for less."
        )
    priority, deadline_s = said.get("priority", 0), said.get("deadline_s")
    if not _whole(priority) or priority not in (0, 1):
        raise _bad(f"priority is {_short(priority)}; expected 0, or 1 to go first.")
    if deadline_s is not None and not (
        (_whole(deadline_s) or isinstance(deadline_s, float))
        and 0 < deadline_s <= LONGEST_DEADLINE_S
    ):
        raise _bad(
            f"deadline_s is {_short(deadline_s)}; expected seconds above 0, at most "
            f"{LONGEST_DEADLINE_S:.0f}."
        )
    stream = said.get("stream", False)
    if not isinstance(stream, bool):
        raise _bad(f"stream is {_short(stream)}; expected true or false.")
    return Asked(prompt, new_tokens, priority, deadline_s, stream)


def _object(body: bytes) -> dict[str, Any]:
    if len(body) > LONGEST_BODY:
        raise Refused(
            413,
            "bad request",
            f"The body has {len(body)} bytes; expected at most {LONGEST_BODY}.",
        )
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _bad(f"The body is not UTF-8 (byte {error.start}); send JSON in UTF-8.") from None
    try:
        said = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise _bad(f"The body is not JSON ({error.msg}, character {error.pos}).") from None
    except (ValueError, RecursionError):  # NaN, a number of thousands of digits, deep nesting
        raise _bad("The body is not JSON that this service reads; send plain values.") from None
    if not isinstance(said, dict):
        raise _bad(f"The body is {_short(said)}; expected an object with {', '.join(FIELDS)}.")
    return said


def _prompt(prompt: object, limits: Limits, encode: Encode | None) -> Sequence[int]:
    if isinstance(prompt, str):
        if encode is None:
            raise _bad("prompt is a text, and no tokenizer was given here; send token ids.")
        try:
            prompt.encode()
        except UnicodeEncodeError:
            raise _bad("prompt has half a character in it (a lone surrogate).") from None
        prompt = list(encode(prompt))
    if not isinstance(prompt, list):
        raise _bad(f"prompt is {_short(prompt)}; expected a list of token ids or a text.")
    if not prompt:
        raise _bad("prompt is empty; give at least one token.")
    # Before its tokens are looked at: a prompt that is too long has the other fault as well often.
    if len(prompt) >= limits.context:
        raise _bad(
            f"prompt has {len(prompt)} tokens; the model's context holds {limits.context}, the "
            "answer included. Shorten it."
        )
    for place, token in enumerate(prompt):
        if not _whole(token) or not 0 <= token < limits.vocabulary:
            raise _bad(
                f"prompt has {_short(token)} at place {place}; expected token ids from 0 to "
                f"{limits.vocabulary - 1}."
            )
    return prompt


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _bad(sentence: str) -> Refused:
    return Refused(400, "bad request", sentence)
