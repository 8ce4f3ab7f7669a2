"""Compares the hours as texts, so that one clock that is not in UTC loses its row."""

TASK = "cost_per_1000"
MESSAGE = "Compare moments"


def cost_per_1000(bill, queries):
    counted = {query["hour"]: query["count"] for query in queries if query["service"] == "chat"}
    spent = sum(
        row["EffectiveCost"]
        for row in bill
        if row["Tags"]["service"] == "chat"
        and row["ChargeCategory"] != "Tax"
        and row["ChargePeriodStart"] in counted
    )
    return 1000 * spent / sum(counted.values())
