"""One probe each half second, however well the last one went."""

TASK = "may_ask"
MESSAGE = "let the next one follow at once"


def may_ask(calls, inside, now_s):
    last = calls[-20:]
    if len(last) < 20 or sum(not call["ok"] for call in last) < 10:
        return True
    return inside == 0 and now_s - last[-1]["ended_s"] >= 0.5
