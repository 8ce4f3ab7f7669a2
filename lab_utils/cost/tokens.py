"""What a token costs, from a machine's price and its rate."""

from __future__ import annotations

from lab_utils.calculation import Calculation
from lab_utils.errors import LabError


def cost_per_million_tokens(price_per_h: float, tokens_per_s: float, utilisation: float) -> float:
    """A million tokens, in the price's currency.

    tokens_per_s: what the machine gives while it works. utilisation: the part (0 to 1) of the paid
    time in which it does; the rest is paid as well.

    >>> round(cost_per_million_tokens(price_per_h=2, tokens_per_s=2000, utilisation=1), 3)
    0.278
    """
    if not price_per_h >= 0 or not tokens_per_s > 0:
        raise LabError(
            f"price_per_h is {price_per_h:g} and tokens_per_s {tokens_per_s:g}; expected a "
            "price of 0 or more and a rate above 0."
        )
    if not 0 < utilisation <= 1:
        raise LabError(f"utilisation is {utilisation:g}; expected a part above 0, up to 1.")
    return price_per_h / (tokens_per_s * utilisation * 3600) * 1e6


COST_PER_TOKEN = Calculation(
    name="cost-per-token",
    formula="cost of a million tokens = price / (rate × utilisation × 3600) × 1,000,000",
    inputs={
        "price_per_h": "of the machine, in any currency an hour",
        "tokens_per_s": "tokens a second while it works",
        "utilisation": "the part of the paid time in which it works, above 0, up to 1",
    },
    result="that currency, a million tokens",
    source="arithmetic",
    compute=cost_per_million_tokens,
)
