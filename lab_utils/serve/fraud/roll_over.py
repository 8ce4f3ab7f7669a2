"""A new version on a model server, behind gateways that go on answering.

    roll_over([gateway], server, tier="gpu", old="fraud-1", new="fraud-2", file=path, version="2")

Load the new one beside the old one, switch each gateway, which waits for its own payments, and let
go of the old one when nobody asks it any more. Whatever goes wrong before the first gateway has
switched leaves everything as it was. (A file put in the place of the old one's, or one name for
both, would have a moment in which the server has neither.)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab_utils.components.model_servers.server import ModelServer
from lab_utils.errors import LabError
from lab_utils.serve.fraud.service import FraudService


def roll_over(
    gateways: Sequence[FraudService],
    server: ModelServer,
    *,
    tier: str,
    old: str,
    new: str,
    file: Path,
    version: str,
) -> None:
    """Put model `new`, from a file, in the place of `old`; answers are called `version` then.

    gateways: all that ask `old`. Raises LabError with the words of whoever refuses. Gateways that
    had switched by then are switched back, which they cannot be where they do not answer: then both
    models stay loaded.
    """
    before = {gateway: gateway.versions()[tier] for gateway in gateways}
    server.load(new, file)
    switched: list[FraudService] = []
    try:
        for gateway in gateways:
            gateway.switch(tier, server.source(new), version)
            switched.append(gateway)
    except LabError:
        for gateway in switched:
            gateway.switch(tier, server.source(old), before[gateway])
        server.unload(new)
        raise
    server.unload(old)
