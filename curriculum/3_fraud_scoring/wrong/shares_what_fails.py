"""Three fallbacks, all of which ask the same store."""

TASK = "fallback"
MESSAGE = "Every tier of yours needs what is broken there"


def fallback():
    return {
        "deadline_ms": 45,
        "tiers": [
            {"use": "gpu", "budget_ms": 13, "breaker": True},
            {"use": "cpu", "budget_ms": 16, "breaker": True},
            {"use": "rules_history", "budget_ms": 8, "breaker": True},
        ],
    }
