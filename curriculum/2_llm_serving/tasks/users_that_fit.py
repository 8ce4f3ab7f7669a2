"""Task 1: how many users' caches fit beside the weights."""

import random
from typing import Any

from lab_utils.grade.spec import Case, FunctionTask, Wrong

from .forms import is_whole, kind_of

GIB = 2**30
MOST_USERS = 10**9


def draw_machines(seed: int) -> list[Case]:
    """Shapes of real proportions with their memories; the last one's weights do not fit."""
    chance = random.Random(seed)
    cases: list[Case] = []
    for grouped in (1, 4, 8, 1):
        heads = chance.choice([16, 24, 32, 40])
        heads -= heads % grouped
        shape = {
            "parameters": chance.randrange(1_000, 14_000) * 1_000_000,
            "layers": chance.randrange(16, 48),
            "heads": heads,
            "cached_heads": heads // grouped,
            "head_width": chance.choice([64, 96, 128]),
        }
        weight_bits = chance.choice([4.125, 4.5, 8.5, 16])
        weights = shape["parameters"] * weight_bits / 8
        cases.append(
            {
                "shape": shape,
                "memory_bytes": int(weights + chance.uniform(3, 30) * GIB),
                "activation_bytes": chance.randrange(100, 900) * 2**20,
                "tokens": chance.choice([1024, 2048, 4096]),
                "weight_bits": weight_bits,
                "cache_bits": chance.choice([8, 16]),
            }
        )
    cases.append(cases[0] | {"memory_bytes": int(0.8 * weights_bytes(cases[0]))})
    return cases


def weights_bytes(case: Case) -> float:
    return float(case["shape"]["parameters"] * case["weight_bits"] / 8)


def cache_bytes(case: Case) -> float:
    """Of one user: a key and a value for each token, layer and cached head."""
    shape = case["shape"]
    values = 2 * shape["layers"] * shape["cached_heads"] * shape["head_width"] * case["tokens"]
    return float(values * case["cache_bits"] / 8)


def left_bytes(case: Case) -> float:
    return float(case["memory_bytes"] - weights_bytes(case) - case["activation_bytes"])


def judge_users(case: Case, output: Any) -> None:
    if not is_whole(output) or abs(output) > MOST_USERS:
        raise Wrong(
            f"users_that_fit returned {kind_of(output)}. Return a whole number of users; int(…) "
            "of a quotient cuts it off."
        )
    left, one = left_bytes(case), cache_bytes(case)
    users = max(int(left // one), 0)
    if output == users:
        return
    for mistaken, message in _mistakes(case, left, one).items():
        if output == mistaken:
            raise Wrong(f"users_that_fit gave {output}, expected {users}: {message}")
    raise Wrong(
        f"users_that_fit gave {output}, expected {users}: the weights take "
        f"{weights_bytes(case) / 1e9:.2f} GB, which leaves {left / 1e9:.2f} GB, and one user's cache "
        f"takes {one / 1e9:.3f} GB. Compare these with yours."
    )


def _mistakes(case: Case, left: float, one: float) -> dict[int, str]:
    """What each of the usual mistakes gives, and what to say to it."""
    if left < 0:
        return {
            int(left // one): "the weights alone do not fit, so nobody does. Return 0 there.",
            -int(-left // one): "the weights alone do not fit, so nobody does. Return 0 there.",
        }
    shape = case["shape"]
    found = {
        int(left // (one * shape["heads"] / shape["cached_heads"])): "the cache keeps "
        "cached_heads, not heads: that is what grouped heads are for.",
        int(left // (one / 2)): "each token leaves a key *and* a value. Count both.",
        int(left // (one * 8 / case["cache_bits"])): "cache_bits are bits. A byte has 8 of them.",
        int((left + weights_bytes(case)) // one): "the weights lie in the same memory. Take them "
        "off first.",
        int((left + case["activation_bytes"]) // one): "a pass needs activation_bytes besides. "
        "Take them off first.",
        int(left // one) + 1: "the last user's cache does not fit whole. Round down.",
    }
    return {users: message for users, message in found.items() if users != int(left // one)}


USERS_THAT_FIT = FunctionTask(
    name="users_that_fit",
    title="Size the memory",
    points=2,
    function="users_that_fit",
    draw=draw_machines,
    judge=judge_users,
)
