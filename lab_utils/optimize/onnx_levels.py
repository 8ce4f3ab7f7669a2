"""Which operators ONNX Runtime runs at each level of its rewriting.

    operators(content, "none")      # {"Gemm": 2, "Clip": 1, "Log": 1, …}
    operators(content, "all")       # {"FusedGemm": 1, "Gemm": 1, …}

The graph is the one that the session itself writes after its rewriting.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import onnx

from lab_utils.optimize.onnx_variants import session


def operators(content: bytes, level: str = "all") -> dict[str, int]:
    """How many of each operator, the most frequent first. content: an ONNX file's.

    Raises LabError for a level that `onnx_variants.LEVELS` does not name.
    """
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "written.onnx"
        session(content, threads=1, level=level, optimised=written)
        nodes = onnx.load(written).graph.node
    kinds = (node.op_type for node in nodes if node.op_type != "Constant")
    return dict(Counter(kinds).most_common())
