"""What an operator asks of a running gateway, on a port that no payment comes to.

    POST /switch   {"tier": "cpu", "to": "grpc://127.0.0.1:8081/fraud-2", "version": "2"}
                   → {"tier": "cpu", "version": "2", "before": "1"}, when the old model is closed
    GET  /models   {"cpu": "2"}, a tier's version

What is refused is said in {"error": "…"}, and nothing has changed then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from lab_utils.errors import LabError
from lab_utils.serve.fraud.live_model import LiveModel, opened

FORM = '{"tier": "cpu", "to": "…", "version": "2"}'
BAD, UNPROCESSABLE = 400, 422


class Administered(RequestHandler):
    """What both share."""

    def initialize(self, models: Mapping[str, LiveModel]) -> None:
        """By tornado."""
        self.models = models


class Switch(Administered):
    """Another model in the place of a tier's."""

    async def post(self) -> None:
        """Answers 200 when the old one is closed, or says what was in the way."""
        try:
            asked = _asked(self.request.body, self.models)
        except LabError as error:
            return await self._refused(BAD, error)
        live = self.models[asked["tier"]]
        before = live.version
        try:
            await live.switch(await opened(asked["to"], asked["version"]))
        except LabError as error:
            return await self._refused(UNPROCESSABLE, error)
        await self.finish({"tier": asked["tier"], "version": asked["version"], "before": before})

    async def _refused(self, status: int, error: LabError) -> None:
        self.set_status(status)
        await self.finish({"error": str(error)})


class Models(Administered):
    """Which versions answer."""

    async def get(self) -> None:
        """A tier's name → its version."""
        await self.finish({name: model.version for name, model in self.models.items()})


def administer(models: Mapping[str, LiveModel], host: str) -> tuple[HTTPServer, int]:
    """The server, which answers from now on, and its port. models: by their tiers' names."""
    routes: list[Any] = [(r"/switch", Switch, {"models": models})]
    routes += [(r"/models", Models, {"models": models})]
    sockets = bind_sockets(0, host)
    server = HTTPServer(Application(routes, log_function=lambda handler: None))
    server.add_sockets(sockets)
    return server, sockets[0].getsockname()[1]


def _asked(body: bytes, models: Mapping[str, LiveModel]) -> dict[str, str]:
    try:
        asked = json.loads(body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or not all(
        isinstance(asked.get(name), str) for name in ("tier", "to", "version")
    ):
        raise LabError(f"The body is no switch; expected {FORM}.")
    if asked["tier"] not in models:
        raise LabError(f"There is no tier {asked['tier']!r}; expected {', '.join(models)}.")
    return asked
