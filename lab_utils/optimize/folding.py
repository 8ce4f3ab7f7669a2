"""Normalisation folded into the first convolution's weights, rightly and as it is usually done.

    folded(network.conv1, padding="zeros")      # as usually done: wrong along the border
    folded(network.conv1, padding="mean")       # the same answers as before

(pixel / 255 − mean) / deviation is a product and a sum for each channel, and so are a convolution's
weights and bias. What folding forgets is the padding: a network pads its *normalised* input with
zeros, and a zero there is a pixel of 255 × mean, not a black one.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from lab_utils.errors import LabError
from lab_utils.optimize.normalisation import DEVIATION, MEAN

BY_CHANNEL = (1, 3, 1, 1)


class MeanPadding(nn.Module):
    """Adds rows and columns of the mean picture's pixel (0 to 255) around pixels (N, 3, H, W)."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self._sides = (columns, columns, rows, rows)
        self._mean = 255 * torch.tensor(MEAN).reshape(BY_CHANNEL)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels of shape (N, 3, H + 2 × rows, W + 2 × columns)."""
        return nn.functional.pad(pixels - self._mean, self._sides) + self._mean


def folded(convolution: nn.Conv2d, padding: Literal["zeros", "mean"]) -> nn.Sequential:
    """The convolution with the normalisation in its weights and bias; takes float pixels, 0 to 255.

    padding: "zeros" leaves the convolution's own zeros, which now stand for black; "mean" pads with
    the pixel that normalisation would turn into zero. Raises LabError where the convolution is not
    of three channels padded with zeros.
    """
    if convolution.in_channels != 3 or convolution.padding_mode != "zeros":
        raise LabError(
            f"The convolution takes {convolution.in_channels} channels and pads with "
            f"{convolution.padding_mode}; expected a network's first one: 3 channels, zeros."
        )
    if padding not in ("zeros", "mean"):
        raise LabError(f'The padding is {padding!r}; expected "zeros" or "mean".')
    weight = convolution.weight.detach() / (255 * torch.tensor(DEVIATION).reshape(BY_CHANNEL))
    bias = -(weight * 255 * torch.tensor(MEAN).reshape(BY_CHANNEL)).sum((1, 2, 3))
    if convolution.bias is not None:
        bias = bias + convolution.bias.detach()
    rows, columns = (int(side) for side in convolution.padding)
    inside = nn.Conv2d(
        3,
        convolution.out_channels,
        (convolution.kernel_size[0], convolution.kernel_size[1]),
        (convolution.stride[0], convolution.stride[1]),
        (rows, columns) if padding == "zeros" else 0,
        (convolution.dilation[0], convolution.dilation[1]),
    )
    inside.weight = nn.Parameter(weight, requires_grad=False)
    inside.bias = nn.Parameter(bias, requires_grad=False)
    around = [MeanPadding(rows, columns)] if padding == "mean" else []
    return nn.Sequential(*around, inside).eval()
