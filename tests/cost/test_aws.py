"""Against the service's own model, which botocore carries: Stubber refuses what AWS would."""

from typing import Any

import boto3
import numpy as np
import pytest
from botocore import stub

from lab_utils.cost import aws
from lab_utils.cost.hourly import NOBODY, cost_of_queries, counts
from lab_utils.errors import LabError

START, END = "2026-02-01", "2026-02-02"
START_S = int(np.datetime64(START, "s").astype(int))


@pytest.fixture
def client() -> Any:
    return boto3.client(
        "ce", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
    )


def answer(hours: range, unit: str = "USD", token: str | None = None) -> dict[str, Any]:
    results = [
        {
            "TimePeriod": {
                "Start": f"{START}T{hour:02}:00:00Z",
                "End": f"{START}T{hour:02}:59:59Z",
            },
            "Groups": [
                {
                    "Keys": [key],
                    "Metrics": {"NetAmortizedCost": {"Amount": amount, "Unit": unit}},
                }
                for key, amount in (("service$chat", "2"), ("service$", "0.5"))
            ],
            "Total": {},
            "Estimated": False,
        }
        for hour in hours
    ]
    return {"ResultsByTime": results} | ({"NextPageToken": token} if token else {})


def test_all_pages_make_the_table_that_a_bill_makes(client: Any) -> None:
    asked = aws.request(START, END, "EffectiveCost", "service")
    with stub.Stubber(client) as stubbed:
        stubbed.add_response("get_cost_and_usage", answer(range(10), token="more"), asked)
        stubbed.add_response(
            "get_cost_and_usage", answer(range(10, 24)), asked | {"NextPageToken": "more"}
        )
        costs = aws.hourly_costs(START, END, client=client)
        stubbed.assert_no_pending_responses()
    assert costs.currency == "USD"
    assert costs.by_service["chat"].tolist() == [2.0] * 24
    assert costs.by_service[NOBODY].tolist() == [0.5] * 24
    told = counts({"chat": (START_S + 3600 * np.arange(1, 25), [100.0] * 24)})
    assert cost_of_queries(costs, told, "chat").per_thousand.median == pytest.approx(20)


def test_the_request_is_one_that_the_service_takes(client: Any) -> None:
    from botocore.validate import validate_parameters

    shape = client.meta.service_model.operation_model("GetCostAndUsage").input_shape
    for cost in aws.METRICS:
        validate_parameters(aws.request(START, END, cost, "service"), shape)


def test_a_refusal_is_told_in_aws_words(client: Any) -> None:
    with stub.Stubber(client) as stubbed:
        stubbed.add_client_error(
            "get_cost_and_usage", "AccessDeniedException", "User is not authorized"
        )
        with pytest.raises(LabError, match=r"Cost Explorer does not answer.*not authorized"):
            aws.hourly_costs(START, END, client=client)


def test_two_currencies_or_none_are_refused(client: Any) -> None:
    mixed = answer(range(2))
    mixed["ResultsByTime"][1] = answer(range(1, 2), unit="EUR")["ResultsByTime"][0]
    for given, said in ((mixed, "EUR and USD"), (answer(range(0)), "no cost")):
        with stub.Stubber(client) as stubbed:
            stubbed.add_response("get_cost_and_usage", given)
            with pytest.raises(LabError, match=f"{said} .*expected one currency"):
                aws.hourly_costs(START, END, client=client)


@pytest.mark.parametrize(
    ("start", "end", "cost", "said"),
    [
        (END, START, "BilledCost", "expected a later end"),
        ("soon", END, "BilledCost", "The day is 'soon'"),
        (START, END, "Cost", "expected BilledCost or EffectiveCost"),
    ],
)
def test_what_cannot_be_asked_is_refused(start: str, end: str, cost: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        aws.request(start, end, cost, "service")
