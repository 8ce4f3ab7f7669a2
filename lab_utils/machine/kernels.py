"""What the ceilings are measured with: calls that move bytes, and calls that multiply matrices.

Each is the call that a model's own layers end in (torch's oneDNN or cuBLAS, OpenVINO's int8), so
a ceiling is what the best of layers could reach, not what a data sheet promises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}
SIZES = (512, 1024, 2048, 4096, 8192)


@dataclass(frozen=True)
class Kernel:
    """One call, the work it does (bytes moved, or operations), and through what.

    An operation is one addition or one multiplication: a multiply-add counts two.
    """

    through: str
    work: float
    call: Callable[[], object]


Way = Callable[[int, str, int], Kernel]
"""From size, device and number of threads to a product of two square matrices."""


def reading(array: torch.Tensor, other: torch.Tensor) -> list[Kernel]:
    """Ways to read memory, each with its bytes; both arrays (N,) float32, N a multiple of 4096."""
    rows = array.view(-1, 4096)
    vector = other[:4096]
    return [
        Kernel("torch.sum", array.nbytes, array.sum),
        Kernel("torch.dot", array.nbytes + other.nbytes, lambda: torch.dot(array, other)),
        Kernel("torch.mv", array.nbytes, lambda: torch.mv(rows, vector)),
    ]


def copying(array: torch.Tensor, other: torch.Tensor) -> list[Kernel]:
    """Copy one array over the other: what is read and what is written both count.

    (A processor may also read the lines that it is about to overwrite; that is not counted, as in
    McCalpin's STREAM.)
    """
    return [Kernel("Tensor.copy_", array.nbytes + other.nbytes, lambda: other.copy_(array))]


def ways_to_multiply(precision: str, device: str) -> tuple[Way, ...]:
    """What can multiply square matrices in this precision: each makes a `Kernel` of a size."""
    if precision == "int8":
        return (torch_int8, openvino_int8) if device == "cpu" else (torch_int8,)
    dtype = PRECISIONS[precision]
    return (lambda size, device, threads: torch_floats(dtype, size, device),)


def torch_floats(dtype: torch.dtype, size: int, device: str) -> Kernel:
    """The product that a Linear layer is: its weights lie transposed."""
    first, second = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    through = f"torch.mm, {size} × {size}"
    return Kernel(through, 2.0 * size**3, lambda: torch.mm(first, second.t()))


def torch_int8(size: int, device: str, threads: int) -> Kernel:
    """8-bit integers in, 32-bit sums out."""
    first, second = (
        torch.randint(-127, 127, (size, size), dtype=torch.int8, device=device) for _ in range(2)
    )
    through = f"torch._int_mm, {size} × {size}"
    return Kernel(through, 2.0 * size**3, lambda: torch._int_mm(first, second.t()))


def openvino_int8(size: int, device: str, threads: int) -> Kernel:
    """A layer as OpenVINO runs it in int8: float32 in and out, quantised inside, weights int8."""
    import numpy as np
    import openvino as ov
    from openvino import opset13 as ops

    random = np.random.default_rng(0)
    inputs = ops.parameter([size, size], np.float32)
    low, high = ops.constant(np.float32(-1.28)), ops.constant(np.float32(1.27))
    quantised = ops.fake_quantize(inputs, low, high, low, high, 256)
    codes = ops.constant(random.integers(-127, 127, (size, size), dtype=np.int8))
    scale = ops.constant(np.full((1, 1), 0.01, dtype=np.float32))
    weights = ops.multiply(ops.convert(codes, "f32"), scale)
    model = ov.Model([ops.matmul(quantised, weights, False, True)], [inputs])
    options: dict[str, object] = {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    request = ov.Core().compile_model(model, device.upper(), options).create_infer_request()
    request.set_input_tensor(ov.Tensor(random.normal(size=(size, size)).astype(np.float32)))
    return Kernel(f"OpenVINO int8 layer, {size} × {size}", 2.0 * size**3, request.infer)
