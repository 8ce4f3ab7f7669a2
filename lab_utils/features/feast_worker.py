"""Feast, in a process of its own environment that answers one question at a time.

    python -I feast_worker.py FOLDER REDIS SOCKET

Run by its path in Feast's environment, so it imports nothing of lab_utils. `feast_store.py` starts
it and says what it may be asked; `components/asked.py` is the other end of SOCKET. REDIS is
host:port, or empty for none. All that Feast writes lies in FOLDER.
"""

import sys
import time
import warnings
from datetime import datetime, timedelta, timezone
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

EPOCH = datetime(2018, 4, 1, tzinfo=timezone.utc)  # noqa: UP017  a Sunday, time_s 0
KEPT = timedelta(days=60)
Columns = dict[str, list[Any]]


def moments(seconds: list[float]) -> Any:
    """Times as Feast wants them."""
    import pandas as pd

    return pd.Timestamp(EPOCH) + pd.to_timedelta(seconds, unit="s")


class Stores:
    """One definition of features, with an online store in sqlite and, where told, in Redis."""

    def __init__(self, folder: Path, redis: str) -> None:
        from feast import FeatureStore, RepoConfig

        self.folder = folder
        online: dict[str, dict[str, str]] = {
            "sqlite": {"type": "sqlite", "path": str(folder / "online.db")}
        }
        if redis:
            online["redis"] = {"type": "redis", "connection_string": redis}
        self.stores = {
            name: FeatureStore(
                config=RepoConfig(
                    project="fraud",
                    provider="local",
                    registry=str(folder / f"registry-{name}.db"),
                    online_store=where,
                    offline_store={"type": "file"},
                    entity_key_serialization_version=3,
                )
            )
            for name, where in online.items()
        }
        self.names: list[str] = []

    def define(self, sides: dict[str, Columns]) -> dict[str, Any]:
        """Write the values of each side ("customer", "terminal") as Parquet, and declare them.

        A side's columns: its own name (who), time_s, transaction_id, and the features.
        """
        import pandas as pd
        from feast import Entity, FeatureView, Field, FileSource, ValueType
        from feast.types import Float32

        views, self.names = [], []
        for side, columns in sides.items():
            table = pd.DataFrame(columns)
            table["event_timestamp"] = moments(columns["time_s"])
            # Of two values for the same second, the later written counts.
            table["created"] = moments([float(number) for number in columns["transaction_id"]])
            names = [name for name in columns if name not in (side, "time_s", "transaction_id")]
            table = table.drop(columns=["time_s", "transaction_id"])
            table[names] = table[names].astype("float32")
            path = self.folder / f"{side}.parquet"
            table.to_parquet(path)
            entity = Entity(name=side, join_keys=[side], value_type=ValueType.INT64)
            source = FileSource(
                path=str(path),
                timestamp_field="event_timestamp",
                created_timestamp_column="created",
            )
            view = FeatureView(
                name=side,
                entities=[entity],
                ttl=KEPT,
                schema=[Field(name=name, dtype=Float32) for name in names],
                source=source,
            )
            views += [entity, view]
            self.names += [f"{side}:{name}" for name in names]
        for store in self.stores.values():
            store.apply(views)
        return {"features": self.names}

    def materialize(self, from_s: float, until_s: float) -> dict[str, Any]:
        """Copy the newest value of each customer and terminal in a stretch of time online."""
        began_s = time.perf_counter()
        for store in self.stores.values():
            store.materialize(*(EPOCH + timedelta(seconds=at) for at in (from_s, until_s)))
        return {"seconds": time.perf_counter() - began_s}

    def training_set(self, rows: Columns) -> dict[str, Any]:
        """For each row (customer, terminal, time_s) the values as they were at that time."""
        import pandas as pd

        asked = pd.DataFrame(rows)
        asked["event_timestamp"] = moments(rows["time_s"])
        asked["row"] = range(len(asked))
        store = next(iter(self.stores.values()))
        found = store.get_historical_features(entity_df=asked, features=self.names).to_df()
        found = found.sort_values("row")
        return {"values": {name: found[name].tolist() for name in self._columns()}}

    def read(self, kind: str, rows: list[dict[str, int]]) -> dict[str, Any]:
        """What the online store has for each row, one read a row; and how long each took."""
        store, seconds = self.stores[kind], []
        values: Columns = {name: [] for name in self._columns()}
        for row in rows:
            began_s = time.perf_counter()
            answer = store.get_online_features(features=self.names, entity_rows=[row]).to_dict()
            seconds.append(time.perf_counter() - began_s)
            for name in values:
                values[name] += answer[name]
        return {"values": values, "seconds": seconds}

    def _columns(self) -> list[str]:
        return [name.split(":")[1] for name in self.names]


def main() -> None:
    """Answer until the other end closes."""
    warnings.simplefilter("ignore")
    folder, redis, descriptor = sys.argv[1:]
    line = Connection(int(descriptor))
    try:
        stores = Stores(Path(folder), redis)
        import feast

        line.send({"version": feast.__version__, "stores": list(stores.stores)})
    except Exception as error:
        line.send({"error": f"Feast did not start: {error}"})
        return
    while True:
        try:
            question = line.recv()
        except EOFError:
            return
        try:
            line.send(getattr(stores, question.pop("do"))(**question))
        except Exception as error:
            line.send({"error": f"Feast could not answer: {type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
