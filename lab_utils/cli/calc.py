"""`./lab calc`."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from lab_utils.errors import LabError


def calc(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The calculation; none: all are listed.")
    ] = None,
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="INPUT=NUMBER", help="Its inputs.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Work out a formula of the course: its inputs, result and source."""
    from lab_utils.cost import fleet
    from lab_utils.cost.managed import SERVERLESS
    from lab_utils.cost.tokens import COST_PER_TOKEN
    from lab_utils.machine.roofline import CRITICAL_BATCH, RIDGE_POINT, ROOFLINE
    from lab_utils.measure.canary import CANARY_SAMPLES, CANARY_SEQUENTIAL
    from lab_utils.measure.distance import ROUND_TRIP
    from lab_utils.measure.laws import AMDAHL, FAN_OUT, LITTLES_LAW, SERIAL_SHARE
    from lab_utils.measure.percentile import PERCENTILE_SAMPLES
    from lab_utils.measure.queueing import MM1
    from lab_utils.models import decoder
    from lab_utils.resilience.availability import AVAILABILITY
    from lab_utils.resilience.error_budget import BURN_RATE, ERROR_BUDGET, ERROR_BUDGET_REQUESTS
    from lab_utils.resilience.hedging import HEDGE, HEDGE_LOAD
    from lab_utils.simulate.capacity import CAPACITY
    from lab_utils.simulate.hpa import HPA
    from lab_utils.simulate.theory import ERLANG_C

    laws = (LITTLES_LAW, AMDAHL, SERIAL_SHARE, PERCENTILE_SAMPLES, MM1, FAN_OUT, ROUND_TRIP)
    machine = (ROOFLINE, RIDGE_POINT, CRITICAL_BATCH)
    model = (decoder.KV_CACHE, decoder.LLM_MEMORY, decoder.PREFILL_DECODE, decoder.QUANT_SPEEDUP)
    serving = (decoder.SPECULATIVE, COST_PER_TOKEN, HPA)
    money = (
        fleet.COST_PER_QUERY,
        fleet.BREAK_EVEN,
        fleet.RESERVED_SHARE,
        fleet.SPOT_PRICE,
        SERVERLESS,
    )
    failing = (AVAILABILITY, ERROR_BUDGET, ERROR_BUDGET_REQUESTS, BURN_RATE, HEDGE, HEDGE_LOAD)
    fleets = (ERLANG_C, CAPACITY, CANARY_SAMPLES, CANARY_SEQUENTIAL)
    groups = (laws, machine, model, serving, money, fleets, failing)
    calculations = {c.name: c for group in groups for c in group}
    if name is None:
        for known in calculations.values():
            print(f"./lab calc {known.name} {known.usage}")
        return
    if name not in calculations:
        raise LabError(f"There is no calculation {name!r}; expected {', '.join(calculations)}.")
    calculation = calculations[name]
    given = dict(_input(text, calculation.files) for text in inputs or [])
    result = calculation(given)
    given = calculation.filled(given)
    if json:
        document = {
            "name": name,
            "formula": calculation.formula,
            "inputs": given,
            "result": _plain(result),
            "unit": calculation.result,
            "source": calculation.source,
        }
        print(jsonlib.dumps(document))
        return
    print(calculation.formula)
    for key, value in given.items():
        shown = f"{value:,.12g}" if isinstance(value, float | int) else value
        print(f"  {key} = {shown}  ({calculation.inputs[key]})")
    if isinstance(result, Mapping):
        for name_of, one in result.items():
            print(f"= {name_of}: {_shown(one)}")
        print(f"({calculation.result})")
    else:
        print(f"= {_shown(result)}  ({calculation.result})")
    print(f"Source: {calculation.source}")


def _shown(value: Any) -> str:
    if isinstance(value, float | int):
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e15 else f"{value:.4g}"
    return f"{value}"  # an interval, or words


def _plain(result: Any) -> Any:
    """As JSON has it: intervals as their numbers."""
    from lab_utils.measure.interval import Interval

    if isinstance(result, Mapping):
        return {name: _plain(one) for name, one in result.items()}
    return result.as_dict() if isinstance(result, Interval) else result


def _input(text: str, files: frozenset[str]) -> tuple[str, float | str]:
    key, _, value = text.partition("=")
    if key in files:
        return key, value
    try:
        return key, float(value)
    except ValueError:
        raise LabError(f"The input is {text!r}; expected NAME=NUMBER, as in rate_rps=64.") from None
