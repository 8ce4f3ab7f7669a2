"""Feast beside our own store: values that are written when they are computed, read as they stand.

    with Feast(redis_port=server.port) as feast:
        feast.define(transactions, features(transactions))
        feast.training_set(transactions)        # each row as of its own time
        feast.materialize(0, until_s)           # the newest value of each, into the online stores
        feast.read("redis", transactions)       # Read: values, and seconds of each read

Feast keeps *values* of features; it counts no windows. Its point-in-time join takes the newest
value whose time is not after the row's own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab_utils.components import environments
from lab_utils.components.asked import AskedProcess
from lab_utils.models.fraud.feature_names import CUSTOMER, RISK, TERMINAL

WORKER = Path(__file__).with_name("feast_worker.py")
SIDES = {"customer": CUSTOMER, "terminal": TERMINAL + RISK}
KEYS = ("customer", "terminal")


@dataclass(frozen=True, eq=False)
class Read:
    """values: a row a payment, columns CUSTOMER + TERMINAL + RISK, NaN where Feast has none.

    seconds: how long Feast took for each row, by the clock of its own process.
    """

    values: pd.DataFrame
    seconds: NDArray[np.float64]


class Feast:
    """Feast in an environment of its own, alive only inside the `with` block.

    redis_port: of a Redis on this machine, or None for the store in sqlite alone. Raises LabError
    where its environment cannot be made, and with Feast's own words where it refuses.
    """

    def __init__(
        self, redis_port: int | None = None, waiting: environments.Waiting = environments.silently
    ) -> None:
        self._redis = "" if redis_port is None else f"127.0.0.1:{redis_port}"
        self._waiting = waiting
        self._stack = ExitStack()
        self._process: AskedProcess | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="feast-"))
            command = environments.command(
                "feast", WORKER, folder, self._redis, waiting=self._waiting
            )
            self._process = stack.enter_context(AskedProcess("Feast", command))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def version(self) -> str:
        """Its version, as "0.67.0"."""
        assert self._process is not None
        return str(self._process.told["version"])

    def define(self, transactions: pd.DataFrame, values: pd.DataFrame) -> None:
        """Give Feast the values that stood after each payment, as its offline source."""
        sides = {
            side: {
                **_columns(transactions, (side, "time_s", "transaction_id")),
                **_columns(values, names),
            }
            for side, names in SIDES.items()
        }
        self._ask("define", sides=sides)

    def training_set(self, rows: pd.DataFrame) -> pd.DataFrame:
        """For each row (customer, terminal, time_s) the values as of its time, joined by Feast."""
        answer = self._ask("training_set", rows=_columns(rows, (*KEYS, "time_s")))
        return _table(answer["values"], rows)

    def materialize(self, from_s: float, until_s: float) -> float:
        """Copy the newest values between two times into the online stores; seconds it took."""
        return float(self._ask("materialize", from_s=from_s, until_s=until_s)["seconds"])

    def read(self, kind: Literal["sqlite", "redis"], rows: pd.DataFrame) -> Read:
        """What the online store has for each row now, in one read a row."""
        keys: Any = rows[list(KEYS)].to_dict("records")
        answer = self._ask("read", kind=kind, rows=keys)
        return Read(_table(answer["values"], rows), np.array(answer["seconds"]))

    def _ask(self, what: str, **given: Any) -> dict[str, Any]:
        assert self._process is not None
        return self._process.ask({"do": what, **given})


def _columns(table: pd.DataFrame, names: Sequence[str]) -> dict[str, list[Any]]:
    return {name: table[name].tolist() for name in names}


def _table(values: dict[str, list[Any]], rows: pd.DataFrame) -> pd.DataFrame:
    names = [name for side in SIDES.values() for name in side]
    return pd.DataFrame(
        {name: np.array(values[name], np.float32) for name in names}, index=rows.index
    )
