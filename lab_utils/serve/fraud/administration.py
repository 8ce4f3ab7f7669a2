"""What an operator asks of a running gateway, on a port that no payment comes to.

    POST /switch   {"tier": "cpu", "to": "grpc://127.0.0.1:8081/fraud-2", "version": "2"}
                   → {"tier": "cpu", "version": "2", "before": "1"}, when the old model is closed
    GET  /models   {"cpu": "2"}, a tier's version

What is refused is said in {"error": "…"}, and nothing has changed then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiohttp import web

from lab_utils.errors import LabError
from lab_utils.serve.asynchronous import in_json, listening
from lab_utils.serve.fraud.live_model import LiveModel, opened

FORM = '{"tier": "cpu", "to": "…", "version": "2"}'
BAD, UNPROCESSABLE = 400, 422
LONGEST_BODY = 16 * 1024


class _Office:
    """models: by their tiers' names."""

    def __init__(self, models: Mapping[str, LiveModel]) -> None:
        self._models = models

    async def switch(self, request: web.Request) -> web.Response:
        """Another model in the place of a tier's: 200 when the old one is closed."""
        try:
            asked = _asked(await request.read(), self._models)
        except LabError as error:
            return in_json({"error": str(error)}, BAD)
        live = self._models[asked["tier"]]
        before = live.version
        try:
            await live.switch(await opened(asked["to"], asked["version"]))
        except LabError as error:
            return in_json({"error": str(error)}, UNPROCESSABLE)
        return in_json({"tier": asked["tier"], "version": asked["version"], "before": before})

    async def models(self, _: web.Request) -> web.Response:
        """A tier's name → the version that answers."""
        return in_json({name: model.version for name, model in self._models.items()})


async def administer(models: Mapping[str, LiveModel], host: str) -> tuple[web.AppRunner, int]:
    """The server, which answers from now on, and its port. models: by their tiers' names."""
    office = _Office(models)
    routes = [web.post("/switch", office.switch), web.get("/models", office.models)]
    return await listening(routes, host, 0, longest_body=LONGEST_BODY)


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
