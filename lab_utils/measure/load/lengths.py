"""How long prompts and answers are: tokens of each request, recorded.

    lengths = recorded(ROOT / "data/lengths/azure_llm_conversation.txt")
    lengths.prompt_tokens, lengths.new_tokens

The file beside it in `data/arrivals`, of the same name, says when the same requests came.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.errors import LabError
from lab_utils.measure.load.recording import lines_of


@dataclass(frozen=True)
class Lengths:
    """Tokens of each request's prompt and of its answer, at least 1 each."""

    prompt_tokens: NDArray[np.int_]
    new_tokens: NDArray[np.int_]

    @classmethod
    def of(cls, prompt_tokens: ArrayLike, new_tokens: ArrayLike) -> Lengths:
        """Checked, from lists or arrays of the same size."""
        prompts, news = (np.asarray(t, dtype=int).ravel() for t in (prompt_tokens, new_tokens))
        if prompts.size != news.size or not prompts.size or min(prompts.min(), news.min()) < 1:
            raise LabError(
                f"{prompts.size} prompts and {news.size} answers were given; expected as many of "
                "both, at least one, each of at least 1 token."
            )
        return cls(prompts, news)

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt with its answer."""
        return int((self.prompt_tokens + self.new_tokens).max())


def recorded(path: str | Path) -> Lengths:
    """The lengths that a file holds: "prompt answer" a line; lines that begin with # are skipped.

    Raises LabError, naming the file and the line, where that is not two whole numbers above 0.
    """
    found: list[tuple[int, int]] = []
    for number, text in lines_of(path, "two numbers of tokens a line"):
        words = text.split()
        if len(words) != 2 or not all(word.isdecimal() and int(word) > 0 for word in words):
            raise LabError(
                f"{path}, line {number}, is {text[:40]!r}; expected two whole numbers "
                "above 0, tokens of a prompt and of its answer."
            )
        found.append((int(words[0]), int(words[1])))
    if not found:
        raise LabError(f"{path} holds no lengths; expected two numbers of tokens a line.")
    prompts, news = zip(*found, strict=True)
    return Lengths.of(prompts, news)
