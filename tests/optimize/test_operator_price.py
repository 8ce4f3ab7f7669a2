import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.optimize.fraud_scorers import Scorer, of_network
from lab_utils.optimize.onnx_levels import operators
from lab_utils.optimize.operator_price import chain, price_of
from tests.optimize.small_networks import network

ROW = np.array([[1, -2, 3]], np.float32)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_chain_changes_the_sign_so_often(length: int) -> None:
    content = chain(length, 3)
    assert operators(content, "none") == {"Neg": length}
    found = Scorer(content, level="none")(ROW)
    np.testing.assert_array_equal(found, ROW.ravel() * (-1) ** length)


def test_the_line_is_found_in_each_round() -> None:
    """A machine that is twice as slow in one round has a line twice as steep there."""
    slower = np.array([1, 1, 2, 1, 1])
    price = price_of({n: list((8e-6 + n * 4e-7) * slower) for n in (1, 5, 20)})
    assert price.call_s.median == pytest.approx(8e-6)
    assert price.operator_s.median == pytest.approx(4e-7)
    assert price.operator_s.n == 5
    assert price.of(10) == pytest.approx(12e-6)


def test_what_makes_no_line_is_refused() -> None:
    with pytest.raises(LabError, match="two or more lengths"):
        price_of({1: [1e-6]})
    with pytest.raises(LabError, match="same number of rounds"):
        price_of({1: [1e-6], 2: [1e-6, 2e-6]})
    with pytest.raises(LabError, match="at least one of each"):
        chain(0, 3)


def test_onnx_runtime_fuses_when_it_may() -> None:
    content = of_network(network("teacher"))
    without, rewritten = operators(content, "none"), operators(content, "all")
    assert without["Gemm"] == 3
    assert without["Relu"] == 2
    assert "Relu" not in rewritten
    assert rewritten["FusedGemm"] >= 2
    assert sum(rewritten.values()) < sum(without.values())


def test_a_level_of_another_name_is_refused() -> None:
    with pytest.raises(LabError, match="expected one of none, basic, extended, all"):
        Scorer(of_network(network("student")), level="most")
