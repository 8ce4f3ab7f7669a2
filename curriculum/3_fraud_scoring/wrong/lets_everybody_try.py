"""When the wait is over, everybody who comes until the first answer may try."""

TASK = "may_ask"
MESSAGE = "Let a probe pass only while no other is inside"


def may_ask(calls, inside, now_s):
    last = calls[-20:]
    if len(last) < 20 or sum(not call["ok"] for call in last) < 10:
        return True
    return last[-1]["ok"] or now_s - last[-1]["ended_s"] >= 0.5
