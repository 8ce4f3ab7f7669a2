"""The real MLflow: versions with signature and metrics, aliases that move, files that may not."""

from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from lab_utils.components import environments
from lab_utils.components.model_registry import ModelRegistry
from lab_utils.errors import LabError

COLUMNS = ("amount", "is_night")


def model(name: str) -> bytes:
    """The smallest file that ONNX takes."""
    shape = ["batch", len(COLUMNS)]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["input"], ["output"])],
        name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = made.SerializeToString()
    return content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Iterator[ModelRegistry]:
    with ModelRegistry(folder) as registry:
        for number in (1, 2):
            registry.register(
                "fraud",
                model(f"version {number}"),
                columns=COLUMNS,
                metrics={"auc_roc": 0.8 + number / 100},
                tags={"trained": f"week {number}"},
            )
        yield registry


def test_it_is_the_pinned_mlflow(registry: ModelRegistry) -> None:
    pinned = environments.ENVIRONMENTS["mlflow"].source.read_text()
    assert f"mlflow-skinny=={registry.version}" in pinned


def test_a_version_is_what_was_registered(registry: ModelRegistry) -> None:
    first, second = registry.versions("fraud")
    assert (first.number, second.number) == (1, 2)
    assert second.columns == COLUMNS
    assert second.metrics == {"auc_roc": pytest.approx(0.82)}
    assert second.tags == {"trained": "week 2"}
    assert onnx.load(second.file()).graph.name == "version 2"
    assert first.sha256 != second.sha256


def test_an_alias_moves_and_moves_back(registry: ModelRegistry) -> None:
    for number in (1, 2, 1):
        registry.alias("fraud", "champion", number)
        found = registry.of("fraud", "champion")
        assert (found.number, found.aliases) == (number, ("champion",))
    assert [version.aliases for version in registry.versions("fraud")] == [("champion",), ()]


def test_a_file_that_was_changed_is_not_served(registry: ModelRegistry) -> None:
    version = registry.register("other", model("right"), columns=COLUMNS, metrics={})
    version.path.write_bytes(model("wrong"))
    with pytest.raises(LabError, match="is not the one that was registered"):
        version.file()
    version.path.unlink()
    with pytest.raises(LabError, match="cannot be read: No such file"):
        version.file()


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda r: r.of("fraud", "nobody"), "nobody"),
        (lambda r: r.versions("unknown"), "unknown"),
        (lambda r: r.alias("fraud", "champion", 9), "9"),
        (lambda r: r.register("fraud", b"no model", columns=COLUMNS, metrics={}), "could not"),
        (lambda r: r.register("fraud", model(""), columns=(), metrics={}), "without inputs"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(registry, ask, told) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(LabError, match=told) as caught:
        ask(registry)
    assert "\n" not in str(caught.value)


def test_what_is_registered_outlives_the_process(registry: ModelRegistry, folder: Path) -> None:
    before = registry.versions("fraud")
    with ModelRegistry(folder) as again:
        assert again.versions("fraud") == before
