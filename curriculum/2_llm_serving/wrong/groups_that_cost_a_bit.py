"""Groups of 8: so many scales that a weight takes six bits."""

import numpy as np

TASK = "quantise"
MESSAGE = "Make the groups larger"


def quantise(weights):
    groups = weights.reshape(len(weights), -1, 8)
    scales = np.abs(groups).max(-1) / 7
    integers = np.round(groups / scales[..., None]).astype(np.int8)
    return {"integers": integers.reshape(weights.shape), "scales": scales}
