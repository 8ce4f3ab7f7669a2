"""Ports for programs that can be handed no open socket."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from lab_utils.components.process import Process
from lab_utils.errors import LabError

OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
OUTGOING_FROM = 32_768
"""Linux's usual beginning of the range."""
TRIES = 100


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on now.

    Another process may take one before the program does; `started` then tries again.
    """
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [one.getsockname()[1] for one in sockets]


def started(
    stack: ExitStack, make: Callable[[], Process], taken: re.Pattern[str], tries: int
) -> Process:
    """A process that runs until the stack is closed, made anew where its ports had been taken.

    make: finds free ports and gives the process that is to listen on them. taken: what its log says
    then. Raises LabError as the process does, for anything else and after so many tries.
    """
    for left in reversed(range(tries)):
        try:
            return stack.enter_context(make())
        except LabError as error:
            if not left or not taken.search(str(error)):
                raise
    raise LabError(f"The number of tries is {tries}; expected at least 1.")


def lasting_port() -> int:
    """A free loopback port for a server that comes and goes under one address.

    It lies below the range of outgoing connections. In that range, one may take the port while
    nobody listens on it; and a client that asks an absent server there may even connect to itself.
    Raises LabError where none is found.
    """
    try:
        below = int(OUTGOING.read_text().split()[0])
    except OSError:  # not Linux
        below = OUTGOING_FROM
    for _ in range(TRIES):
        port = random.randrange(below // 2, below)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise LabError(f"No free port was found from {below // 2} to {below}; close some programs.")
