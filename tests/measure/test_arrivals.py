from pathlib import Path

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.measure.load.arrivals import constant, of_times, poisson, recorded

RECORDINGS = ROOT / "data" / "arrivals"


def test_poisson_arrivals_are_poisson() -> None:
    arrivals = poisson(1000, 20, seed=3)
    gaps_s = np.diff(arrivals.due_s)
    # mean and deviation of the gaps are both 1 / rate; 20,000 gaps put each within 3 %
    assert gaps_s.mean() == pytest.approx(1e-3, rel=0.03)
    assert arrivals.variation == pytest.approx(1, rel=0.03)
    assert arrivals.due_s[-1] < 20
    assert (poisson(1000, 20, seed=3).due_s == arrivals.due_s).all()
    assert len(poisson(1000, 20, seed=4).due_s) != len(arrivals.due_s)


def test_a_metronome_does_not_vary() -> None:
    assert constant(100, 5).variation == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("rate", "duration"), [(0, 1), (1, 0), (-1, 1), (float("nan"), 1)])
def test_nonsense_loads_are_refused(rate: float, duration: float) -> None:
    with pytest.raises(LabError, match="expected both above 0"):
        poisson(rate, duration)


def test_more_requests_than_a_run_can_hold_are_refused() -> None:
    with pytest.raises(LabError, match="at most 10,000,000 requests"):
        constant(1e9, 60)


@pytest.mark.parametrize(("name", "low", "high"), [("conversation", 0.9, 1.2), ("code", 5, 20)])
def test_real_recordings(name: str, low: float, high: float) -> None:
    arrivals = recorded(RECORDINGS / f"azure_llm_{name}.txt")
    assert arrivals.due_s.size == 1500
    assert arrivals.due_s[0] == 0
    assert low < arrivals.variation < high
    assert arrivals.rate_rps == pytest.approx(1499 / arrivals.due_s[-1])


def test_every_recording_names_its_source_and_licence() -> None:
    for path in RECORDINGS.iterdir():
        head = path.read_text()[:600]
        assert "Source: " in head, path
        assert "licence" in head, path


def test_a_recording_may_begin_anywhere_and_be_squeezed(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("# my own\n100.0\n\n100.5\n101\n103\n")
    arrivals = recorded(path)
    assert list(arrivals.due_s) == [0, 0.5, 1, 3]
    assert arrivals.rate_rps == 1
    squeezed = arrivals.at_rate(10)
    assert list(squeezed.due_s) == pytest.approx([0, 0.05, 0.1, 0.3])
    assert squeezed.variation == pytest.approx(arrivals.variation)
    assert list(arrivals.until(1).due_s) == [0, 0.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\ntwo\n3\n", r"line 2, is 'two'; expected one number of seconds"),
        ("1\n2,5\n", r"line 2, is '2,5'"),
        ("1\nnan\n", r"line 2, is 'nan'"),
        ("1\ninf\n", r"line 2, is 'inf'"),
        ("5\n4\n", r"line 2, is 4 s, before the 5 s of the one above"),
        ("", r"holds 0 arrivals; expected at least two"),
        ("# only words\n7\n", r"holds 1 arrivals"),
        ("7\n7\n", r"at different times"),
    ],
)
def test_nonsense_recordings_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "arrivals.txt"
    path.write_text(content)
    with pytest.raises(LabError, match=message):
        recorded(path)


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="could not be read: No such file"):
        recorded(tmp_path / "nowhere.txt")
    binary = tmp_path / "picture.jpg"
    binary.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(LabError, match="is not text"):
        recorded(binary)
    with pytest.raises(LabError, match="not in order"):
        of_times([0, 2, 1])


def test_the_variation_of_too_few_is_refused() -> None:
    with pytest.raises(LabError, match="of 2 arrivals"):
        _ = of_times([0, 1]).variation


def test_a_pattern_follows_a_profile() -> None:
    pattern = poisson(7, 100, seed=5)
    ramp = pattern.following([0, 100, 200, 300], [0, 20, 20, 5])
    counts = [int(np.sum((ramp.due_s >= a) & (ramp.due_s < a + 50))) for a in range(0, 300, 50)]
    expected = np.array([250, 750, 1000, 1000, 812.5, 437.5])
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected))
    assert ramp.due_s.size > 4 * pattern.due_s.size  # it was repeated
    assert np.all(np.diff(ramp.due_s) >= 0)
    assert ramp.rate_rps == pytest.approx(expected.sum() / 300)


def test_a_profile_that_stays_changes_nothing_but_the_rate() -> None:
    pattern = of_times([0, 1, 1.5, 4])
    assert list(pattern.following([0, 2], [3, 3]).due_s) == pytest.approx(
        [0, 0.25, 0.375, 1, 4 / 3, 4 / 3 + 0.25, 4 / 3 + 0.375]
    )


@pytest.mark.parametrize(
    ("times_s", "rates_rps"),
    [
        ([0], [1]),
        ([1, 2], [1, 1]),
        ([0, 0], [1, 1]),
        ([0, 1], [1]),
        ([0, 1], [0, 0]),
        ([0, 1], [2, -1]),
    ],
)
def test_impossible_profiles_are_refused(times_s: list[float], rates_rps: list[float]) -> None:
    with pytest.raises(LabError, match="expected as many of both"):
        of_times([0, 1, 2]).following(times_s, rates_rps)
