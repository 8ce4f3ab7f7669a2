import pytest

from lab_utils.errors import LabError
from lab_utils.models import pictures
from lab_utils.serve.memory import memory_steps


def test_libraries_and_weights_are_where_the_memory_goes() -> None:
    steps = memory_steps([p.jpeg for p in pictures.draw(2, seed=1)])
    names = ["Python", "libraries", "weights", "first request", "further requests"]
    assert [step.name for step in steps] == names
    python, libraries, weights, first, _ = steps
    assert weights.tensors_bytes == pytest.approx(100e6, rel=0.1)  # 25.6 M parameters, 4 B each
    assert libraries.resident_bytes > 5 * python.resident_bytes
    grown_bytes = weights.private_bytes - libraries.private_bytes
    assert grown_bytes > 0.8 * weights.tensors_bytes
    assert first.resident_bytes >= weights.resident_bytes


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(LabError, match="1 pictures were given; expected at least 2"):
        memory_steps([b"one"])
