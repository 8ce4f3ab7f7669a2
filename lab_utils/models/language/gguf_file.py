"""A decoder in one file, as llama.cpp and OpenVINO GenAI read it (GGUF), at 16, 8 or 4 bits.

    write_seeded(Path("7b-q4_0.gguf"), LLAMA_2_7B, "q4_0")     # 3.8 GB, tensor by tensor
    write_model(Path("own-q8_0.gguf"), load(), "q8_0")         # the course's own model

A seeded file has the true shapes, so it is as large and as slow as the real model, and its words
mean nothing. Its quantised weights are drawn as they lie in the file; the full-precision model
never exists. Blocks of 32 weights share a 16-bit scale: 4.5 and 8.5 bits a weight.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
from numpy.typing import NDArray
from tokenizers import pre_tokenizers

from lab_utils.errors import LabError
from lab_utils.models.decoder import Decoder
from lab_utils.models.language.small import LanguageModel

Kind = Literal["f16", "q8_0", "q4_0"]
Array = NDArray[Any]
Watch = Callable[[Sequence[str]], Iterable[str]]
BLOCK = 32
"""Weights that share a scale."""
ROPE_BASE, NORM_EPSILON = 10_000.0, 1e-6
KINDS: dict[str, tuple[gguf.GGMLQuantizationType, gguf.LlamaFileType]] = {
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (gguf.GGMLQuantizationType.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
}
"""How matrices are kept; vectors are kept in 32 bits."""


@dataclass(frozen=True)
class Tokens:
    """The vocabulary: texts in byte-level BPE's alphabet, merges as "left right"."""

    texts: Sequence[str]
    merges: Sequence[str]
    begin: int
    end: int


def bits_of(kind: Kind) -> float:
    """Bits a weight of a matrix, its part of the block's scale included."""
    weights, size = gguf.GGML_QUANT_SIZES[KINDS[kind][0]]
    return float(8 * size / weights)


def write_seeded(
    path: Path,
    shape: Decoder,
    kind: Kind,
    seed: int = 0,
    context: int = 4096,
    watch: Watch = lambda names: names,
) -> None:
    """A model of a shape with random weights of the usual size, so that its numbers stay finite."""
    chance = np.random.default_rng(seed)

    def drawn(name: str) -> Array:
        rows, columns = _shapes(shape)[name]
        if rows == 1:
            return np.ones(columns, np.float32)
        return _random_matrix(chance, rows, columns, kind)

    _write(path, shape, context, kind, stand_in_tokens(shape.vocabulary), drawn, watch)


def write_model(path: Path, model: LanguageModel, kind: Kind) -> None:
    """A model of Llama's kind that is in memory, rounded to the nearest."""
    config = model.network.config
    shape = shape_of(model)
    state = {name: tensor.float().numpy() for name, tensor in model.network.state_dict().items()}

    def rounded(name: str) -> Array:
        array = state[_HUGGING_FACE.get(name) or _layer_name(name)]
        if name.endswith(("attn_q.weight", "attn_k.weight")):
            heads = shape.heads if "attn_q" in name else shape.cached_heads
            array = _interleaved(array, heads)
        if array.ndim == 1:
            return np.asarray(array, np.float32)
        return np.asarray(gguf.quants.quantize(array, KINDS[kind][0]))

    tokens = _tokens_of(model)
    _write(path, shape, config.max_position_embeddings, kind, tokens, rounded, lambda names: names)


def shape_of(model: LanguageModel) -> Decoder:
    """The shape of a model of Llama's kind."""
    config = model.network.config
    if config.model_type != "llama":
        raise LabError(f"The model is of the kind {config.model_type!r}; expected 'llama'.")
    return Decoder(
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        heads=config.num_attention_heads,
        cached_heads=config.num_key_value_heads,
        head_width=config.head_dim,
        inner=config.intermediate_size,
        vocabulary=config.vocab_size,
        tied=config.tie_word_embeddings,
    )


# ---- tensors -------------------------------------------------------------------------------------

_HUGGING_FACE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_IN_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def _layer_name(name: str) -> str:
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{_IN_LAYER[part]}.weight"


def _shapes(shape: Decoder) -> dict[str, tuple[int, int]]:
    """Rows and columns of every tensor, in the order of the file; a vector has one row."""
    asked, cached = shape.heads * shape.head_width, shape.cached_heads * shape.head_width
    in_layer = {
        "attn_norm": (1, shape.width),
        "attn_q": (asked, shape.width),
        "attn_k": (cached, shape.width),
        "attn_v": (cached, shape.width),
        "attn_output": (shape.width, asked),
        "ffn_norm": (1, shape.width),
        "ffn_gate": (shape.inner, shape.width),
        "ffn_up": (shape.inner, shape.width),
        "ffn_down": (shape.width, shape.inner),
    }
    found = {"token_embd.weight": (shape.vocabulary, shape.width)}
    for layer in range(shape.layers):
        found |= {f"blk.{layer}.{part}.weight": size for part, size in in_layer.items()}
    found["output_norm.weight"] = (1, shape.width)
    if not shape.tied:
        found["output.weight"] = (shape.vocabulary, shape.width)
    return found


