"""Keeps a key and a value for every head, though groups of heads share theirs."""

TASK = "users_that_fit"
MESSAGE = "the cache keeps cached_heads, not heads"


def users_that_fit(shape, memory_bytes, activation_bytes, tokens, weight_bits, cache_bits):
    left = memory_bytes - activation_bytes - shape["parameters"] * weight_bits / 8
    values = 2 * shape["layers"] * shape["heads"] * shape["head_width"]
    return max(int(left // (values * tokens * cache_bits / 8)), 0)
