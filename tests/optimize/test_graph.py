import pytest

from lab_utils.optimize.graph import (
    Graph,
    eager_graph,
    exported_counts,
    onnxruntime_graph,
    openvino_graph,
)
from tests.optimize.saved import artefact, model

CONVOLUTIONS = 53
"""1 + 3 × (3 + 4 + 6 + 3) + 4 shortcuts: He et al., Deep Residual Learning, 2015, table 1."""
BLOCKS = 3 + 4 + 6 + 3


@pytest.fixture(scope="module")
def eager() -> Graph:
    return eager_graph(model().network)


def test_eager_runs_every_module_by_itself(eager: Graph) -> None:
    assert eager.counts() == {
        "Conv": CONVOLUTIONS,
        "BatchNorm": CONVOLUTIONS,
        "ReLU": 1 + 3 * BLOCKS,
        "Add": BLOCKS,
        "Pool": 2,
        "MatMul": 1,
    }


@pytest.mark.parametrize("name", ["ONNX Runtime", "OpenVINO fp32"])
def test_an_engine_folds_batch_norm_and_fuses_what_follows(name: str, eager: Graph) -> None:
    if name == "ONNX Runtime":
        graph = onnxruntime_graph(artefact(name), threads=1)
    else:
        graph = openvino_graph(artefact(name), threads=1, precision="f32")
    counts = graph.counts()
    assert sum(n for label, n in counts.items() if label.startswith("Conv")) == CONVOLUTIONS
    assert not {"BatchNorm", "ReLU", "Add"} & set(counts)
    assert counts["Conv + Add + ReLU"] == BLOCKS
    assert counts["Conv + ReLU"] == 1 + 2 * BLOCKS
    assert graph.precisions("Conv") == {"fp32": CONVOLUTIONS}
    assert 0.25 * eager.activation_bytes < graph.activation_bytes < 0.6 * eager.activation_bytes
    assert graph.weight_bytes == pytest.approx(eager.weight_bytes, rel=0.02)


def test_openvino_says_which_precision_each_operator_runs_in() -> None:
    graph = openvino_graph(artefact("OpenVINO bf16"), threads=1, precision="bf16")
    fp32 = openvino_graph(artefact("OpenVINO bf16"), threads=1, precision="f32")
    runs_in = graph.precisions("Conv")
    assert sum(runs_in.values()) == CONVOLUTIONS
    if "bf16" in runs_in:
        assert graph.moved_bytes < 0.7 * fp32.moved_bytes
    else:
        assert graph.moved_bytes == pytest.approx(fp32.moved_bytes)


def test_the_exported_file_holds_every_convolution() -> None:
    counts = exported_counts(artefact("ONNX Runtime"))
    assert counts["Conv"] == CONVOLUTIONS
    assert counts["Add"] == BLOCKS
