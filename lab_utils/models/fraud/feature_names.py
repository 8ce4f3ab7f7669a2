"""The features of a payment, in the one order that training and serving share.

Windows end at the payment's own time t and include the payment: (t − window, t]. A fraud is known
`LABEL_DELAY_S` after it happened, so a terminal's fraud rate covers
(t − delay − window, t − delay]; where that holds no payment, the rate is 0.
"""

HOUR_S, DAY_S = 3_600.0, 86_400.0
COUNT_WINDOWS_S = {"1h": HOUR_S, "24h": DAY_S, "7d": 7 * DAY_S}
RISK_WINDOWS_S = {"1d": DAY_S, "7d": 7 * DAY_S, "30d": 30 * DAY_S}
LABEL_DELAY_S = 7 * DAY_S
"""The Handbook's delay: a customer reports, somebody investigates."""

AT_HAND = ("amount", "is_weekend", "is_night")
"""Known from the payment alone: no history, no store."""
CUSTOMER = tuple(f"customer_{what}_{w}" for w in COUNT_WINDOWS_S for what in ("count", "mean"))
TERMINAL = tuple(f"terminal_count_{w}" for w in COUNT_WINDOWS_S)
RISK = tuple(f"terminal_risk_{w}" for w in RISK_WINDOWS_S)
FEATURES = AT_HAND + CUSTOMER + TERMINAL + RISK

START_WEEKDAY = 6
"""Time 0 is the midnight before a Sunday, as in the Handbook (2018-04-01); Monday is 0."""


def is_weekend(time_s: float) -> bool:
    """Whether a time (s since the simulation's start) lies on a Saturday or Sunday.

    >>> [is_weekend(day * DAY_S) for day in range(7)]
    [True, False, False, False, False, False, True]
    """
    return (int(time_s // DAY_S) + START_WEEKDAY) % 7 >= 5


def is_night(time_s: float) -> bool:
    """Whether a time lies between midnight and seven, the Handbook's night (its hours 0 to 6).

    >>> is_night(6.99 * HOUR_S), is_night(7 * HOUR_S), is_night(23 * HOUR_S)
    (True, False, False)
    """
    return time_s % DAY_S < 7 * HOUR_S
