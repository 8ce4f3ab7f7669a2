"""What the model servers have in common: a repository of models, ports, loading and letting go."""

from __future__ import annotations

import re
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx

from lab_utils.components import environments
from lab_utils.components.ports import free_ports, started
from lab_utils.components.process import Process
from lab_utils.errors import LabError
from lab_utils.files import write_bytes
from lab_utils.machine.cores import thread_environment

TRIES = 3
"""Another program may take one of the free ports before the server does."""
TAKEN = re.compile(r"address already in use|failed to bind", re.IGNORECASE)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MODEL = "model.onnx"
LOAD_S = 60.0


class ModelServer(ABC):
    """A server, alive only inside the `with` block, on loopback ports of its own.

    models: a name → its ONNX file with one input, (N, features) float32; loaded at the start.
    waiting: shows the making of the environment, once.

    Raises LabError for a file that is missing or a name that no address can hold, and with the end
    of the server's log where it does not start.
    """

    title: ClassVar[str]
    environment: ClassVar[str]

    def __init__(
        self,
        models: Mapping[str, Path],
        *,
        start_timeout_s: float = 120,
        waiting: environments.Waiting = environments.silently,
    ) -> None:
        for name, file in models.items():
            _checked(name, file)
        self._models = dict(models)
        self._start_timeout_s = start_timeout_s
        self._waiting = waiting
        self._stack = ExitStack()
        self._process: Process | None = None
        self._folder = Path()
        self._client = httpx.Client(timeout=LOAD_S, trust_env=False)
        self.url = self.grpc_address = ""

    def __enter__(self) -> Self:
        python = environments.python(self.environment, self._waiting)
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="models-"))
            self._folder = Path(folder)
            stack.enter_context(self._client)
            for name, file in self._models.items():
                self._add(name, file)
            self._process = started(stack, lambda: self._server(python), TAKEN, TRIES)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def process(self) -> Process:
        """The server's process, for its log and for looking at it."""
        assert self._process is not None
        return self._process

    @property
    def repository(self) -> Path:
        """The folder with a folder for each model."""
        return self._folder / "models"

    def load(self, name: str, file: Path) -> None:
        """Load a model beside the others, which answer meanwhile; it is ready then.

        Raises LabError with the server's words where it cannot; then it is not in the repository.
        """
        _checked(name, file)
        if name in self.loaded():
            raise LabError(f"{self.title} has a model {name} already; expected another name.")
        self._add(name, file)
        answer = self._post(f"/v2/repository/models/{name}/load")
        if answer.is_error or not self.ready(name):
            shutil.rmtree(self.repository / name, ignore_errors=True)
            raise LabError(f"{self.title} could not load {name}: {_words(answer)}")

    def unload(self, name: str) -> None:
        """Let go of a model. Whoever asks for it from now on gets an error.

        Raises LabError where there is no such model.
        """
        answer = self._post(f"/v2/repository/models/{name}/unload")
        if answer.is_error:
            raise LabError(f"{self.title} could not let go of {name}: {_words(answer)}")
        shutil.rmtree(self.repository / name, ignore_errors=True)

    def source(self, name: str) -> str:
        """Where a model answers over gRPC, as a client is told it: grpc://HOST:PORT/NAME."""
        return f"grpc://{self.grpc_address}/{name}"

    def ready(self, name: str) -> bool:
        """Whether a model answers."""
        try:
            answer = self._client.get(f"{self.url}/v2/models/{name}/ready")
        except httpx.TransportError:
            return False
        return answer.is_success

    def loaded(self) -> list[str]:
        """The names of the models that answer."""
        names = sorted(path.name for path in self.repository.iterdir())
        return [name for name in names if self.ready(name)]

    @abstractmethod
    def _command(self, python: Path, ports: list[int]) -> list[str]:
        """What starts it. ports: for HTTP, gRPC, and whatever else it wants to listen on."""

    def _add(self, name: str, file: Path) -> None:
        write_bytes(self.repository / name / MODEL, file.read_bytes())

    def _post(self, path: str) -> httpx.Response:
        try:
            return self._client.post(f"{self.url}{path}", json={})
        except httpx.TransportError as error:
            raise LabError(
                f"{self.title} at {self.url} gave no answer ({type(error).__name__}); see that it "
                "is running."
            ) from None

    def _server(self, python: Path) -> Process:
        ports = free_ports(3)
        self.url, self.grpc_address = f"http://127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}"
        return Process(
            self.title,
            self._command(python, ports),
            ready=self._all_ready,
            environment=thread_environment(1),
            folder=self._folder,
            start_timeout_s=self._start_timeout_s,
        )

    def _all_ready(self) -> bool:
        return all(map(self.ready, self._models))


def _checked(name: str, file: Path) -> None:
    if not NAME.fullmatch(name):
        raise LabError(
            f"The model's name is {name!r}; expected letters, digits, dots and dashes, as fraud-1."
        )
    if not file.is_file():
        raise LabError(f"The file of model {name}, {file}, is not there; expected an ONNX file.")


def _words(answer: httpx.Response) -> str:
    """What the server says, in one line."""
    try:
        said: Any = answer.json()
    except ValueError:
        said = answer.text
    if isinstance(said, dict):
        said = said.get("error") or said.get("detail") or said
    return " ".join(str(said).split())[:300] or f"status {answer.status_code}."
