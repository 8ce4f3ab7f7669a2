import asyncio

import numpy as np
import pytest
import torch

from lab_utils.models.onnx_file import onnx_file
from lab_utils.resilience.session_tier import SessionTier

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]


def test_with_a_gpu_it_is_used() -> None:
    file = onnx_file(torch.nn.Linear(15, 1), torch.zeros(1, 15))
    with SessionTier.gpu_or_stand_in(file) as tier:
        assert (tier.name, tier.device, tier.stands_in) == ("gpu", "cuda", False)
        assert asyncio.run(tier(np.zeros((3, 15), np.float32))).shape == (3, 1)
