"""Takes Amdahl's law the wrong way round: what is gained if everything else were free."""

import time

TASK = "find_bottleneck"
MESSAGE = "that is what remains if everything *else* were free"


def find_bottleneck(stages: dict, requests: int) -> dict:
    for run in stages.values():
        run()
    took_s = dict.fromkeys(stages, 0.0)
    for _ in range(requests):
        for name, run in stages.items():
            start = time.perf_counter()
            run()
            took_s[name] += time.perf_counter() - start
    stage = max(took_s, key=took_s.get)
    share = took_s[stage] / sum(took_s.values())
    return {"stage": stage, "share": share, "limit": 1 / share}
