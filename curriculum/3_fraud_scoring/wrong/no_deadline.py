"""The client library's time limit in place of a deadline."""

TASK = "fallback"
MESSAGE = "give the whole chain a deadline within the 50 ms"


def fallback():
    return {
        "deadline_ms": 5000,
        "tiers": [
            {"use": "gpu", "budget_ms": 1000, "breaker": False},
            {"use": "cpu", "budget_ms": 1000, "breaker": False},
            {"use": "rules", "budget_ms": 1000, "breaker": False},
        ],
    }
