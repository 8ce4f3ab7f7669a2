"""Opens as it should and waits for good news, which only a call could bring."""

TASK = "may_ask"
MESSAGE = "was never asked again"


def may_ask(calls, inside, now_s):
    last = calls[-20:]
    return len(last) < 20 or sum(not call["ok"] for call in last) < 10
