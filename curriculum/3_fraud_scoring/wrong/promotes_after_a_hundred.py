"""A canary without enough samples: a hundred answers, and the share looks fine."""

TASK = "canary"
MESSAGE = "too few to tell"


def canary(usual, worse, answers, failed):
    if answers < 100:
        return "wait"
    return "roll back" if failed / answers > worse else "promote"
