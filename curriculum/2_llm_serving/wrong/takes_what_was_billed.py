"""Takes BilledCost: the reservation stands in one hour, and nothing in those that use it."""

from datetime import datetime

TASK = "cost_per_1000"
MESSAGE = "Take EffectiveCost"


def cost_per_1000(bill, queries):
    counted = {
        datetime.fromisoformat(query["hour"]): query["count"]
        for query in queries
        if query["service"] == "chat"
    }
    spent = sum(
        row["BilledCost"]
        for row in bill
        if row["Tags"]["service"] == "chat"
        and row["ChargeCategory"] != "Tax"
        and datetime.fromisoformat(row["ChargePeriodStart"]) in counted
    )
    return 1000 * spent / sum(counted.values())
