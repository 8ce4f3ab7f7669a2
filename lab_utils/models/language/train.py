"""Train the course's small language model, once; it is then kept on this machine.

    .venv/bin/python -m lab_utils.models.language.train

Seeded: the same Python and the same torch on the same kind of machine give the same model. About a
second a step on two busy cores, less on quiet ones; it says how long it will take. The weights are
kept in 16 bits: eight megabytes.
"""

from __future__ import annotations

import argparse
import datetime
import math
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lab_utils.files import write_json, write_text
from lab_utils.machine.facts import facts, versions
from lab_utils.models.language.corpus import documents, split
from lab_utils.models.language.folder import HELD_OUT, LEARNED, ORIGIN, trained_folder
from lab_utils.models.language.perplexity import perplexity, windows

BEGIN, END = "<|begin|>", "<|end|>"
VOCABULARY, CONTEXT = 2048, 512
WIDTH, LAYERS, HEADS, CACHED_HEADS, INNER = 256, 5, 8, 4, 640
SEQUENCE, BATCH = 256, 4
RATE, WARM_UP, DECAY, CLIP = 2e-3, 50, 0.1, 1.0
STEPS = 2400
HELD_OUT_CHARACTERS = 60_000
STRETCHES, STRETCH_CHARACTERS = 32, 2048
"""Kept of what was learned; a window of 256 tokens has half as many characters, about."""
TEXT = (
    "Python Language Reference (pydoc_data.topics) and docstrings of the standard library, "
    "© Python Software Foundation, PSF licence"
)


def tokenizer_of(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE, as GPT-2's: every text has tokens, and decoding gives it back."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, model_max_length=CONTEXT
    )


def network_of(tokenizer: PreTrainedTokenizerFast) -> Any:
    """An untrained decoder of Llama's kind with grouped heads."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=INNER,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_key_value_heads=CACHED_HEADS,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def stream(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """All documents one after the other, each between BEGIN and END."""
    ids: list[int] = []
    for text in texts:
        # The model's context bounds what is asked of it, not what it is cut from.
        own = tokenizer.backend_tokenizer.encode(text).ids
        ids += [tokenizer.bos_token_id, *own, tokenizer.eos_token_id]
    return torch.tensor(ids)


def stretches(learned: Sequence[str]) -> list[str]:
    """Pieces of equal length from all over the documents."""
    text = "\n\n".join(learned)
    starts = range(0, len(text), len(text) // STRETCHES)[:STRETCHES]
    return [text[start : start + STRETCH_CHARACTERS] for start in starts]


def train(network: Any, ids: torch.Tensor, steps: int, seed: int) -> list[float]:
    """Fit in place; gives the loss of each step. 16-bit arithmetic where it is faster."""
    network.train()
    chance = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, (0.9, 0.95), weight_decay=DECAY)
    narrow = "AVX512-BF16" in facts().instruction_sets
    losses = []
    started_s = time.monotonic()
    for step in range(steps):
        progress = step / steps
        rate = (
            RATE
            * min(1, (step + 1) / WARM_UP)
            * (0.05 + 0.95 * (1 + math.cos(math.pi * progress)) / 2)
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        starts = torch.randint(len(ids) - SEQUENCE, (BATCH,), generator=chance)
        batch = torch.stack([ids[start : start + SEQUENCE] for start in starts.tolist()])
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            loss = network(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        losses.append(float(loss.detach()))
        if step % 50 == 49:
            left_s = (time.monotonic() - started_s) / (step + 1) * (steps - step - 1)
            print(
                f"step {step + 1} of {steps}: loss {losses[-1]:.3f}, {left_s:.0f} s left",
                flush=True,
            )
    network.eval()
    return losses


def make(folder: Path, texts: Sequence[str], steps: int, seed: int) -> dict[str, Any]:
    """Train on documents, judge on those that were held out, keep; gives the model's origin."""
    torch.manual_seed(seed)
    learned, held_out = split(list(texts))
    tokenizer = tokenizer_of(learned)
    network = network_of(tokenizer)
    ids = stream(learned, tokenizer)
    started_s = time.monotonic()
    losses = train(network, ids, steps, seed)
    duration_s = time.monotonic() - started_s
    judged = "\n\n".join(held_out)[:HELD_OUT_CHARACTERS]
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    network.to(torch.float16).save_pretrained(folder)
    write_text(folder / HELD_OUT, judged)
    write_json(folder / LEARNED, stretches(learned))
    network.float()  # what is judged is what was kept
    kept = windows(tokenizer.backend_tokenizer.encode(judged).ids, SEQUENCE)
    with torch.inference_mode():
        found = perplexity(lambda batch: network(torch.from_numpy(batch)).logits.numpy(), kept)
    origin: dict[str, Any] = {
        "made_by": "python -m lab_utils.models.language.train",
        "steps": steps,
        "seed": seed,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "trained_on_tokens": len(ids),
        "trained_on_documents": len(learned),
        "last_loss": round(sum(losses[-50:]) / len(losses[-50:]), 4),
        "held_out_perplexity": round(found.median, 3),
        "duration_s": round(duration_s),
        "python": platform.python_version(),
        "versions": versions(("torch", "transformers", "tokenizers")),
        "machine": facts().as_dict(),
        "date": datetime.date.today().isoformat(),
        "text": TEXT,
    }
    write_json(folder / ORIGIN, origin)  # last: only a whole model has one
    return origin


def main() -> None:
    """Train on all documents."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--into", type=Path, default=trained_folder())
    given = parser.parse_args()
    origin = make(given.into, documents(), given.steps, given.seed)
    print(f"perplexity on held-out text: {origin['held_out_perplexity']}; kept in {given.into}")


if __name__ == "__main__":
    main()