def _random_matrix(chance: np.random.Generator, rows: int, columns: int, kind: Kind) -> Array:
    """Weights with a deviation of 1/√columns, as they lie in the file."""
    deviation = columns**-0.5
    if kind == "f16":
        drawn: Array = deviation * chance.standard_normal((rows, columns), np.float32)
        return drawn.astype(np.float16)
    bytes_of_block = {"q4_0": BLOCK // 2, "q8_0": BLOCK}[kind]
    levels = {"q4_0": 16, "q8_0": 256}[kind]
    blocks = np.empty((rows, columns // BLOCK, 2 + bytes_of_block), np.uint8)
    blocks[..., 2:] = np.frombuffer(
        chance.bytes(rows * columns // BLOCK * bytes_of_block), np.uint8
    ).reshape(rows, columns // BLOCK, bytes_of_block)
    scale = np.array([deviation / (levels / 12**0.5)], np.float16)
    blocks[..., :2] = scale.view(np.uint8)
    return blocks.reshape(rows, -1)


def _interleaved(matrix: Array, heads: int) -> Array:
    """Rows in the file's order: rotary pairs lie side by side, not half a head apart."""
    rows, columns = matrix.shape
    halves = matrix.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows, columns)


# ---- vocabulary ----------------------------------------------------------------------------------


def _tokens_of(model: LanguageModel) -> Tokens:
    said = json.loads(model.tokenizer.backend_tokenizer.to_str())["model"]
    texts = sorted(said["vocab"], key=said["vocab"].__getitem__)
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in said["merges"]]
    return Tokens(texts, merges, model.tokenizer.bos_token_id, model.tokenizer.eos_token_id)


def stand_in_tokens(count: int) -> Tokens:
    """Every byte, one merge (readers want one), and names for the rest."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    texts = ["<begin>", "<end>", *alphabet, "th"]
    texts += [f"<{i}>" for i in range(len(texts), count)]
    return Tokens(texts[:count], ["t h"], 0, 1)


# ---- the file ------------------------------------------------------------------------------------


def _write(
    path: Path,
    shape: Decoder,
    context: int,
    kind: Kind,
    tokens: Tokens,
    tensor: Callable[[str], Array],
    watch: Watch,
) -> None:
    if kind not in KINDS:
        raise LabError(
            f"A file of kind {kind!r} was asked for; expected one of {', '.join(KINDS)}."
        )
    if shape.head_width * shape.heads != shape.width:
        raise LabError(
            f"{shape.heads} heads of {shape.head_width} are not {shape.width} wide; readers of "
            "this file expect that."
        )
    shapes = _shapes(shape)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(handle)
    writer = gguf.GGUFWriter(beside, "llama")
    try:
        _describe(writer, shape, context, KINDS[kind][1], tokens)
        for name, (rows, columns) in shapes.items():
            stored = gguf.GGMLQuantizationType.F32 if rows == 1 else KINDS[kind][0]
            weights, size = gguf.GGML_QUANT_SIZES[stored]
            row_bytes = columns // weights * size
            dtype = np.dtype({"F32": np.float32, "F16": np.float16}.get(stored.name, np.uint8))
            in_row = row_bytes // dtype.itemsize
            in_file = (in_row,) if rows == 1 else (rows, in_row)
            writer.add_tensor_info(name, in_file, dtype, rows * row_bytes, stored)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name in watch(list(shapes)):
            writer.write_tensor_data(tensor(name))
        writer.close()
        os.replace(beside, path)
    finally:
        Path(beside).unlink(missing_ok=True)


def _describe(
    writer: gguf.GGUFWriter,
    shape: Decoder,
    context: int,
    file_type: gguf.LlamaFileType,
    tokens: Tokens,
) -> None:
    writer.add_block_count(shape.layers)
    writer.add_context_length(context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.cached_heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_file_type(file_type)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(list(tokens.texts))
    writer.add_token_merges(list(tokens.merges))
    control = {tokens.begin, tokens.end}
    writer.add_token_types(
        [
            gguf.TokenType.CONTROL if i in control else gguf.TokenType.NORMAL
            for i in range(len(tokens.texts))
        ]
    )
    writer.add_bos_token_id(tokens.begin)
    writer.add_eos_token_id(tokens.end)
