"""Real containers and doors, once for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_utils.components.together import Together
from lab_utils.serve.fraud.clouds.container import Container
from lab_utils.serve.fraud.clouds.container_app import FILE
from lab_utils.serve.fraud.clouds.contract import SAGEMAKER, VERTEX
from lab_utils.serve.fraud.clouds.door import FrontDoor
from tests.serve.fraud.made import constant

SCORE = 0.25


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a scorer that says the same of every payment."""
    folder = tmp_path_factory.mktemp("model")
    constant(folder / FILE, SCORE)
    return folder


@pytest.fixture(scope="session")
def containers(folder: Path) -> Iterator[Together[Container]]:
    started = Together({one.name: Container(one, folder) for one in (SAGEMAKER, VERTEX)})
    yield started
    started.stop()


@pytest.fixture(scope="session")
def doors(containers: Together[Container]) -> Iterator[Together[FrontDoor]]:
    """Each with two replicas, which one container plays."""
    started = Together(
        {name: FrontDoor(one.contract, [one.predict_url] * 2) for name, one in containers.items()}
    )
    yield started
    started.stop()


@pytest.fixture
def aws(doors: Together[FrontDoor]) -> Iterator[FrontDoor]:
    """SageMaker's door, quick again afterwards."""
    door = doors["SageMaker"]
    yield door
    for replica in range(door.count):
        door.hold(replica, 0)
