"""The kernel compiled for a GPU; run on a machine that has one: -m gpu."""

import numpy as np
import pandas as pd
import pytest
import torch

from lab_utils.models.fraud.network import probabilities
from lab_utils.optimize.folded_network import folded
from lab_utils.optimize.triton_scorer import TritonScorer
from tests.optimize.small_networks import network, rows

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here"),
]


@pytest.mark.parametrize("name", ["student", "teacher"])
@pytest.mark.parametrize("count", [0, 1, 64, 300])
def test_the_kernel_gives_pytorchs_probabilities(name: str, count: int) -> None:
    some = rows()[:count]
    kernel = TritonScorer(folded(network(name)), "cuda")
    found = kernel(torch.from_numpy(some).cuda()).cpu().numpy()
    expected = probabilities(network(name), pd.DataFrame(some)) if count else np.empty(0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
