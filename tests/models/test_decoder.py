import pytest

from lab_utils.errors import LabError
from lab_utils.models.decoder import (
    KV_CACHE,
    LLAMA_2_7B,
    LLM_MEMORY,
    MISTRAL_7B,
    PREFILL_DECODE,
    QUANT_SPEEDUP,
    SPECULATIVE,
    Decoder,
    bits_per_weight,
    decode_s,
    expected_tokens,
    memory_bytes,
    prefill_s,
    users_that_fit,
)


def test_the_parameters_are_those_of_the_published_checkpoints() -> None:
    """As the hub counts them in the files of meta-llama/Llama-2-7b and mistralai/Mistral-7B."""
    assert LLAMA_2_7B.parameters == 6_738_415_616
    assert MISTRAL_7B.parameters == 7_241_732_096


def test_a_tied_embedding_is_stored_once() -> None:
    tied = Decoder(2, 8, 2, 2, 4, 16, 100, tied=True)
    apart = Decoder(2, 8, 2, 2, 4, 16, 100)
    assert apart.parameters - tied.parameters == 8 * 100


def test_the_cache_of_the_model_card_and_of_grouped_heads() -> None:
    assert LLAMA_2_7B.cache_bytes_per_token() == 524_288
    assert MISTRAL_7B.cache_bytes_per_token() == 131_072
    assert LLAMA_2_7B.cache_bytes_per_token(1) == 262_144


def test_what_fits_beside_the_weights() -> None:
    """Llama 2 with 4,096 tokens: 13.5 GB of fp16 weights, or a quarter and 2 GiB of cache."""
    weights = memory_bytes(LLAMA_2_7B.parameters, 16, 0, 0)
    assert weights == pytest.approx(13.48e9, rel=1e-3)
    whole = memory_bytes(LLAMA_2_7B.parameters, bits_per_weight(4, 128), 524_288, 4096)
    assert whole == pytest.approx(6_738_415_616 * 4.125 / 8 + 2**31)


def test_users_are_what_the_weights_leave_over_what_each_takes() -> None:
    left = 24 * 2**30 - LLAMA_2_7B.parameters * 2
    assert users_that_fit(LLAMA_2_7B, 24 * 2**30, 4096) == left // 2**31 == 5
    assert users_that_fit(LLAMA_2_7B, 24 * 2**30, 4096, 16, 1) == left // 2**30
    assert users_that_fit(MISTRAL_7B, 24 * 2**30, 4096) > 4 * 5
    with pytest.raises(LabError, match=r"The weights need 13\.5 GB and there are 8\.0 GB"):
        users_that_fit(LLAMA_2_7B, 8e9, 4096)


def test_four_bits_are_not_four_times_as_fast() -> None:
    given = {"from_bits": 16, "bits": 4, "group": 128, "scale_bits": 16}
    assert QUANT_SPEEDUP(given) == pytest.approx(3.879, abs=5e-4)
    assert QUANT_SPEEDUP({**given, "scale_bits": 0}) == 4


def test_speculation_by_the_formula_and_by_counting() -> None:
    """Leviathan 2023: 3.69 at α = 0.8 and γ = 5. Counted: drafts are kept up to the first miss."""
    assert expected_tokens(0.8, 5) == pytest.approx(3.69, abs=5e-3)
    counted = sum(0.8**kept * 0.2 * (kept + 1) for kept in range(5)) + 0.8**5 * 6
    assert expected_tokens(0.8, 5) == pytest.approx(counted)
    assert (expected_tokens(1, 5), expected_tokens(0, 5), expected_tokens(0.5, 0)) == (6, 1, 1)


def test_an_answer_is_its_prompt_and_then_its_tokens() -> None:
    given = {
        "parameters": 7e9,
        "bytes_per_weight": 2.0,
        "prompt_tokens": 1000,
        "new_tokens": 101,
        "peak_per_s": 1e15,
        "bandwidth_bytes_per_s": 3.5e12,
    }
    assert PREFILL_DECODE(given) == pytest.approx(0.014 + 100 * 0.004)
    assert prefill_s(7e9, 1000, 1e15) == pytest.approx(0.014)
    assert decode_s(7e9, 2, 3.5e12) == pytest.approx(0.004)


@pytest.mark.parametrize("calculation", [KV_CACHE, PREFILL_DECODE, QUANT_SPEEDUP])
def test_a_number_that_is_not_positive_is_refused(calculation) -> None:  # type: ignore[no-untyped-def]
    for name in set(calculation.inputs) - {"scale_bits"}:
        given = dict.fromkeys(calculation.inputs, 1.0)
        for value in (0.0, -1.0, float("nan")):
            with pytest.raises(LabError, match=rf"{name} is .*; expected a number above 0"):
                calculation({**given, name: value})


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(LabError, match=r"acceptance is 1\.5 and drafted 2"):
        SPECULATIVE({"acceptance": 1.5, "drafted": 2})
    with pytest.raises(LabError, match="tokens -1; expected 0 or more"):
        LLM_MEMORY(
            {"parameters": 1, "bits_per_weight": 4, "cache_bytes_per_token": 1, "tokens": -1}
        )
    with pytest.raises(LabError, match="scale_bits is -1"):
        bits_per_weight(4, 128, -1)
