import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from lab_utils.models.onnx_file import onnx_file


@pytest.mark.filterwarnings("error::DeprecationWarning")
def test_it_computes_the_same_for_any_batch() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    content = onnx_file(network, torch.zeros(1, 3, 8, 8))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    inputs = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    (outputs,) = session.run(["output"], {"input": inputs.numpy()})
    np.testing.assert_allclose(outputs, network(inputs).detach().numpy(), atol=1e-5)
