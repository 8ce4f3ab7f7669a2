"""A container as a cloud starts it, here as a process on loopback: same variables, same routes.

    with Container(SAGEMAKER, folder) as container:
        httpx.get(f"{container.url}/ping")

There is no image and no engine: what a contract says of images (root, an entry point, `serve`) is
not tried here; what it says of a running server is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import httpx

from lab_utils.components.ports import lasting_port
from lab_utils.components.process import Process
from lab_utils.errors import LabError
from lab_utils.files import write_bytes
from lab_utils.machine.cores import thread_environment
from lab_utils.serve.fraud.clouds.container_app import BIND, DRAIN_S, FILE, FOLDER
from lab_utils.serve.fraud.clouds.contract import CONTRACTS, Contract

APP = "lab_utils.serve.fraud.clouds.container_app"
HOST = "127.0.0.1"
PATIENCE_S = 10.0
"""For a health route, where the contract states no limit."""


class Container(Process):
    """The server under one cloud's contract, alive only inside the `with` block.

    folder: with the scorer's file, model.onnx, (N, features) → (N, 1). Ready means what it means
    to the cloud: the health route answers 200. Raises LabError for a folder without a scorer, and
    with the process's own words where it does not become healthy in `start_timeout_s`.
    """

    def __init__(self, contract: Contract, folder: Path, *, start_timeout_s: float = 60) -> None:
        if not (folder / FILE).is_file():
            raise LabError(f"There is no {FILE} in {folder}; expected a scorer's ONNX file.")
        self.contract = contract
        # A cloud hands over a number, not a socket, so that a race for the port is possible.
        self._address = f"http://{HOST}:{(port := lasting_port())}"
        environment = thread_environment(1)
        for other in CONTRACTS.values():  # of a cloud in which this very machine may run
            for name in other.environment(port):
                environment.pop(name, None)
        environment |= contract.environment(port)
        environment |= {BIND: HOST, FOLDER: str(folder.resolve())}
        super().__init__(
            f"The {contract.name} container",
            [sys.executable, "-m", APP, "serve"],
            ready=self._healthy,
            environment=environment,
            start_timeout_s=start_timeout_s,
            stop_timeout_s=DRAIN_S,
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._address

    @property
    def predict_url(self) -> str:
        """Where it takes bodies."""
        return f"{self._address}{self.contract.predict_route}"

    def _healthy(self) -> bool:
        try:
            answer = httpx.get(
                f"{self._address}{self.contract.health_route}",
                timeout=self.contract.healthy_within_s or PATIENCE_S,
                trust_env=False,
            )
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK


def deployed(folder: Path, content: bytes) -> Path:
    """A folder as a cloud lays it before a container: the scorer's file in it; gives the folder."""
    write_bytes(folder / FILE, content)
    return folder
