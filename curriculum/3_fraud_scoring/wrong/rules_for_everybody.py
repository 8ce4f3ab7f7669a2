"""Always in time, and hardly better than no score at all."""

TASK = "fallback"
MESSAGE = "Order the tiers by what they catch"


def fallback():
    return {
        "deadline_ms": 45,
        "tiers": [{"use": "rules", "budget_ms": 5, "breaker": False}],
    }
