"""How much of a KV cache's memory holds tokens: one buffer for each answer, or pages.

    lengths = recorded("data/lengths/azure_llm_conversation.txt")
    buffers(lengths, longest=8192).share        # of what is set aside
    pages(lengths, block=32).share
    pages(lengths, block=32).users(40_000)      # at once, in a cache of so many tokens

A sequence holds its prompt and one token more in each step, until its last. A *buffer* is set aside
as a whole at its beginning, since nobody knows how long the answer will be; *pages* (blocks of a
fixed number of tokens) are taken when the last one is full (Kwon et al., PagedAttention, SOSP
2023). Sums are over steps, so they are what a look at any moment finds on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lab_utils.calculation import positive
from lab_utils.errors import LabError
from lab_utils.measure.load.lengths import Lengths


@dataclass(frozen=True)
class Occupancy:
    """Tokens, summed over the steps of all sequences: filled, and set aside. steps: how many."""

    filled: int
    reserved: int
    steps: int

    @property
    def share(self) -> float:
        """Of what is set aside, the part that holds a token."""
        return self.filled / self.reserved

    @property
    def reserved_per_user(self) -> float:
        """Tokens that a sequence has set aside, at any moment on average."""
        return self.reserved / self.steps

    def users(self, cache_tokens: float) -> float:
        """How many sequences a cache of so many tokens holds at once, on average."""
        positive(cache_tokens=cache_tokens)
        return cache_tokens / self.reserved_per_user


def buffers(lengths: Lengths, longest: int | None = None) -> Occupancy:
    """One contiguous buffer for each; default as long as its own prompt and answer will get.

    longest: tokens of every buffer. (The default needs an oracle: the answer's length is known only
    at its end.) Raises LabError where a sequence does not fit.
    """
    whole = lengths.prompt_tokens + lengths.new_tokens
    if longest is not None and longest < whole.max():
        raise LabError(
            f"Buffers of {longest} tokens were asked for, and a sequence has {whole.max()}; "
            f"expected at least that."
        )
    each = whole if longest is None else np.full_like(whole, longest)
    return _occupancy(lengths, int((each * lengths.new_tokens).sum()))


def pages(lengths: Lengths, block: int) -> Occupancy:
    """Blocks of `block` tokens, taken when they are needed."""
    positive(block=block)
    reserved = sum(
        int(-(-np.arange(prompt + 1, prompt + new + 1) // block).sum()) * block  # rounded up
        for prompt, new in zip(lengths.prompt_tokens, lengths.new_tokens, strict=True)
    )
    return _occupancy(lengths, reserved)


def _occupancy(lengths: Lengths, reserved: int) -> Occupancy:
    prompts, news = lengths.prompt_tokens, lengths.new_tokens
    filled = int((prompts * news + news * (news + 1) // 2).sum())
    return Occupancy(filled, reserved, int(news.sum()))
