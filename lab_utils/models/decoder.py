"""The sizes of a language model: parameters, memory, and how long a token must take.

    LLAMA_2_7B.parameters                       # 6_738_415_616
    LLAMA_2_7B.cache_bytes_per_token()          # 524_288
    decode_s(LLAMA_2_7B.parameters, 2, 400e9)   # seconds a token, at least

A decoder reads all of its weights for each new token, so its size in bytes is its speed.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab_utils.calculation import Calculation, positive
from lab_utils.errors import LabError


@dataclass(frozen=True)
class Decoder:
    """The shape of a decoder of Llama's kind, in the words of its `config.json`.

    layers, width (`hidden_size`), heads, cached_heads (`num_key_value_heads`: fewer than heads
    where they are grouped), head_width, inner (`intermediate_size`), vocabulary, tied: whether one
    matrix serves as embedding and as output.
    """

    layers: int
    width: int
    heads: int
    cached_heads: int
    head_width: int
    inner: int
    vocabulary: int
    tied: bool = False

    @property
    def layer_parameters(self) -> int:
        """Of one layer: attention (Q, K, V, O), the gated network of three matrices, two norms."""
        attention = 2 * self.width * self.head_width * (self.heads + self.cached_heads)
        return attention + 3 * self.width * self.inner + 2 * self.width

    @property
    def parameters(self) -> int:
        """All of them."""
        embeddings = (1 if self.tied else 2) * self.vocabulary * self.width
        return self.layers * self.layer_parameters + embeddings + self.width

    @property
    def decode_parameters(self) -> int:
        """Those that a pass reads: of the embedding it needs one row a token, unless it is tied."""
        return self.parameters - (0 if self.tied else self.vocabulary * self.width)

    def cache_bytes_per_token(self, bytes_per_value: float = 2) -> float:
        """Keys and values that each token leaves in the KV cache, in all layers."""
        return kv_cache_bytes(self.layers, self.cached_heads, self.head_width, bytes_per_value, 1)


TINY = Decoder(12, 768, 12, 4, 64, 2048, 32_000)
"""0.1 billion parameters: hundreds of requests are answered within a lesson's time."""
SMALL = Decoder(24, 1536, 12, 4, 128, 4096, 32_000)
"""0.7 billion parameters: far beyond a processor's caches, and decoded within a lesson's time."""
LIGHT = Decoder(4, 1536, 12, 4, 128, 4096, 8_000)
"""A sixth of its layers, a quarter of its words: 0.1 billion, converted within seconds."""
LLAMA_2_7B = Decoder(32, 4096, 32, 32, 128, 11_008, 32_000)
"""Touvron et al., Llama 2, 2023; the shape from the model card's config.json."""
MISTRAL_7B = Decoder(32, 4096, 32, 8, 128, 14_336, 32_000)
"""Jiang et al., Mistral 7B, 2023, table 1: eight heads are cached for 32 that ask."""


def kv_cache_bytes(
    layers: float, cached_heads: float, head_width: float, bytes_per_value: float, tokens: float
) -> float:
    """Bytes of the KV cache: a key and a value for each token, layer and cached head.

    >>> kv_cache_bytes(layers=32, cached_heads=32, head_width=128, bytes_per_value=2, tokens=1)
    524288
    """
    positive(
        layers=layers, cached_heads=cached_heads, head_width=head_width,
        bytes_per_value=bytes_per_value, tokens=tokens,
    )  # fmt: skip
    return 2 * layers * cached_heads * head_width * bytes_per_value * tokens


def bits_per_weight(bits: float, group: float, scale_bits: float = 16) -> float:
    """Bits that a quantised weight takes, with its part of the scale of its group."""
    positive(bits=bits, group=group)
    if not scale_bits >= 0:
        raise LabError(f"scale_bits is {scale_bits:g}; expected 0 or more.")
    return bits + scale_bits / group


def quantised_speedup(from_bits: float, bits: float, group: float, scale_bits: float) -> float:
    """How many times as fast decoding gets, at most, where reading weights is all it does.

    >>> round(quantised_speedup(from_bits=16, bits=4, group=128, scale_bits=16), 3)
    3.879
    """
    positive(from_bits=from_bits)
    return from_bits / bits_per_weight(bits, group, scale_bits)


def memory_bytes(
    parameters: float, bits_per_weight: float, cache_bytes_per_token: float, tokens: float
) -> float:
    """Weights, and the KV cache of all tokens that are alive at once. Activations come on top."""
    positive(parameters=parameters, bits_per_weight=bits_per_weight)
    if not (cache_bytes_per_token >= 0 and tokens >= 0):
        raise LabError(
            f"cache_bytes_per_token is {cache_bytes_per_token:g} and tokens {tokens:g}; "
            "expected 0 or more."
        )
    return parameters * bits_per_weight / 8 + cache_bytes_per_token * tokens


