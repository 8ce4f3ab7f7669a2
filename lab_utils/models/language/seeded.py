"""Models of true shapes with seeded weights, written once and kept.

    path = seeded(SMALL, "q4_0", watch=watching("Tensors"))
    folder = seeded_folder(LIGHT)                # in Hugging Face's form, for other converters

See `gguf_file`: as large and as slow as the real model; what they say means nothing.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock
from tokenizers import Tokenizer, models

from lab_utils.errors import LabError
from lab_utils.files import cache_folder, folder_beside
from lab_utils.models.decoder import Decoder
from lab_utils.models.language.gguf_file import Kind, Watch, bits_of, stand_in_tokens, write_seeded

VERSION = 1
"""Raised whenever the file's form changes, so that nothing older is used."""
CONTEXT = 4096


def seeded(shape: Decoder, kind: Kind, watch: Watch = lambda names: names) -> Path:
    """The file of a shape, found or written now (the 7B's takes half a minute at 4 bits).

    Raises LabError where the disk has no room for it.
    """
    path = _kept(shape, kind, ".gguf")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            room_for(path, shape.parameters * bits_of(kind) / 8)
            write_seeded(path, shape, kind, watch=watch)
    return path


def room_for(path: Path, size_bytes: float) -> None:
    """Raise LabError where the disk of a file or folder has no room for so many bytes more."""
    free = shutil.disk_usage(path.parent).free
    if size_bytes * 1.05 > free:
        raise LabError(
            f"{path.name} needs {size_bytes / 1e9:.1f} GB; {path.parent} has {free / 1e9:.1f} "
            "GB left. Free some, or set INFERENCE_LAB_CACHE to a folder on a larger disk."
        )


def seeded_folder(shape: Decoder) -> Path:
    """A model of a shape at 16 bits in Hugging Face's form, found or written now.

    The full-precision model stands in memory while it is written: 4 bytes a weight.
    """
    folder = _kept(shape, "folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            with folder_beside(folder) as beside:
                _write_folder(shape, beside)
    return folder


def _kept(shape: Decoder, form: str, suffix: str = "") -> Path:
    """Where a shape is kept in one of its forms."""
    digest = hashlib.sha256(repr((VERSION, shape)).encode()).hexdigest()[:12]
    return cache_folder() / "language" / f"{shape.parameters / 1e9:.1f}b-{form}-{digest}{suffix}"


def _write_folder(shape: Decoder, folder: Path) -> None:
    import torch  # seconds, which a GGUF file does not need
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    config = LlamaConfig(
        num_hidden_layers=shape.layers,
        hidden_size=shape.width,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.cached_heads,
        head_dim=shape.head_width,
        intermediate_size=shape.inner,
        vocab_size=shape.vocabulary,
        tie_word_embeddings=shape.tied,
        max_position_embeddings=CONTEXT,
        bos_token_id=0,
        eos_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        LlamaForCausalLM(config).half().save_pretrained(folder)
    texts = stand_in_tokens(shape.vocabulary).texts
    model = models.BPE({text: number for number, text in enumerate(texts)}, [("t", "h")])
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(model), bos_token=texts[0], eos_token=texts[1]
    ).save_pretrained(folder)


def prompt(shape: Decoder, length: int, seed: int = 0) -> Sequence[int]:
    """Any tokens will do: their number decides the time, not what they are."""
    chance = np.random.default_rng(seed)
    return [int(token) for token in chance.integers(2, shape.vocabulary, length)]
