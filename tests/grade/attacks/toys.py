"""Small tasks that attacks aim at."""

import numpy as np

from lab_utils.grade.spec import Case, FunctionTask, Wrong

FLOAT32_TOLERANCE = 1e-6
"""Of values between 0 and 1: float32 rounds them to 6e-8, float16 to 5e-4."""


def _draw_values(seed: int) -> list[Case]:
    chance = np.random.default_rng(seed)
    return [{"values": chance.uniform(1, 9, n).astype(np.float32)} for n in (5, 40, 300)]


def _judge_scaled(case: Case, output: object) -> None:
    wanted = case["values"].astype(np.float64) / case["values"].max()
    if not isinstance(output, np.ndarray) or output.shape != wanted.shape:
        raise Wrong(f"scaled gave a {type(output).__name__}. Return an array of the same shape.")
    off = float(np.abs(output - wanted).max())
    if not off <= FLOAT32_TOLERANCE:
        raise Wrong(f"scaled is off by {off:.0e}. Compute in float32.")


SCALED = FunctionTask(
    name="scaled",
    title="Scale to the largest",
    points=3,
    function="scaled",
    draw=_draw_values,
    judge=_judge_scaled,
    limit_s=20,
)
