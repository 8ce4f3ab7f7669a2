"""GPUs for the mean of a quiet day, and few machines to fall back on."""

TASK = "fleet"
MESSAGE = "With a region lost the others carry half as much again"


def fleet():
    return {
        "gpus": 4,
        "cpu_machines": 8,
        "queue_most": 300,
        "timeout_ms": 23,
        "attempts": 2,
        "retry_share": 0.1,
    }
