import pytest

from lab_utils.models import pictures
from lab_utils.optimize.inputs import preprocessed
from lab_utils.optimize.variant import Floats


@pytest.fixture(scope="session")
def inputs() -> Floats:
    """Sixteen pictures, one of each label, of the half that nothing was fitted on."""
    return preprocessed(pictures.draw(16, seed=5))
