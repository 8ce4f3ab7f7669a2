"""A breaker that never opens: it asks whatever came back."""

TASK = "may_ask"
MESSAGE = "Stop asking where half of the last calls failed"


def may_ask(calls, inside, now_s):
    return True
