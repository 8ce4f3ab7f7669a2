"""Wants to be certain, and never is."""

import math

TASK = "canary"
MESSAGE = "were still waiting"


def canary(usual, worse, answers, failed):
    speaks = failed * math.log(worse / usual)
    speaks += (answers - failed) * math.log((1 - worse) / (1 - usual))
    if speaks > 60:
        return "roll back"
    return "promote" if speaks < -60 else "wait"
