"""What all services behind tornado share."""

import asyncio
import gc
import signal
from collections.abc import Iterator

import pytest

from lab_utils.serve.draining import Draining, listen


class NoFigures:
    def text(self) -> bytes:
        return b""


class Service(Draining):
    name, takes = "service", "POST /answer"


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_loaded_when_it_begins_to_listen_no_collection_looks_at_again() -> None:
    """A full collection would take longer than some answers may."""

    async def main() -> None:
        server, _ = listen(Service(NoFigures()), [], "127.0.0.1", 0)
        server.stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)

    held = len(gc.get_objects())
    asyncio.run(main())
    assert gc.get_freeze_count() >= held / 2
    assert len(gc.get_objects()) < held / 2
