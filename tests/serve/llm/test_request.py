"""What may be asked of the language-model service, and the sentence for all else."""

import json
from typing import Any

import pytest

from lab_utils.serve.llm.request import LONGEST_BODY, Asked, Limits, Refused, parse

LIMITS = Limits(context=64, vocabulary=512)


def body(**fields: Any) -> bytes:
    return json.dumps({"prompt": [1, 2, 3], "new_tokens": 4} | fields).encode()


def test_what_is_left_out_has_a_default() -> None:
    assert parse(body(), LIMITS) == Asked([1, 2, 3], 4, 0, None, False)
    full = body(priority=1, deadline_s=2, stream=True)
    assert parse(full, LIMITS) == Asked([1, 2, 3], 4, 1, 2, True)


def test_a_text_becomes_tokens_where_there_is_a_tokenizer() -> None:
    assert parse(body(prompt="abc"), LIMITS, lambda text: list(text.encode())).prompt == [
        97,
        98,
        99,
    ]
    with pytest.raises(Refused, match="prompt has 600 at place 0"):
        parse(body(prompt="a"), LIMITS, lambda text: [600])
    with pytest.raises(Refused, match="prompt is empty"):
        parse(body(prompt=""), LIMITS, lambda text: [])


def test_a_prompt_with_its_answer_may_fill_the_context() -> None:
    assert parse(body(prompt=[511] * 63, new_tokens=1), LIMITS).new_tokens == 1


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", r"not UTF-8 \(byte 0\)"),
        (b"{'prompt': 1}", r"not JSON \(.*, character 1\)"),
        (b"[" * 100_000, "not JSON that this service reads"),
        (b'{"prompt": [1], "new_tokens": ' + b"9" * 5000 + b"}", "not JSON that"),
        (b'{"prompt": [1], "new_tokens": NaN}', "not JSON that"),
        (b"[1, 2]", r"The body is \[1, 2\]; expected an object"),
        (b"{}", "prompt is null; expected a list of token ids or a text"),
        (body(max_tokens=3), 'no field "max_tokens"; expected prompt, new_tokens'),
        (body(prompt=[]), "prompt is empty"),
        (body(prompt=5), "prompt is 5"),
        (body(prompt={"a": 1}), "prompt is {"),
        (body(prompt="words"), "no tokenizer was given here"),
        (body(prompt=[1] * 64), "prompt has 64 tokens; the model's context holds 64"),
        (body(prompt=[1] * 61), "61 tokens and 4 new ones .* holds 64 in all"),
        (body(prompt=[0, 512]), "prompt has 512 at place 1; expected token ids from 0 to 511"),
        (body(prompt=[-1]), "prompt has -1 at place 0"),
        (body(prompt=[1.5]), "prompt has 1.5 at place 0"),
        (body(prompt=[True]), "prompt has true at place 0"),
        (body(prompt=["a"]), 'prompt has "a" at place 0'),
        (body(prompt=[10**40]), "prompt has 1000.*… at place 0"),
        (body(new_tokens=0), "new_tokens is 0; expected a whole number of at least 1"),
        (body(new_tokens=-3), "new_tokens is -3"),
        (body(new_tokens="4"), 'new_tokens is "4"'),
        (body(new_tokens=True), "new_tokens is true"),
        (body(new_tokens=4.0), "new_tokens is 4.0"),
        (body(new_tokens=10**12), "and 1000000000000 new ones .* holds 64 in all"),
        (body(priority=2), "priority is 2; expected 0, or 1"),
        (body(priority=False), "priority is false"),
        (body(deadline_s=0), "deadline_s is 0; expected seconds above 0"),
        (body(deadline_s=-0.5), "deadline_s is -0.5"),
        (body(deadline_s="soon"), 'deadline_s is "soon"'),
        (body(deadline_s=True), "deadline_s is true"),
        (body(deadline_s=10**400), "deadline_s is 1000"),
        (body()[:-1] + b', "deadline_s": 1e999}', "deadline_s is Infinity"),
        (body(stream="yes"), 'stream is "yes"; expected true or false'),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_sentence(given: bytes, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence) as refusal:
        parse(given, LIMITS)
    assert (refusal.value.status, refusal.value.reason) == (400, "bad request")
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 200


def test_half_a_character_is_refused() -> None:
    given = b'{"prompt": "\\ud800", "new_tokens": 1}'
    with pytest.raises(Refused, match="half a character"):
        parse(given, LIMITS, lambda text: list(text.encode()))


def test_a_body_that_is_far_too_long_is_not_read() -> None:
    with pytest.raises(Refused, match=f"expected at most {LONGEST_BODY}") as refusal:
        parse(b"[" * (LONGEST_BODY + 1), LIMITS)
    assert refusal.value.status == 413
