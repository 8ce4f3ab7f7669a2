from pathlib import Path

import psutil
import pytest

from lab_utils.errors import LabError
from lab_utils.models.decoder import Decoder
from lab_utils.models.language.gguf_file import write_seeded
from lab_utils.models.language.seeded import prompt
from lab_utils.serve.llm.memory import EngineProcess

THICK = Decoder(layers=8, width=256, heads=4, cached_heads=4, head_width=64, inner=256,
                vocabulary=512)  # fmt: skip
"""Small, with much cache for its size: 8 kB a token at 16 bits."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "thick.gguf"
    write_seeded(path, THICK, "q8_0")
    return path


def test_the_cache_is_where_the_formula_says(path: Path) -> None:
    """After the first pass, which fills working memory too, only the cache grows."""
    per_token = {}
    for kind in ("u8", "f16"):
        with EngineProcess(path, threads=1, KV_CACHE_PRECISION=kind) as engine:
            assert list(engine.steps) == ["Python", "libraries", "model"]
            resident = [step.resident_bytes for step in engine.steps.values()]
            assert resident == sorted(resident)
            held = [engine.admit(prompt(THICK, 512, seed=n)) for n in range(5)]
            grown = held[-1].memory.private_bytes - held[1].memory.private_bytes
            per_token[kind] = grown / (3 * 512)
            used = held[-1].used_bytes - held[1].used_bytes
            assert grown == pytest.approx(used, rel=0.15)
            assert held[0].reserved_bytes == pytest.approx(2**30, rel=0.01)
            started = engine.processes()
            left = engine.finish().memory
            assert left.private_bytes > held[0].memory.private_bytes
        _, alive = psutil.wait_procs(started, timeout=10)
        assert alive == []
    assert per_token["f16"] == pytest.approx(THICK.cache_bytes_per_token(2), rel=0.15)
    # A scale and a zero, 4 bytes each: for a value's 64 numbers, and for each channel of a block's
    # 32 keys.
    eight_bits = 1 + (8 / 64 + 8 / 32) / 2
    assert per_token["u8"] == pytest.approx(THICK.cache_bytes_per_token(eight_bits), rel=0.15)


def test_a_block_is_taken_as_a_whole(path: Path) -> None:
    with EngineProcess(path, threads=1) as engine:
        used = [engine.admit(prompt(THICK, length)).used_bytes for length in (1, 32, 33)]
    one = used[0]
    assert used == pytest.approx([one, 2 * one, 4 * one], rel=1e-3)


def test_a_model_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(LabError, match=r"missing\.gguf is not there"),
        EngineProcess(tmp_path / "missing.gguf", threads=1),
    ):
        pass


def test_a_prompt_that_does_not_fit_is_one_sentence_and_the_process_goes_on(path: Path) -> None:
    with EngineProcess(path, threads=1) as engine:
        with pytest.raises(LabError, match="Prompt length cannot be 0"):
            engine.admit([])
        assert engine.admit([5, 6]).used_bytes > 0
