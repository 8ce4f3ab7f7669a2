from pathlib import Path

from lab_utils.machine.caches import caches


def cache(folder: Path, index: int, level: int, kind: str, size: str) -> None:
    place = folder / f"index{index}"
    place.mkdir()
    for name, text in (("level", str(level)), ("type", kind), ("size", size)):
        (place / name).write_text(text + "\n")


def test_caches_that_hold_data_are_read(tmp_path: Path) -> None:
    cache(tmp_path, 0, 1, "Data", "48K")
    cache(tmp_path, 1, 1, "Instruction", "32K")
    cache(tmp_path, 2, 2, "Unified", "2048K")
    cache(tmp_path, 3, 3, "Unified", "32M")
    assert caches(tmp_path) == {"L1": 48 * 2**10, "L2": 2 * 2**20, "L3": 32 * 2**20}


def test_a_machine_that_does_not_tell_has_none(tmp_path: Path) -> None:
    (tmp_path / "index0").mkdir()
    assert caches(tmp_path) == {}
    assert caches(tmp_path / "nowhere") == {}


def test_this_machine_s_caches_grow_by_level() -> None:
    sizes = list(caches().values())
    assert sizes == sorted(sizes)
