"""What all asyncio services share."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from aiohttp import web

from lab_utils.serve.draining import Draining


class NoFigures:
    def text(self) -> bytes:
        return b""


class Service(Draining):
    name, takes = "service", "POST /answer"


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """A service whose one route fails; its address."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        raise ZeroDivisionError

    routes = [web.post("/answer", answer)]
    server, port = await Service(NoFigures()).listen(routes, "127.0.0.1", 0, longest_body=100)
    yield f"http://127.0.0.1:{port}"
    await server.cleanup()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(number)


def test_what_is_loaded_when_it_begins_to_listen_no_collection_looks_at_again() -> None:
    """A full collection would take longer than some answers may."""

    async def main() -> None:
        async with serving():
            pass

    held = len(gc.get_objects())
    asyncio.run(main())
    assert gc.get_freeze_count() >= held / 2
    assert len(gc.get_objects()) < held / 2


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 500, "The service has a fault; its log says more."),
        (b" " * 101, 413, "The body is too long. Maximum request body size 100 exceeded."),
    ],
)
def test_what_is_no_success_is_a_sentence(body: bytes, status: int, sentence: str) -> None:
    async def main() -> None:
        async with serving() as url, httpx.AsyncClient(trust_env=False) as client:
            found = await client.post(f"{url}/answer", content=body)
            assert (found.status_code, found.json()) == (status, {"error": sentence})
            ready = await client.get(f"{url}/health")
            assert (ready.status_code, ready.json()) == (200, {"status": "ready"})

    asyncio.run(main())
