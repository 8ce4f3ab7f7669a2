"""Cuts the fraction off in place of rounding to the nearest."""

import numpy as np

TASK = "quantise"
MESSAGE = "Round to the nearest integer"


def quantise(weights):
    groups = weights.reshape(len(weights), -1, 32)
    scales = np.abs(groups).max(-1) / 7
    integers = (groups / scales[..., None]).astype(np.int8)
    return {"integers": integers.reshape(weights.shape), "scales": scales}
