"""The course's own network and its saved models, for the tests of this folder."""

from functools import cache

from lab_utils.models import resnet
from lab_utils.optimize.artefacts import Artefact
from lab_utils.optimize.variants import VARIANTS, prepare

HERE = [name for name, variant in VARIANTS.items() if variant.lacks() is None]
"""What can run on this machine."""


@cache
def model() -> resnet.ResNet:
    return resnet.load()


@cache
def artefact(name: str) -> Artefact:
    """Made once on a machine, then found in the course's own cache."""
    return prepare(name, model())
