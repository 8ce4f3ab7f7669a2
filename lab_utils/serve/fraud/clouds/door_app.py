"""The front door's process: a cloud's API before replicas of a container. A stand-in, see `door`.

    python -m lab_utils.serve.fraud.clouds.door_app {"cloud": "SageMaker", "replicas": [URL, …],
                                                     "routing": "random"}

    POST /endpoints/fraud/invocations                                  as SageMaker's runtime API
    POST /v1/projects/lab/locations/here/endpoints/39:predict          as Vertex AI's
    POST /-/hold      {"replica": 0, "hold_s": 1.0}                    this replica is slow
    GET  /-/received                                                   requests by replica

Requests are not authenticated: whatever signature comes is good enough.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import Any

from aiohttp import web

from lab_utils.measure.load.http import NotHttpError, Poster
from lab_utils.serve.asynchronous import in_json, listening
from lab_utils.serve.fraud.clouds.contract import CONTRACTS, SAGEMAKER, Contract

ENDPOINT = "fraud"
VERTEX_ENDPOINT = "projects/lab/locations/here/endpoints/39"
DEPLOYED_MODEL = "1"
READY = "The front door is at"
READ_MOST = 64 * 2**20
"""Bytes that are read in order to say that they are too many."""
TOO_LARGE, MODEL_ERROR, NOBODY_THERE = 413, 424, 503
STATES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}
"""Vertex AI's names of statuses (google.rpc.Code)."""


class Replica:
    """One container behind the door. hold_s: how much later than the container it answers."""

    def __init__(self, url: str) -> None:
        self.poster = Poster(url)
        self.hold_s = 0.0
        self.received = 0
        self.outstanding = 0

    async def ask(self, body: bytes) -> tuple[int, bytes]:
        """The container's status and body."""
        self.received += 1
        self.outstanding += 1
        try:
            await asyncio.sleep(self.hold_s)
            return await self.poster.post(body)
        finally:
            self.outstanding -= 1


class Door:
    """The replicas, and what is asked of all. routing: "random", or "least outstanding"."""

    def __init__(self, contract: Contract, replicas: list[str], routing: str) -> None:
        self.contract = contract
        self.replicas = [Replica(url) for url in replicas]
        self.routing = routing
        self._random = random.Random(0)

    def chosen(self) -> Replica:
        """Who gets the next request."""
        if self.routing == "random":
            return self._random.choice(self.replicas)
        fewest = min(replica.outstanding for replica in self.replicas)
        return self._random.choice([r for r in self.replicas if r.outstanding == fewest])

    async def ask(self, body: bytes) -> tuple[int, bytes]:
        """A replica's status and body. Raises TimeoutError past the contract's limit, OSError."""
        async with asyncio.timeout(self.contract.answer_within_s):
            return await self.chosen().ask(body)

    async def hold(self, request: web.Request) -> web.Response:
        """Makes a replica slow, or quick again, from now on."""
        asked = await request.json()
        self.replicas[asked["replica"]].hold_s = asked["hold_s"]
        return web.Response()

    async def received(self, _: web.Request) -> web.Response:
        """How many requests each replica was given so far."""
        return in_json({"received": [replica.received for replica in self.replicas]})


class SageMaker(Door):
    """The runtime API's InvokeEndpoint."""

    route = "/endpoints/{endpoint}/invocations"

    async def invoke(self, request: web.Request) -> web.Response:
        """Answers with the container's body, or with an error as the runtime API has it."""
        endpoint, most = request.match_info["endpoint"], self.contract.longest_bytes
        body = await request.read()
        if endpoint != ENDPOINT:
            return self._refused(400, "ValidationError", f"Endpoint {endpoint} not found.")
        if len(body) > most:
            return self._refused(TOO_LARGE, "", f"HTTP content length exceeded {most} bytes.")
        try:
            status, answer = await self.ask(body)
        except TimeoutError:
            said = "Your invocation timed out while waiting for a response from container model."
            return self._refused(MODEL_ERROR, "ModelError", said, status=0)
        except (OSError, EOFError, NotHttpError):
            return self._refused(NOBODY_THERE, "ServiceUnavailable", "No container answers.")
        if not 200 <= status < 300:
            said = f"Received error ({status}) from model with message {answer.decode()!r}."
            return self._refused(MODEL_ERROR, "ModelError", said, status=status)
        if len(answer) > most:
            return self._refused(MODEL_ERROR, "ModelError", f"The answer exceeds {most} bytes.")
        variant = {"x-Amzn-Invoked-Production-Variant": "AllTraffic"}
        return web.Response(body=answer, content_type="application/json", headers=variant)

    def _refused(self, code: int, kind: str, message: str, **original: Any) -> web.Response:
        said: dict[str, Any] = {"Message": message}
        if original:
            said["OriginalStatusCode"] = original["status"]
        return in_json(said, code, **({"x-amzn-ErrorType": kind} if kind else {}))


class Vertex(Door):
    """Vertex AI's Endpoint.predict, in its REST form."""

    route = "/v1/{endpoint:.+}:predict"

    async def invoke(self, request: web.Request) -> web.Response:
        """Answers with the predictions and who made them, or with an error in Google's form."""
        endpoint, most = request.match_info["endpoint"], self.contract.longest_bytes
        body = await request.read()
        if endpoint != VERTEX_ENDPOINT:
            return self._refused(404, f"The endpoint {endpoint} is not found.")
        if len(body) > most:
            return self._refused(400, f"Request payload size exceeds the limit: {most} bytes.")
        try:
            status, answer = await self.ask(body)
        except TimeoutError:
            return self._refused(504, "The container has not answered in time.")
        except (OSError, EOFError, NotHttpError):
            return self._refused(NOBODY_THERE, "No container answers.")
        if not 200 <= status < 300:
            return self._refused(status, answer.decode())
        if len(answer) > most:
            return self._refused(400, f"Response payload size exceeds the limit: {most} bytes.")
        return in_json(json.loads(answer) | {"deployedModelId": DEPLOYED_MODEL})

    def _refused(self, code: int, message: str) -> web.Response:
        error = {"code": code, "message": message, "status": STATES.get(code, "INTERNAL")}
        return in_json({"error": error}, code)


async def main(cloud: str, replicas: list[str], routing: str) -> None:
    """Serve until killed."""
    contract = CONTRACTS[cloud]
    door = (SageMaker if contract is SAGEMAKER else Vertex)(contract, replicas, routing)
    routes = [
        web.post(door.route, door.invoke),
        web.post("/-/hold", door.hold),
        web.get("/-/received", door.received),
    ]
    _, port = await listening(routes, "127.0.0.1", 0, longest_body=READ_MOST)
    print(f"{READY} http://127.0.0.1:{port}/", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
