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

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from lab_utils.measure.load.http import NotHttpError, Poster
from lab_utils.serve.fraud.clouds.contract import CONTRACTS, SAGEMAKER, Contract

ENDPOINT = "fraud"
VERTEX_ENDPOINT = "projects/lab/locations/here/endpoints/39"
DEPLOYED_MODEL = "1"
READY = "The front door is at"
BACKLOG = 2048
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
    """What the handlers share. routing: "random", or "least outstanding"."""

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


class Invocations(RequestHandler):
    """SageMaker's InvokeEndpoint."""

    def initialize(self, door: Door) -> None:
        """By tornado, with what the route says."""
        self.door = door

    async def post(self, endpoint: str) -> None:
        """Answers with the container's body, or with an error as the runtime API has it."""
        body, most = self.request.body, self.door.contract.longest_bytes
        if endpoint != ENDPOINT:
            return self._refuse(400, "ValidationError", f"Endpoint {endpoint} not found.")
        if len(body) > most:
            return self._refuse(TOO_LARGE, "", f"HTTP content length exceeded {most} bytes.")
        try:
            status, answer = await self.door.ask(body)
        except TimeoutError:
            told = "Your invocation timed out while waiting for a response from container model."
            return self._refuse(MODEL_ERROR, "ModelError", told, status=0)
        except (OSError, EOFError, NotHttpError):
            return self._refuse(NOBODY_THERE, "ServiceUnavailable", "No container answers.")
        if not 200 <= status < 300:
            told = f"Received error ({status}) from model with message {answer.decode()!r}."
            return self._refuse(MODEL_ERROR, "ModelError", told, status=status)
        if len(answer) > most:
            return self._refuse(MODEL_ERROR, "ModelError", f"The answer exceeds {most} bytes.")
        self.set_header("Content-Type", "application/json")
        self.set_header("x-Amzn-Invoked-Production-Variant", "AllTraffic")
        await self.finish(answer)

    def _refuse(self, code: int, kind: str, message: str, **original: Any) -> None:
        self.set_status(code, reason=kind or "Refused")
        if kind:
            self.set_header("x-amzn-ErrorType", kind)
        said: dict[str, Any] = {"Message": message}
        if original:
            said["OriginalStatusCode"] = original["status"]
        self.finish(said)


class Prediction(RequestHandler):
    """Vertex AI's Endpoint.predict, in its REST form."""

    def initialize(self, door: Door) -> None:
        """By tornado, with what the route says."""
        self.door = door

    async def post(self, endpoint: str) -> None:
        """Answers with the predictions and who made them, or with an error in Google's form."""
        body, most = self.request.body, self.door.contract.longest_bytes
        if endpoint != VERTEX_ENDPOINT:
            return self._refuse(404, f"The endpoint {endpoint} is not found.")
        if len(body) > most:
            return self._refuse(400, f"Request payload size exceeds the limit: {most} bytes.")
        try:
            status, answer = await self.door.ask(body)
        except TimeoutError:
            return self._refuse(504, "The container has not answered in time.")
        except (OSError, EOFError, NotHttpError):
            return self._refuse(NOBODY_THERE, "No container answers.")
        if not 200 <= status < 300:
            return self._refuse(status, answer.decode())
        if len(answer) > most:
            return self._refuse(400, f"Response payload size exceeds the limit: {most} bytes.")
        await self.finish(json.loads(answer) | {"deployedModelId": DEPLOYED_MODEL})

    def _refuse(self, code: int, message: str) -> None:
        self.set_status(code, reason="Refused")
        error = {"code": code, "message": message, "status": STATES.get(code, "INTERNAL")}
        self.finish({"error": error})


class Hold(RequestHandler):
    """Makes a replica slow, or quick again."""

    def initialize(self, door: Door) -> None:
        """By tornado, with what the route says."""
        self.door = door

    def post(self) -> None:
        """From now on."""
        asked = json.loads(self.request.body)
        self.door.replicas[asked["replica"]].hold_s = asked["hold_s"]


class Received(RequestHandler):
    """What has been passed on."""

    def initialize(self, door: Door) -> None:
        """By tornado, with what the route says."""
        self.door = door

    def get(self) -> None:
        """Requests that each replica was given so far."""
        self.finish({"received": [replica.received for replica in self.door.replicas]})


async def main(cloud: str, replicas: list[str], routing: str) -> None:
    """Serve until killed."""
    door = Door(CONTRACTS[cloud], replicas, routing)
    shared = {"door": door}
    api: tuple[str, type[RequestHandler]] = (
        (r"/endpoints/([^/]+)/invocations", Invocations)
        if door.contract is SAGEMAKER
        else (r"/v1/(.+):predict", Prediction)
    )
    routes: list[tuple[str, type[RequestHandler]]] = [
        api,
        (r"/-/hold", Hold),
        (r"/-/received", Received),
    ]
    application = Application(
        [(path, handler, shared) for path, handler in routes],
        log_function=lambda handler: None,  # a line for each refusal would be the log
    )
    server = HTTPServer(application, max_body_size=READ_MOST)
    sockets = bind_sockets(0, "127.0.0.1", backlog=BACKLOG)
    server.add_sockets(sockets)
    print(f"{READY} http://127.0.0.1:{sockets[0].getsockname()[1]}/", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