def users_that_fit(
    shape: Decoder,
    available_bytes: float,
    tokens: float,
    bits_per_weight: float = 16,
    bytes_per_value: float = 2,
) -> int:
    """How many caches of so many tokens fit into what the weights leave, activations aside.

    Raises LabError where the weights alone do not fit.

    >>> users_that_fit(LLAMA_2_7B, 24 * 2**30, tokens=4096)
    5
    """
    positive(available_bytes=available_bytes, tokens=tokens)
    left = available_bytes - memory_bytes(shape.parameters, bits_per_weight, 0, 0)
    if left < 0:
        raise LabError(
            f"The weights need {(available_bytes - left) / 1e9:.1f} GB and there are "
            f"{available_bytes / 1e9:.1f} GB; expected a larger memory, or fewer bits a weight."
        )
    return int(left // (tokens * shape.cache_bytes_per_token(bytes_per_value)))


def prefill_s(parameters: float, prompt_tokens: float, peak_per_s: float) -> float:
    """Seconds for a prompt, at least: two operations a parameter and token, at the peak."""
    positive(parameters=parameters, prompt_tokens=prompt_tokens, peak_per_s=peak_per_s)
    return 2 * parameters * prompt_tokens / peak_per_s


def decode_s(parameters: float, bytes_per_weight: float, bandwidth_bytes_per_s: float) -> float:
    """Seconds for one new token of one sequence, at least: every weight is read once."""
    positive(
        parameters=parameters,
        bytes_per_weight=bytes_per_weight,
        bandwidth_bytes_per_s=bandwidth_bytes_per_s,
    )
    return parameters * bytes_per_weight / bandwidth_bytes_per_s


def answer_s(
    parameters: float,
    bytes_per_weight: float,
    prompt_tokens: float,
    new_tokens: float,
    peak_per_s: float,
    bandwidth_bytes_per_s: float,
) -> float:
    """Seconds for a whole answer to one prompt, at least: prefill, then decoding token by token.

    The prompt gives the first new token. The cache is taken to be small against the weights.
    """
    positive(new_tokens=new_tokens)
    first_s = prefill_s(parameters, prompt_tokens, peak_per_s)
    return first_s + (new_tokens - 1) * decode_s(
        parameters, bytes_per_weight, bandwidth_bytes_per_s
    )


def expected_tokens(acceptance: float, drafted: float) -> float:
    """Tokens that a pass of the large model gives, on average, with so many drafted before it.

    (1 − α^(γ+1)) / (1 − α), each draft being accepted with the same probability.

    >>> round(expected_tokens(acceptance=0.8, drafted=5), 2)
    3.69
    """
    if not 0 <= acceptance <= 1 or not drafted >= 0:
        raise LabError(
            f"acceptance is {acceptance:g} and drafted {drafted:g}; expected a probability and 0 "
            "or more tokens."
        )
    if acceptance == 1:
        return drafted + 1
    return float((1 - acceptance ** (drafted + 1)) / (1 - acceptance))


_PARAMETERS = "weights of the model"
_SCALING_BOOK = "Austin et al., How To Scale Your Model, 2025, All About Transformer Inference"
KV_CACHE = Calculation(
    name="kv-cache",
    formula="bytes = 2 × layers × cached heads × head width × bytes per value × tokens",
    inputs={
        "layers": "of the decoder",
        "cached_heads": "key-value heads of a layer",
        "head_width": "numbers a head",
        "bytes_per_value": "2 for fp16, 1 for int8",
        "tokens": "alive at once, of all sequences",
    },
    result="bytes",
    source=_SCALING_BOOK,
    compute=kv_cache_bytes,
)
LLM_MEMORY = Calculation(
    name="llm-memory",
    formula="bytes = parameters × bits / 8 + cache bytes per token × tokens",
    inputs={
        "parameters": _PARAMETERS,
        "bits_per_weight": "with the scales: 4 bits in groups of 128 are 4.125",
        "cache_bytes_per_token": "./lab calc kv-cache with tokens=1",
        "tokens": "alive at once, of all sequences",
    },
    result="bytes, without activations",
    source=_SCALING_BOOK,
    compute=memory_bytes,
)
PREFILL_DECODE = Calculation(
    name="prefill-decode",
    formula="parameters × (2 × prompt / peak + (new − 1) × bytes per weight / bandwidth)",
    inputs={
        "parameters": _PARAMETERS,
        "bytes_per_weight": "2 for fp16, 0.516 for 4 bits in groups of 128",
        "prompt_tokens": "of the prompt",
        "new_tokens": "of the answer",
        "peak_per_s": "operations a second",
        "bandwidth_bytes_per_s": "bytes a second from memory",
    },
    result="seconds for the answer, at least",
    source=_SCALING_BOOK,
    compute=answer_s,
)
QUANT_SPEEDUP = Calculation(
    name="quant-speedup",
    formula="speed-up = from bits / (bits + scale bits / group)",
    inputs={
        "from_bits": "bits a weight before",
        "bits": "bits a weight after",
        "group": "weights that share a scale",
        "scale_bits": "bits a scale",
    },
    result="times as fast, at most, where reading weights is all",
    source="Frantar et al., Marlin, 2024",
    compute=quantised_speedup,
)
SPECULATIVE = Calculation(
    name="speculative",
    formula="expected tokens = (1 − acceptance^(drafted + 1)) / (1 − acceptance)",
    inputs={
        "acceptance": "probability that a drafted token is kept, 0 to 1",
        "drafted": "tokens that the small model drafts",
    },
    result="tokens a pass of the large model",
    source="Leviathan et al., Fast Inference from Transformers via Speculative Decoding, 2023",
    compute=expected_tokens,
)
