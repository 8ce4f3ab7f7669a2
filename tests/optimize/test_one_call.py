"""Whatever a network is made into, its probabilities stay PyTorch's."""

import numpy as np
import pandas as pd
import pytest
import torch

from lab_utils.components.catalogue import CATALOGUE
from lab_utils.errors import LabError
from lab_utils.models.fraud.network import probabilities
from lab_utils.optimize.folded_network import as_module, folded, multiply_adds
from lab_utils.optimize.one_loop import OneLoop
from lab_utils.optimize.torch_scorers import Compiled, Eager, kernel_calls
from lab_utils.optimize.triton_scorer import TritonScorer, interpreted
from tests.optimize.small_networks import WIDTHS, network, rows

CLOSE = {"rtol": 0, "atol": 1e-5}
needs_compiler = pytest.mark.skipif(not CATALOGUE["g++"].present(), reason="needs a compiler")


def truth(name: str) -> np.ndarray:
    return probabilities(network(name), pd.DataFrame(rows()))


@pytest.mark.parametrize("name", WIDTHS)
def test_the_folded_matrices_are_the_network(name: str) -> None:
    values = np.log1p(np.maximum(rows(), 0))
    *hidden, last = folded(network(name))
    for layer in hidden:
        values = np.maximum(values @ layer.weights + layer.biases, 0)
    logits = (values @ last.weights + last.biases).ravel()
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), truth(name), **CLOSE)
    assert truth(name).std() > 0.1  # it has learned to tell them apart
    with torch.inference_mode():
        again = as_module(folded(network(name)))(torch.from_numpy(rows())).numpy().ravel()
    np.testing.assert_allclose(again, truth(name), **CLOSE)


def test_multiplications_are_those_of_the_matrices() -> None:
    assert multiply_adds(folded(network("student"))) == 15 * 16 + 16
    assert multiply_adds(folded(network("teacher"))) == 15 * 64 + 64 * 64 + 64


@pytest.mark.parametrize("name", WIDTHS)
def test_one_loop_gives_pytorchs_probabilities(name: str) -> None:
    loop = OneLoop(network(name))
    np.testing.assert_allclose(loop(rows()), truth(name), **CLOSE)
    np.testing.assert_allclose(loop(rows()[5:6]), truth(name)[5:6], **CLOSE)
    assert loop(rows()[:0]).shape == (0,)
    for other in (np.asfortranarray(rows()), rows()[::2]):  # rows in another order in memory
        assert len(loop(other)) == len(other)
    np.testing.assert_allclose(loop(rows()[::2]), truth(name)[::2], **CLOSE)


def test_one_loop_keeps_what_is_no_number() -> None:
    """A sum in another order may not turn it into a score."""
    assert np.isnan(OneLoop(network("student"))(np.full((1, 15), np.nan, np.float32))).all()


def test_one_loop_refuses_other_rows() -> None:
    with pytest.raises(LabError, match=r"expected \(N, 15\) of float32"):
        OneLoop(network("student"))(np.zeros((1, 14), np.float32))


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_eager_counts_what_computes(name: str) -> None:
    eager = Eager(network(name))
    np.testing.assert_allclose(eager(rows()), truth(name), **CLOSE)
    matrices = len(WIDTHS[name]) + 1
    assert eager.calls["addmm"] == matrices
    assert eager.calls["relu"] == matrices - 1
    assert {"log1p", "sub", "div", "sigmoid"} <= set(eager.calls)
    assert "t" not in eager.calls  # a view


@needs_compiler
def test_compiled_calls_less_and_gives_the_same() -> None:
    compiled = Compiled(network("student"))
    np.testing.assert_allclose(compiled(rows()[5:6]), truth("student")[5:6], **CLOSE)
    assert 1 <= sum(compiled.calls.values()) < sum(Eager(network("student")).calls.values())
    with pytest.raises(LabError, match="2 rows came; this was compiled for 1"):
        compiled(rows()[:2])


def test_kernels_are_counted_where_they_are_called() -> None:
    program = """
cpp_fused_relu_0 = async_compile.cpp_pybinding(['float*'], '''…''')
    def call(self, args):
        buf0 = empty((1, 16))
        extern_kernels.addmm(arg1, arg0, weights, out=buf0)
        cpp_fused_relu_0(buf0)
        buf2 = torch.ops.mkldnn._linear_pointwise.default(buf0)
        cpp_fused_relu_0(buf2)
"""
    assert kernel_calls([program]) == {
        "cpp_fused_relu_0": 2,
        "addmm": 1,
        "torch.ops.mkldnn._linear_pointwise.default": 1,
    }


def test_the_gpu_kernel_interpreted_gives_pytorchs_probabilities() -> None:
    """300 payments: four whole programs and a part of one. Lesson 3.8 holds the teacher to it."""
    pytest.importorskip("triton")
    found = interpreted(folded(network("student")), rows())
    np.testing.assert_allclose(found, truth("student"), **CLOSE)


def test_the_gpu_kernel_refuses_widths_that_do_not_fit() -> None:
    with pytest.raises(LabError, match=r"The layers give \[32, 16, 1\] values; expected hidden"):
        TritonScorer(folded(network("uneven")), "cpu")
    with pytest.raises(LabError, match="expected hidden"):
        interpreted(folded(network("uneven")), rows())
