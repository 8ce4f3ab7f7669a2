"""The right chain without breakers: in time, and every payment waits for what will not answer."""

TASK = "fallback"
MESSAGE = "Do not ask, with every payment"
POINTS = 3


def fallback():
    return {
        "deadline_ms": 45,
        "tiers": [
            {"use": "gpu", "budget_ms": 13, "breaker": False},
            {"use": "cpu", "budget_ms": 16, "breaker": False},
            {"use": "rules_history", "budget_ms": 8, "breaker": False},
            {"use": "rules", "budget_ms": 1, "breaker": False},
        ],
    }
