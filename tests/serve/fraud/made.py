"""Small scorers as ONNX files, whose scores a test can work out, and a store that covers all."""

from pathlib import Path

import torch

from lab_utils.features.sqlite_store import SqliteStore
from lab_utils.models.fraud.feature_names import FEATURES
from lab_utils.models.fraud.rules import Condition, Rule, RuleEngine
from lab_utils.models.onnx_file import onnx_file
from lab_utils.serve.fraud.policy import Policy

RULES = RuleEngine((Rule((Condition("amount", True, 220.0),), 0.99),), ("amount",), 0.01)
GENEROUS = Policy(
    decline_from=0.9, review_from=0.5, review_amount=100.0, deadline_s=4, features_s=1, model_s=2
)
"""What is tested is no speed, and a busy machine must not make a tier late."""


def audit(folder: Path) -> Path:
    """Where a gateway's log will be, beside a store that lacks nothing of the past."""
    store = SqliteStore(folder / "features.sqlite")
    store.begin()
    store.close()
    return folder / "audit"


class Constant(torch.nn.Module):
    """Says the same of every payment."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows[:, :1] * 0 + self.value


def constant(path: Path, value: float) -> Path:
    """A scorer's file."""
    path.write_bytes(onnx_file(Constant(value), torch.zeros(2, len(FEATURES))))
    return path
