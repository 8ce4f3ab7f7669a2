"""Counts the keys of the cache only."""

TASK = "users_that_fit"
MESSAGE = "Count both"


def users_that_fit(shape, memory_bytes, activation_bytes, tokens, weight_bits, cache_bits):
    left = memory_bytes - activation_bytes - shape["parameters"] * weight_bits / 8
    keys = shape["layers"] * shape["cached_heads"] * shape["head_width"]
    return max(int(left // (keys * tokens * cache_bits / 8)), 0)
