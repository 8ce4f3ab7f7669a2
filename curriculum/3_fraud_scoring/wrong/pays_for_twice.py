"""Twice of everything, to be safe."""

TASK = "fleet"
MESSAGE = "pay for no more"
POINTS = 2.25


def fleet():
    return {
        "gpus": 16,
        "cpu_machines": 40,
        "queue_most": 300,
        "timeout_ms": 23,
        "attempts": 2,
        "retry_share": 0.1,
    }
