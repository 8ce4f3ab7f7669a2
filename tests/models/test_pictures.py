import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from lab_utils.models import pictures


def test_every_label_has_its_photograph() -> None:
    assert len(pictures.LABELS) == 16
    for label in pictures.LABELS:
        whole = pictures.photograph(label)
        assert whole.mode == "RGB"
        assert min(whole.size) > 150


def test_labels_are_equally_often_and_no_two_pictures_are_alike() -> None:
    drawn = pictures.draw(64, seed=7)
    assert set(Counter(picture.label for picture in drawn).values()) == {4}
    assert len({picture.jpeg for picture in drawn}) == 64
    assert all(pictures.LABELS[picture.index] == picture.label for picture in drawn)


def test_a_seed_and_a_half_give_the_same_pictures_again() -> None:
    first = pictures.draw(4, seed=3)
    assert pictures.draw(4, seed=3) == first
    assert pictures.draw(4, seed=4) != first
    assert pictures.draw(4, seed=3, half="fit") != first


def test_a_request_is_a_jpeg_of_640_by_480() -> None:
    picture = Image.open(io.BytesIO(pictures.draw(1, seed=3)[0].jpeg))
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (640, 480))


@pytest.mark.parametrize("width", [301, 512])
def test_no_test_picture_shares_a_pixel_with_a_fitted_one(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The photograph is black to the left of its middle and white to the right."""
    columns = np.where(np.arange(width) < width // 2, 0, 255).astype(np.uint8)
    halves = Image.fromarray(np.tile(columns, (200, 1))).convert("RGB")
    monkeypatch.setattr(pictures, "photograph", lambda label: halves)
    for half, value in (("fit", 0), ("test", 255)):
        for picture in pictures.draw(200, seed=1, half=half):
            assert Image.open(io.BytesIO(picture.jpeg)).getextrema() == ((value, value),) * 3


def test_a_frame_moves_the_cut() -> None:
    framed = pictures.photograph("palace")
    left, right = pictures.FRAMES["palace"]
    assert left == 0
    assert framed.width == int(right * 640)


def test_a_larger_picture_is_of_the_same_part() -> None:
    small = Image.open(io.BytesIO(pictures.draw(2, seed=6)[1].jpeg))
    large = Image.open(io.BytesIO(pictures.draw(2, seed=6, size=(1600, 1200))[1].jpeg))
    assert (small.size, large.size) == (pictures.SIZE, (1600, 1200))
    difference = np.asarray(small, float) - np.asarray(large.resize(small.size), float)
    assert np.abs(difference).mean() < 8
