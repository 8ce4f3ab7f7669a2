"""Impatient clients, three attempts, no budget: retries without end."""

TASK = "fleet"
MESSAGE = "give retries a share of the requests"


def fleet():
    return {
        "gpus": 7,
        "cpu_machines": 20,
        "queue_most": 300,
        "timeout_ms": 6,
        "attempts": 4,
        "retry_share": None,
    }
