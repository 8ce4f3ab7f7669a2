"""The right fleet with a queue that has no end."""

TASK = "fleet"
MESSAGE = "bound their queue"
POINTS = 2.25


def fleet():
    return {
        "gpus": 7,
        "cpu_machines": 20,
        "queue_most": None,
        "timeout_ms": 23,
        "attempts": 2,
        "retry_share": 0.1,
    }
