"""pyproject.toml, requirements.lock and environment.yml say the same."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from lab_utils.course.lock import environment_yml, pins
from lab_utils.files import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PINNED = [Requirement(pin) for pin in pins(LOCK)]


@pytest.mark.parametrize("line", [*PROJECT["dependencies"], *EXTRAS["dev"]])
def test_every_direct_dependency_is_pinned_within_its_bounds(line: str) -> None:
    wanted = Requirement(line)
    found = [pin for pin in PINNED if pin.name.lower() == wanted.name.lower()]
    assert found, f"{wanted.name} is not in requirements.lock; run ./lab lock"
    for pin in found:
        version = str(pin.specifier).removeprefix("==")
        assert wanted.specifier.contains(version, prereleases=True)


def test_environment_yml_is_what_the_lock_gives() -> None:
    assert (ROOT / "environment.yml").read_text() == environment_yml(LOCK)


def test_environment_yml_parses_and_holds_the_pins() -> None:
    parsed = yaml.safe_load((ROOT / "environment.yml").read_text())
    *_, pip = parsed["dependencies"]
    *given, package = pip["pip"]
    assert package == "--editable=."
    assert {str(Requirement(line)) for line in given} == {str(pin) for pin in PINNED}


def test_every_pin_is_hashed_and_no_index_is_named() -> None:
    pinned = re.findall(r"^\S+==.*$", LOCK, re.MULTILINE)
    assert len(pinned) == len(PINNED) > 100
    assert all(line.endswith("\\") for line in pinned)
    for name in ("requirements.lock", "environment.yml", "pyproject.toml"):
        text = (ROOT / name).read_text()
        assert not re.search(r"https?://|file://|index-url|find-links", text), name


def test_no_process_that_reads_a_notebook_builds_a_grammar_first() -> None:
    """jsonschema, and so nbformat, imports this wherever it is installed: 1.4 s each time."""
    assert "rfc3987-syntax" not in {pin.name for pin in PINNED}


def test_only_one_onnxruntime_on_a_platform() -> None:
    """The two packages overwrite each other's files without a word."""
    runtimes = [pin for pin in PINNED if pin.name in ("onnxruntime", "onnxruntime-gpu")]
    platforms = [
        {"sys_platform": system, "platform_machine": machine}
        for system in ("linux", "darwin", "win32")
        for machine in ("x86_64", "aarch64", "arm64", "AMD64")
    ]
    for platform in platforms:
        assert sum(bool(pin.marker and pin.marker.evaluate(platform)) for pin in runtimes) == 1


def test_only_one_onnxruntime_is_installed() -> None:
    from importlib.metadata import distributions

    installed = {d.metadata["Name"].lower() for d in distributions()}
    assert len(installed & {"onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"}) == 1


PROMISED = {
    "jupyterlab",
    "torch",
    "torchvision",
    "onnxruntime-gpu",
    "matplotlib",
    "ipywidgets",
    "papermill",
    "tensorboard",
}


def test_the_promised_packages_are_direct_dependencies() -> None:
    assert {Requirement(line).name for line in PROJECT["dependencies"]} >= PROMISED


def test_nbval_and_tensorrt_are_extras() -> None:
    assert "nbval" in {Requirement(line).name for line in EXTRAS["dev"]}
    assert "tensorrt" in {Requirement(line).name for line in EXTRAS["tensorrt"]}
