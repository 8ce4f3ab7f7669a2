"""Tries again as long as there is time."""

TASK = "may_retry"
MESSAGE = "Give retries a budget"


def may_retry(requests, retries, left_ms, usual_ms):
    return left_ms > usual_ms
