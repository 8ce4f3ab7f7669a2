"""Twenty milliseconds for each of three tiers, of forty-five."""

TASK = "fallback"
MESSAGE = "Give each a budget so that all of them fit"


def fallback():
    return {
        "deadline_ms": 45,
        "tiers": [
            {"use": "gpu", "budget_ms": 20, "breaker": True},
            {"use": "cpu", "budget_ms": 20, "breaker": True},
            {"use": "rules_history", "budget_ms": 20, "breaker": True},
            {"use": "rules", "budget_ms": 1, "breaker": False},
        ],
    }
