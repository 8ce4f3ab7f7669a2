"""Keeps to the budget and does not look at the time."""

TASK = "may_retry"
MESSAGE = "it is work for nobody"


def may_retry(requests, retries, left_ms, usual_ms):
    return retries + 1 <= 0.1 * requests
