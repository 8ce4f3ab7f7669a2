"""Waits for its number of answers, whatever comes back meanwhile."""

TASK = "canary"
MESSAGE = "Do not wait for a number of answers"


def canary(usual, worse, answers, failed):
    if answers < 40 / usual:
        return "wait"
    return "roll back" if failed / answers > (usual + worse) / 2 else "promote"
