"""Ceilings and layer times by the GPU's own clock; run on a machine that has one: -m gpu."""

import pytest
import torch
from torchvision.models import resnet50

from lab_utils.machine.ceilings import measure
from lab_utils.models.layers import layer_times_s

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here"),
]


def test_a_gpu_s_ceilings_are_above_its_processor_s() -> None:
    gpu, processor = measure(1, "cuda"), measure(1, "cpu")
    assert gpu.device == torch.cuda.get_device_name()
    assert gpu.bandwidth_bytes_per_s > processor.bandwidth_bytes_per_s
    assert gpu.peak_per_s("fp32") > processor.peak_per_s("fp32")
    assert gpu.copy.per_s.median < 2 * gpu.bandwidth_bytes_per_s


def test_layers_on_a_gpu_take_the_time_of_the_whole() -> None:
    network, inputs = resnet50(weights=None).cuda(), torch.zeros(8, 3, 224, 224).cuda()
    times_s = layer_times_s(network, inputs, runs=10)
    assert all(value.median > 0 for value in times_s.values())
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    with torch.no_grad():
        start.record()
        network(inputs)
        end.record()
        end.synchronize()
    whole_s = start.elapsed_time(end) / 1e3
    assert 0.3 < sum(value.median for value in times_s.values()) / whole_s < 3
