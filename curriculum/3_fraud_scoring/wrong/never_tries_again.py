"""One attempt: what was on its way in the lost region has no answer."""

TASK = "fleet"
MESSAGE = "needs a second attempt"
POINTS = (2.4, 2.75)
"""About half of the marks for availability: how much is on its way is drawn."""


def fleet():
    return {
        "gpus": 7,
        "cpu_machines": 20,
        "queue_most": 300,
        "timeout_ms": 23,
        "attempts": 1,
        "retry_share": 0.1,
    }
