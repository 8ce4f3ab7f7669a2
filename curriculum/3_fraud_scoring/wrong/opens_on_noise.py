"""Opens on two failures among the last ten, as chance brings them, and waits a second then."""

TASK = "may_ask"
MESSAGE = "not on the first failures"


def may_ask(calls, inside, now_s):
    if sum(not call["ok"] for call in calls[-10:]) < 2:
        return True
    return inside == 0 and now_s - calls[-1]["ended_s"] >= 1
