from pathlib import Path

import pytest

from lab_utils.components import catalogue
from lab_utils.components.cachegrind import (
    MEMORY_ACCESS,
    CacheMisses,
    cache_misses,
    compiled,
    parse,
    seconds,
)
from lab_utils.components.catalogue import CATALOGUE
from lab_utils.errors import LabError

needs_compiler = pytest.mark.skipif(not CATALOGUE["cc"].present(), reason="cc is missing")
needs_valgrind = pytest.mark.skipif(not CATALOGUE["valgrind"].present(), reason="no valgrind")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))
    return tmp_path


@needs_compiler
def test_a_program_is_compiled_once(cache: Path) -> None:
    program = compiled(MEMORY_ACCESS)
    made = program.stat().st_mtime_ns
    assert compiled(MEMORY_ACCESS) == program
    assert program.stat().st_mtime_ns == made
    assert list(cache.iterdir()) == [program]


@needs_compiler
@pytest.mark.parametrize("order", ["nchw", "nhwc", "planes"])
def test_every_order_gives_the_right_sum_and_its_times(cache: Path, order: str) -> None:
    """The program ends with 2 where the first or the last sum is wrong."""
    times_s = seconds(compiled(MEMORY_ACCESS), order, 32, 100, 3)
    assert len(times_s) == 3
    assert all(value > 0 for value in times_s)


@needs_compiler
@pytest.mark.alone
def test_a_chain_through_memory_is_slower_than_one_through_a_cache(cache: Path) -> None:
    program = compiled(MEMORY_ACCESS)
    near, far = (min(seconds(program, "chase", size, 2**18, 3)) for size in (2**14, 2**28))
    assert far > 3 * near


@needs_compiler
@needs_valgrind
def test_misses_are_those_of_a_line_by_hand(cache: Path) -> None:
    """16 numbers of 4 bytes a line of 64: read in order, one read of 16 misses."""
    program = compiled(MEMORY_ACCESS)
    channels, pixels = 64, 4096
    once, prepared = (cache_misses(program, "nhwc", channels, pixels, n) for n in (1, 0))
    misses = once - prepared
    assert misses.first_level == pytest.approx(channels * pixels / 16, rel=0.05)
    assert misses.loads == pytest.approx(2 * channels * pixels, rel=0.05)
    again = cache_misses(program, "nhwc", channels, pixels, 1)  # the loader may read a word more
    assert again.first_level == pytest.approx(once.first_level, rel=0.001)
    assert again.loads == pytest.approx(once.loads, rel=0.001)


@needs_compiler
@needs_valgrind
def test_lines_that_share_their_sets_drive_each_other_out(cache: Path) -> None:
    """A stride of 4096 bytes meets one set of 64: far fewer places than there are channels."""
    program = compiled(MEMORY_ACCESS)
    once, prepared = (cache_misses(program, "nchw", 256, 1024, n) for n in (1, 0))
    assert (once - prepared).first_level > 0.9 * 256 * 1024


def test_misses_are_subtracted_one_by_one() -> None:
    assert CacheMisses(10, 5, 2) - CacheMisses(4, 3, 1) == CacheMisses(6, 2, 1)


def test_counts_without_totals_are_refused() -> None:
    with pytest.raises(LabError, match="no totals"):
        parse("events: Ir Dr\n")


def test_a_missing_compiler_is_one_sentence(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "program", lambda name: None)
    with pytest.raises(LabError, match=r"cc is not on this machine; get it with: apt install gcc"):
        compiled(MEMORY_ACCESS)
    with pytest.raises(LabError, match=r"valgrind is not on this machine"):
        cache_misses(MEMORY_ACCESS)


@needs_compiler
def test_what_the_compiler_said_is_told(cache: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.c"
    broken.write_text("int main(void) { return nothing; }\n")
    with pytest.raises(LabError, match=r"cc ended with 1; it said: "):
        compiled(broken)
    assert [path.name for path in cache.iterdir()] == ["broken.c"]


@needs_compiler
def test_arguments_that_make_no_sense_are_refused(cache: Path) -> None:
    with pytest.raises(LabError, match="expected ORDER CHANNELS PIXELS REPEATS"):
        seconds(compiled(MEMORY_ACCESS), "nhwc")
    with pytest.raises(LabError, match="expected ORDER CHANNELS PIXELS REPEATS"):
        seconds(compiled(MEMORY_ACCESS), "sideways", 4, 4, 1)
