"""A test for one look, at every look: the first "significant" one decides."""

import math

TASK = "canary"
MESSAGE = "Each look at the counts is another chance to be wrong"


def canary(usual, worse, answers, failed):
    z = (failed / answers - usual) / math.sqrt(usual * (1 - usual) / answers)
    if z > 1.645:
        return "roll back"
    return "promote" if answers > 60 / usual else "wait"
