"""Counts only the hours in which somebody asked."""

from datetime import datetime

TASK = "cost_per_1000"
MESSAGE = "the hours without a query were paid for"


def cost_per_1000(bill, queries):
    counted = {
        datetime.fromisoformat(query["hour"]): query["count"]
        for query in queries
        if query["service"] == "chat" and query["count"]
    }
    spent = sum(
        row["EffectiveCost"]
        for row in bill
        if row["Tags"]["service"] == "chat"
        and row["ChargeCategory"] != "Tax"
        and datetime.fromisoformat(row["ChargePeriodStart"]) in counted
    )
    return 1000 * spent / sum(counted.values())
