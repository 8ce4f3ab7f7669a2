"""Load a language model: the course's own, or one of the hub by its name.

    model = load()                              # 4 million weights that read English
    model.text(model.generate("The statement", new_tokens=20))
    model.perplexity()                          # on text that it was not trained on
    load("Qwen/Qwen3-0.6B")                     # where the hub answers

Four million weights cannot converse. They know which token may follow, so that what a conversion
or a quantisation does to a model can be seen in its answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.models.language.folder import HELD_OUT, LEARNED, ORIGIN, own_folder
from lab_utils.models.language.perplexity import Ids, Logits, perplexity, windows

WINDOW = 256


@dataclass(frozen=True)
class LanguageModel:
    """A decoder with its tokenizer.

    network, tokenizer: transformers' own. source: where the weights came from, as a lesson prints
    it. folder: its files in Hugging Face's form, None where the hub's own cache holds them.
    """

    network: Any
    tokenizer: Any
    source: str
    folder: Path | None = None

    def ids(self, text: str) -> list[int]:
        """The tokens of a text."""
        found: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        return found

    def text(self, ids: Sequence[int]) -> str:
        """The text of tokens."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def logits(self, ids: Ids) -> Logits:
        """For the token after each place: (texts, length, vocabulary) from (texts, length)."""
        with torch.inference_mode():
            found: Logits = self.network(input_ids=torch.from_numpy(ids)).logits.float().numpy()
        return found

    def generate(self, prompt: str, new_tokens: int) -> list[int]:
        """The tokens that the model finds likeliest after the prompt, one by one (greedy)."""
        ids = self.ids(prompt)
        if not ids or new_tokens < 1:
            raise LabError(
                f"The prompt has {len(ids)} tokens and {new_tokens} new ones were asked for; "
                "expected at least one of each."
            )
        asked = torch.tensor([ids])
        with torch.inference_mode():
            given = self.network.generate(
                asked,
                attention_mask=torch.ones_like(asked),
                max_new_tokens=new_tokens,
                do_sample=False,
                pad_token_id=self.tokenizer.eos_token_id,
            )
        return [int(token) for token in given[0, len(ids) :]]

    def perplexity(self, text: str | None = None) -> Interval:
        """On a text, default the one that was held out of the course's own model's training."""
        return perplexity(self.logits, windows(self.ids(text or held_out()), WINDOW))


def held_out() -> str:
    """Text that the course's own model was not trained on."""
    return (own_folder() / HELD_OUT).read_text(encoding="utf-8")


def learned() -> list[str]:
    """Stretches of text that it was trained on, from everywhere; 32 of 2,048 characters.

    Raises LabError where they are missing.
    """
    try:
        found: list[str] = json.loads((own_folder() / LEARNED).read_text(encoding="utf-8"))
    except OSError:
        raise LabError(
            f"{own_folder()} holds no {LEARNED}. Get it back from the course, or train another "
            "model: .venv/bin/python -m lab_utils.models.language.train"
        ) from None
    return found


def origin() -> dict[str, Any]:
    """How, when and on what the course's own model was made."""
    found: dict[str, Any] = json.loads((own_folder() / ORIGIN).read_text())
    return found


@cache
def load(name: str | None = None) -> LanguageModel:
    """The model in 32 bits, ready to answer; by default the course's own.

    name: of a model of the hub, as "Qwen/Qwen3-0.6B". Raises LabError where it cannot be had.
    """
    logging.disable_progress_bar()
    if name is None and not (own_folder() / ORIGIN).exists():
        raise LabError(
            f"The course's own language model is missing from {own_folder()}. Get that folder back "
            "from the course, or train another: .venv/bin/python -m lab_utils.models.language.train"
        )
    place = str(own_folder()) if name is None else name
    try:
        tokenizer = AutoTokenizer.from_pretrained(place)
        network = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()
    except (OSError, ValueError) as error:
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise LabError(
            f"The language model {place} could not be loaded{offline}: {cause[:200]} "
            "Check its name and your connection, or use the course's own: load()."
        ) from None
    if name is None:
        made = origin()
        source = (
            f"the course's own, {made['parameters'] / 1e6:.1f} million weights, trained on "
            f"{made['trained_on_tokens']:,} tokens of Python's documentation"
        )
        return LanguageModel(network, tokenizer, source, own_folder())
    return LanguageModel(network, tokenizer, f"{name}, from the hub")
