"""Divides all of the memory among the users, as if the weights lay elsewhere."""

TASK = "users_that_fit"
MESSAGE = "the weights lie in the same memory"


def users_that_fit(shape, memory_bytes, activation_bytes, tokens, weight_bits, cache_bits):
    left = memory_bytes - activation_bytes
    values = 2 * shape["layers"] * shape["cached_heads"] * shape["head_width"]
    return max(int(left // (values * tokens * cache_bits / 8)), 0)
