"""One Redis for all tests of this folder that run in one process."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from lab_utils.components.redis_server import RedisServer
from lab_utils.features.memory_store import MemoryStore
from lab_utils.features.redis_store import RedisStore
from lab_utils.features.sqlite_store import SqliteStore
from lab_utils.features.store import Store

PATIENT_S = 30.0
"""A test asks what is answered, not how soon."""
NUMBERS = count()


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def socket(redis_server: RedisServer) -> Path:
    return redis_server.socket


def new_store(kind: str, server: RedisServer) -> Store:
    """An empty store of the kind, begun: it covers all there ever was."""
    stores = {
        "memory": MemoryStore,
        "sqlite": lambda: SqliteStore(deadline_s=PATIENT_S),
        "redis": lambda: RedisStore(
            server.socket, deadline_s=PATIENT_S, prefix=f"{next(NUMBERS)}:"
        ),
    }
    store: Store = stores[kind]()
    store.begin()
    return store
