"""Scorers of payments as ONNX files, and ONNX Runtime to run them.

    content = of_trees(booster)                # or of_network(student)
    scorer = Scorer(content, threads=1)
    scorer(rows)                               # (N,) probabilities of fraud

Every file takes "input", (N, features) in float32, raw, and gives "output", (N, 1) in float32: the
probability of fraud. A service can put one in the other's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import ModelProto, TensorProto, checker, helper

from lab_utils.errors import LabError
from lab_utils.models.onnx_file import onnx_file
from lab_utils.optimize.onnx_variants import session

if TYPE_CHECKING:
    import lightgbm
    from numpy.typing import NDArray

    from lab_utils.models.fraud.network import PaymentNetwork

INPUT, OUTPUT = "input", "output"
OPSET, TREE_OPSET, IR = 17, 3, 9


class Scorer:
    """One file in ONNX Runtime on the processor, with so many compute threads.

    level: how far the graph is rewritten before, of `onnx_variants.LEVELS`.
    """

    def __init__(self, content: bytes, threads: int = 1, level: str = "all") -> None:
        self.session = session(content, threads, level=level)
        self.features: int = self.session.get_inputs()[0].shape[1]

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows (N, features) in float32 → (N,) probabilities of fraud."""
        if rows.ndim != 2 or rows.shape[1] != self.features or rows.dtype != np.float32:
            raise LabError(
                f"Rows came as {rows.shape} of {rows.dtype}; expected (N, {self.features}) of "
                "float32."
            )
        found: NDArray[np.float32] = self.session.run(None, {INPUT: rows})[0].ravel()
        return found


def of_network(network: PaymentNetwork) -> bytes:
    """The network with its preparation, as a file's content."""
    return onnx_file(network, torch.zeros(2, len(network.mean)))


def of_trees(booster: lightgbm.Booster) -> bytes:
    """A LightGBM classifier of two classes, as a file's content: one operator for all
    trees, and the sigmoid of their sum.

    LightGBM compares a feature with a threshold of 64 bits, the file's threshold has 32. Rounded
    down, it divides all 32-bit features as the original does; rounded to the nearest, it does not.
    Raises LabError for a booster with another objective, or one that splits on categories.
    """
    told = booster.dump_model()
    if not str(told["objective"]).startswith("binary"):
        raise LabError(f"The booster's objective is {told['objective']}; expected binary.")
    parts = _Parts()
    for number, tree in enumerate(told["tree_info"]):
        parts.add(tree["tree_structure"], number)
    sums = helper.make_node(
        "TreeEnsembleRegressor",
        [INPUT],
        ["logits"],
        name="trees",
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        **parts.attributes,  # type: ignore[arg-type]
    )
    width = told["max_feature_idx"] + 1
    graph = helper.make_graph(
        # ONNX Runtime leaves out the regressor's own LOGISTIC, without a word.
        [sums, helper.make_node("Sigmoid", ["logits"], [OUTPUT], name="probability")],
        "trees",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", 1])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREE_OPSET)]
    model: ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=IR)
    checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


class _Parts:
    """The attributes of a TreeEnsembleRegressor, a list each, filled node by node."""

    def __init__(self) -> None:
        names = ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids")
        self._nodes: dict[str, list[Any]] = {
            f"nodes_{name}": [] for name in (*names, "falsenodeids", "missing_value_tracks_true")
        }
        self._leaves: dict[str, list[Any]] = {
            f"target_{name}": [] for name in ("treeids", "nodeids", "ids", "weights")
        }

    @property
    def attributes(self) -> dict[str, list[Any]]:
        return self._nodes | self._leaves

    def add(self, told: dict[str, Any], tree: int) -> int:
        """Add a node and all beneath it; gives its number within the tree."""
        number = self._nodes["nodes_treeids"].count(tree)
        leaf = "leaf_value" in told
        self._append(tree, number, *((0, "LEAF", 0.0, 0) if leaf else self._split(told)))
        if leaf:
            for name, value in zip(
                self._leaves.values(), (tree, number, 0, told["leaf_value"]), strict=True
            ):
                name.append(value)
            return number
        place = len(self._nodes["nodes_treeids"]) - 1
        self._nodes["nodes_truenodeids"][place] = self.add(told["left_child"], tree)
        self._nodes["nodes_falsenodeids"][place] = self.add(told["right_child"], tree)
        return number

    def _append(
        self, tree: int, number: int, feature: int, mode: str, value: float, missing: int
    ) -> None:
        row = (tree, number, feature, mode, value, 0, 0, missing)
        for values, one in zip(self._nodes.values(), row, strict=True):
            values.append(one)

    @staticmethod
    def _split(told: dict[str, Any]) -> tuple[int, str, float, int]:
        if told["decision_type"] != "<=":
            raise LabError(
                f"The booster splits by {told['decision_type']!r}; expected thresholds (<=) alone."
            )
        return told["split_feature"], "BRANCH_LEQ", _down(told["threshold"]), 0


def _down(threshold: float) -> float:
    """The largest number of 32 bits that is at most the threshold."""
    nearest = np.float32(threshold)
    # As 64 bits: beside a number of 32 NumPy would round the threshold, too.
    low = float(nearest) <= threshold
    return float(nearest if low else np.nextafter(nearest, np.float32(-np.inf)))
