"""Times every request, the first one, too."""

import time

TASK = "find_bottleneck"
MESSAGE = "Every request was timed, the first one, too"


def find_bottleneck(stages: dict, requests: int) -> dict:
    took_s = dict.fromkeys(stages, 0.0)
    for _ in range(requests):
        for name, run in stages.items():
            start = time.perf_counter()
            run()
            took_s[name] += time.perf_counter() - start
    stage = max(took_s, key=took_s.get)
    share = took_s[stage] / sum(took_s.values())
    return {"stage": stage, "share": share, "limit": 1 / (1 - share)}
