"""Several servers, kept from one cell of a notebook to the next."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

Server = TypeVar("Server", bound=AbstractContextManager[Any])


class Together(Mapping[str, Server]):
    """Servers by name, started at the same time and kept until `stop()`.

        services = Together({"one worker": WebService(...), "two workers": WebService(...)})
        services["one worker"].url

    For a notebook, whose cells cannot share a `with` block. They end with the kernel at the
    latest, and also when this object is let go. Where one does not start the others are stopped,
    and its error is raised.
    """

    def __init__(self, servers: Mapping[str, Server] | None = None) -> None:
        self._servers: dict[str, Server] = {}
        self._stack = ExitStack()
        self._finalizer = weakref.finalize(self, self._stack.close)
        self.add(servers or {})

    def add(self, servers: Mapping[str, Server], at_once: int | None = None) -> None:
        """Start more, at the same time; those that run already stay whatever happens.

        at_once: that many at most begin before one of them is ready.
        """
        if not servers:
            return
        with ThreadPoolExecutor(at_once or len(servers)) as threads:
            starting = {n: threads.submit(server.__enter__) for n, server in servers.items()}
        with ExitStack() as started:
            for name, future in starting.items():
                if future.exception() is None:
                    started.push(servers[name])
            for future in starting.values():
                future.result()
            self._stack.push(started.pop_all())
        self._servers.update(servers)

    def stop(self) -> None:
        """Stop all of them; does nothing the second time."""
        self._finalizer()

    def __getitem__(self, name: str) -> Server:
        return self._servers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._servers)

    def __len__(self) -> int:
        return len(self._servers)
