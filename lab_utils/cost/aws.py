"""The same table from AWS: Cost Explorer's GetCostAndUsage, through boto3.

    costs = hourly_costs("2026-11-20", "2026-11-24")            # needs credentials
    cost_of_queries(costs, counts, "chat")                      # as with a FOCUS export

Each page of an answer costs 0.01 USD (AWS Cost Management pricing). Hours must have been switched
on in Cost Explorer's settings, and it keeps them for 14 days; a tag counts only from the day on
which it was activated as a cost allocation tag.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lab_utils.cost.hourly import NOBODY, HourlyCosts
from lab_utils.errors import LabError

METRICS = {"BilledCost": "UnblendedCost", "EffectiveCost": "NetAmortizedCost"}
"""FOCUS's columns in Cost Explorer's words."""
LEFT_OUT = ("Credit", "Refund", "Tax")
"""Record types that say nothing of what an hour of work cost. An amortised fee of a reservation
stays: it is what nobody used of it."""


def request(start: str, end: str, cost: str, tag: str) -> dict[str, Any]:
    """The parameters of GetCostAndUsage. start, end: days, the end not included."""
    if cost not in METRICS:
        raise LabError(f"The cost is {cost!r}; expected {' or '.join(METRICS)}.")
    first, last = (_day(text) for text in (start, end))
    if not first < last:
        raise LabError(f"From {start} to {end} was asked; expected a later end, as the day after.")
    return {
        "TimePeriod": {"Start": f"{first}T00:00:00Z", "End": f"{last}T00:00:00Z"},
        "Granularity": "HOURLY",
        "Metrics": [METRICS[cost]],
        "GroupBy": [{"Type": "TAG", "Key": tag}],
        "Filter": {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": list(LEFT_OUT)}}},
    }


def hourly_costs(
    start: str,
    end: str,
    cost: str = "EffectiveCost",
    tag: str = "service",
    client: Any = None,
) -> HourlyCosts:
    """Costs of each hour by the tag's value, what has no such tag under `NOBODY`.

    client: of boto3's "ce"; made from the environment's credentials where none is given. Raises
    LabError for days that make no sense, in AWS's words where it refuses, and for several
    currencies.
    """
    asked = request(start, end, cost, tag)
    if client is None:
        import boto3

        client = boto3.client("ce", region_name="us-east-1")  # its one endpoint
    hours = np.arange(np.datetime64(start, "h"), np.datetime64(end, "h"))
    by_service: dict[str, Any] = {}
    currencies = set()
    for page in _pages(client, asked):
        for result in page["ResultsByTime"]:
            began = np.datetime64(result["TimePeriod"]["Start"].removesuffix("Z"), "h")
            place = int((began - hours[0]).astype(int))
            for group in result["Groups"]:
                # AWS writes a tag's value as "service$chat", and its absence as "service$".
                service = group["Keys"][0].removeprefix(f"{tag}$") or NOBODY
                amount = group["Metrics"][METRICS[cost]]
                currencies.add(amount["Unit"])
                column = by_service.setdefault(service, np.zeros(hours.size))
                column[place] += float(amount["Amount"])
    if len(currencies) != 1:
        has = " and ".join(sorted(currencies)) or "no cost"
        raise LabError(f"Cost Explorer gave {has} from {start} to {end}; expected one currency.")
    return HourlyCosts(currencies.pop(), hours, by_service)


def _pages(client: Any, asked: Mapping[str, Any]) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError

    token: dict[str, str] = {}
    while True:
        try:
            page = client.get_cost_and_usage(**asked, **token)
        except (BotoCoreError, ClientError) as error:
            raise LabError(f"AWS Cost Explorer does not answer: {error}") from None
        yield page
        if not page.get("NextPageToken"):
            return
        token = {"NextPageToken": page["NextPageToken"]}


def _day(text: str) -> np.datetime64:
    try:
        return np.datetime64(text, "D")
    except ValueError:
        raise LabError(f"The day is {text!r}; expected one as 2026-11-20.") from None
