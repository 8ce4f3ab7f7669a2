import io

import numpy as np
import pytest
from PIL import Image

from lab_utils.models import pictures, resnet
from lab_utils.optimize.normalisation import normalised
from lab_utils.serve.preprocessing import (
    NotAPicture,
    cut_while_resizing,
    decode,
    pixels,
    resize_then_cut,
)

SIZES = [(640, 480), (480, 640), (300, 300), (1000, 257), (225, 900)]


def jpeg_of(size: tuple[int, int]) -> bytes:
    return pictures.draw(3, seed=4, size=size)[2].jpeg


@pytest.mark.parametrize("size", SIZES)
def test_as_written_it_is_torchvisions_transform(size: tuple[int, int]) -> None:
    jpeg = jpeg_of(size)
    expected = resnet.transforms()(Image.open(io.BytesIO(jpeg))).numpy()
    given = normalised(pixels(resize_then_cut(decode(jpeg))))[0]
    assert np.abs(given - expected).max() < 1e-5


@pytest.mark.parametrize("size", SIZES)
def test_what_is_cut_away_is_not_needed(size: tuple[int, int]) -> None:
    picture = decode(jpeg_of(size))
    whole, part = (pixels(cut(picture)) for cut in (resize_then_cut, cut_while_resizing))
    assert np.abs(whole.astype(int) - part).max() <= 2
    assert np.abs(whole.astype(int) - part).mean() < 0.1


def test_the_decoder_never_goes_below_the_size_asked_for() -> None:
    assert decode(jpeg_of((640, 480)), 256).size == (640, 480)
    assert decode(jpeg_of((640, 480)), 240).size == (320, 240)
    assert decode(jpeg_of((4000, 3000)), 256).size == (500, 375)
    assert decode(jpeg_of((100, 100)), 256).size == (100, 100)


def test_what_is_no_picture_is_refused() -> None:
    for body in (b"", b"no picture", jpeg_of((640, 480))[:200]):
        with pytest.raises(NotAPicture, match="not a whole picture"):
            decode(body, 256)
