import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).with_name("planted.py")


@pytest.fixture(scope="session")
def program() -> Path:
    """A Python program that runs the planted functions it is told, each for so many seconds."""
    return PROGRAM


@pytest.fixture(scope="session")
def planted() -> ModuleType:
    """The same functions, imported."""
    spec = importlib.util.spec_from_file_location("planted", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
