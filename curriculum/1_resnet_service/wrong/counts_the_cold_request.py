"""Takes its figures from every request, the cold one included."""

import time

TASK = "find_bottleneck"
MESSAGE = "is slow in the first request only"


def find_bottleneck(stages: dict, requests: int) -> dict:
    took_s = dict.fromkeys(stages, 0.0)
    for _ in range(requests + 1):
        for name, run in stages.items():
            start = time.perf_counter()
            run()
            took_s[name] += time.perf_counter() - start
    stage = max(took_s, key=took_s.get)
    share = took_s[stage] / sum(took_s.values())
    return {"stage": stage, "share": share, "limit": 1 / (1 - share)}
