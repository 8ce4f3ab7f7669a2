import asyncio

import numpy as np
import pytest
import torch

from lab_utils.errors import LabError
from lab_utils.models.onnx_file import onnx_file
from lab_utils.resilience.chain import Chain, Tier
from lab_utils.resilience.session_tier import SessionTier

GPU = torch.cuda.is_available()
FEATURES = 15


@pytest.fixture(scope="module")
def model() -> tuple[torch.nn.Module, bytes]:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(FEATURES, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)
    )
    return network.eval(), onnx_file(network, torch.zeros(1, FEATURES))


def answer(tier: SessionTier, rows: np.ndarray) -> np.ndarray:
    async def main() -> np.ndarray:
        chain = Chain([Tier(tier.name, tier, 20)], last=lambda rows: rows, deadline_s=30)
        answered = await chain.answer(rows)
        assert (answered.tier, answered.degraded) == (tier.name, False)
        return answered.value

    return asyncio.run(main())


def test_it_computes_what_the_network_does(model: tuple[torch.nn.Module, bytes]) -> None:
    network, file = model
    rows = np.random.default_rng(0).normal(size=(4, FEATURES)).astype(np.float32)
    with SessionTier.gpu_or_stand_in(file) as tier:
        assert tier.stands_in is not GPU
        assert tier.name == ("gpu" if GPU else "gpu (stand-in on the cpu)")
        found = answer(tier, rows)
    with torch.no_grad():
        expected = network(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.skipif(GPU, reason="there is a GPU here")
def test_without_a_gpu_nothing_pretends_to_be_one(model: tuple[torch.nn.Module, bytes]) -> None:
    with pytest.raises(LabError, match="on cuda was asked for, and ONNX Runtime has none here"):
        SessionTier(model[1], "cuda")
