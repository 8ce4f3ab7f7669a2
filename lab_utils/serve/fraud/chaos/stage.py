"""What is played: a trained world, how long a payer waits, and a bad version of its model.

    stage = prepared(folder, deadline_s=0.05)
    stage.models            # {"gpu": …, "cpu": …}; both are sessions on this processor

The "gpu" is a stand-in: boosted trees in ONNX Runtime on the processor, as the "cpu" is with fewer
of them. What matters here is the order in which they are asked, and what happens when one is late.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx
from onnx import helper

from lab_utils.files import write_bytes
from lab_utils.models.fraud.feature_names import DAY_S
from lab_utils.optimize.fraud_scorers import OUTPUT
from lab_utils.serve.fraud.policy import Policy
from lab_utils.serve.fraud.trained import TEST_FROM_DAY, Trained, trained

NOW_S = (TEST_FROM_DAY + 1.5) * DAY_S
"""A Monday noon; the past ends the day before."""
GATEWAY, STORE, MODEL = 0.7, 0.16, 0.2
"""Of a payer's deadline: what the gateway may take, and of it the store and each model."""


@dataclass(frozen=True)
class Stage:
    """swapped: the first tier's model with its two classes mixed up. deadline_s: a payer's.

    filled: what a Redis held when the past had been told to it, key by key, as it dumps them: to
    put that into another one is a tenth of the work. Empty until the first is filled. filling: for
    whoever fills or reads it.
    """

    world: Trained
    swapped: Path
    deadline_s: float
    filled: dict[bytes, bytes] = field(default_factory=dict)
    filling: threading.Lock = field(default_factory=threading.Lock)

    @property
    def models(self) -> dict[str, Path]:
        """The tiers, the best first."""
        return {"gpu": self.world.trees, "cpu": self.world.smaller}

    @property
    def policy(self) -> Policy:
        """The world's, with its times in the deadline."""
        return replace(
            self.world.policy,
            deadline_s=GATEWAY * self.deadline_s,
            features_s=STORE * self.deadline_s,
            model_s=MODEL * self.deadline_s,
        )


def prepared(folder: Path, *, deadline_s: float = 0.05) -> Stage:
    """Train, which takes some seconds, and write the models' files into the folder."""
    world = trained(folder)
    swapped = folder / "swapped.onnx"
    write_bytes(swapped, swapped_classes(world.trees.read_bytes()))
    return Stage(world, swapped, deadline_s)


def swapped_classes(content: bytes) -> bytes:
    """The scorer that gives the probability of *no* fraud: column 0 in the place of column 1."""
    model = onnx.load_model_from_string(content)
    nodes = model.graph.node
    nodes[-1].output[0] = "fraud"
    one = helper.make_tensor("one_value", onnx.TensorProto.FLOAT, [], [1.0])
    nodes.append(helper.make_node("Constant", [], ["one"], value=one))
    nodes.append(helper.make_node("Sub", ["one", "fraud"], [OUTPUT]))
    onnx.checker.check_model(model)
    swapped: bytes = model.SerializeToString()
    return swapped
