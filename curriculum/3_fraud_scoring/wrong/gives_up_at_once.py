"""Has learned that retries are dangerous."""

TASK = "may_retry"
MESSAGE = "a retry is what saves them"


def may_retry(requests, retries, left_ms, usual_ms):
    return False
