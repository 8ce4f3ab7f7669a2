"""NVIDIA Triton Inference Server: the real tritonserver, on a model repository of your own.

    with Triton(repository) as server:
        httpx.get(f"{server.url}/v2/models/resnet/stats")
        server.metrics()                          # Prometheus' text

PyTriton's wheel carries the server with its Python backend and its local cache. PyTriton's own
launcher hides the repository; here the server's binary reads one that is written by hand
(`serve/triton_repository.py`).

    with Triton(repository, on_demand=True) as server:
        write_model(repository, config, code)     # while it runs
        server.load("resnet")
        server.unload("resnet")
"""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx

from lab_utils.components import environments
from lab_utils.components.ports import free_ports, started
from lab_utils.components.process import Process
from lab_utils.errors import LabError
from lab_utils.machine.cores import limited_to

ENVIRONMENT = "triton"
TRIES = 3
"""Another program may take one of the free ports before the server does."""
TAKEN = re.compile(r"^.*(address already in use|failed to bind).*$", re.I | re.M)
FAILED = re.compile(r"\"failed to load '(?P<model>[^']+)' version \d+: (?P<cause>[^\"]+)", re.M)
POLL_S = 0.02
LOADING = 8
"""Models that are loaded at the same time."""
NO_SERVER = (
    "Triton's package holds no server for this machine, only for Linux on x86-64. Run this there: "
    "on a server, in WSL 2 on Windows, or in a virtual machine."
)


def interpreter(waiting: environments.Waiting = environments.silently) -> Path:
    """The Python of Triton's environment, which is made where it is not there yet.

    Raises LabError, in one sentence, where this machine is none that the package has a server for.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise LabError(NO_SERVER)
    return environments.python(ENVIRONMENT, waiting)


class Triton:
    """The server, alive only inside the `with` block, on loopback ports of its own.

    repository: a folder of models. on_demand: none is loaded before `load` asks for it; otherwise
    all are, and warmed up, before the server is ready. cache_bytes: of the response cache; models
    say whether they use it. start_timeout_s: also of a later `load`. folders: where the models
    import from besides their environment. cores: how many of this process's cores the server and
    its models get; None is all.

    Raises LabError, with the end of its log, where a model cannot be loaded, and as `interpreter`.
    """

    def __init__(
        self,
        repository: Path,
        *,
        on_demand: bool = False,
        cache_bytes: int = 16 * 2**20,
        start_timeout_s: float = 120,
        folders: Sequence[Path] = (),
        cores: int | None = None,
        waiting: environments.Waiting = environments.silently,
    ) -> None:
        self._repository = repository
        self._on_demand = on_demand
        self._cache_bytes = cache_bytes
        self._start_timeout_s = start_timeout_s
        self._folders = folders
        self._cores = cores
        self._waiting = waiting
        self._stack = ExitStack()
        self._process: Process | None = None
        self.url = self.grpc_address = self.metrics_url = ""

    def __enter__(self) -> Self:
        python = interpreter(self._waiting)
        packages = environments.packages(python)
        bundle = packages / "pytriton" / "tritonserver"
        if not (bundle / "bin" / "tritonserver").exists():
            raise LabError(NO_SERVER)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="triton-")))
            self._link_backend(bundle, folder / "backends" / "python")
            with limited_to(self._cores):
                self._process = started(
                    stack, lambda: self._server(bundle, packages, python, folder), TAKEN, TRIES
                )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def process(self) -> Process:
        """The server's process, for its log and for looking at its children."""
        assert self._process is not None
        return self._process

    def metrics(self) -> str:
        """What Prometheus would scrape now."""
        return httpx.get(self.metrics_url).raise_for_status().text

    def statistics(self, model: str) -> dict[str, Any]:
        """Counts and times of one model since it was loaded, its `batch_stats` included.

        Raises LabError where there is no such model.
        """
        answer = httpx.get(f"{self.url}/v2/models/{model}/stats")
        if answer.status_code != httpx.codes.OK:
            raise LabError(f"Triton has no statistics of {model!r}: {answer.text.strip()}")
        found: dict[str, Any] = answer.json()["model_stats"][0]
        return found

    def load(self, *models: str) -> None:
        """Load models of the repository, at the same time; they are ready, and warmed up, then.

        Only for a server that loads on demand. Raises LabError with the cause where one fails.
        """
        with ThreadPoolExecutor(len(models)) as threads:
            list(threads.map(self._load, models))

    def unload(self, *models: str) -> None:
        """Let go of models, at the same time; their processes have ended then."""
        with ThreadPoolExecutor(len(models)) as threads:
            list(threads.map(self._unload, models))

    def _unload(self, model: str) -> None:
        self._ask_for(model, "unload")
        deadline = time.monotonic() + self._start_timeout_s
        while self._state(model) != "UNAVAILABLE":
            if time.monotonic() > deadline:
                raise LabError(f"Triton did not let go of {model} in {self._start_timeout_s:g} s.")
            time.sleep(POLL_S)

    def _load(self, model: str) -> None:
        answer = self._ask_for(model, "load")
        if answer.status_code != httpx.codes.OK:
            cause = answer.json()["error"].split("\n\nAt:")[0]  # what follows is Python's machinery
            raise LabError(f"Triton could not load {model}: {cause.strip()}")

    def _ask_for(self, model: str, what: str) -> httpx.Response:
        url = f"{self.url}/v2/repository/models/{model}/{what}"
        return httpx.post(url, json={}, timeout=self._start_timeout_s)

    def _state(self, model: str) -> str:
        index = httpx.post(f"{self.url}/v2/repository/index", json={}).raise_for_status().json()
        return next((m.get("state", "") for m in index if m["name"] == model), "UNAVAILABLE")

    @staticmethod
    def _link_backend(bundle: Path, place: Path) -> None:
        """The Python backend with the stub of this Python's version, which lies elsewhere."""
        place.mkdir(parents=True)
        version = sysconfig.get_python_version()
        stub = bundle / "python_backend_stubs" / version / "triton_python_backend_stub"
        if not stub.exists():
            raise LabError(f"Triton's package has no Python backend for Python {version}.")
        for file in (stub, *(bundle / "backends" / "python").iterdir()):
            (place / file.name).symlink_to(file)

    def _server(self, bundle: Path, packages: Path, python: Path, folder: Path) -> Process:
        http, grpc, metrics = free_ports(3)
        self.url = f"http://127.0.0.1:{http}"
        self.grpc_address = f"127.0.0.1:{grpc}"
        self.metrics_url = f"http://127.0.0.1:{metrics}/metrics"
        command = [str(bundle / "bin" / "tritonserver"), "--model-repository"]
        command += [str(self._repository.resolve())]
        command += ["--backend-directory", str(folder / "backends")]
        command += ["--cache-directory", str(bundle / "caches")]
        command += ["--cache-config", f"local,size={self._cache_bytes}"]
        for kind, port in (("http", http), ("grpc", grpc), ("metrics", metrics)):
            command += [f"--{kind}-address", "127.0.0.1", f"--{kind}-port", str(port)]
        # What a configuration leaves out has its default; to ask model.py would start each twice.
        command += ["--disable-auto-complete-config"]
        command += ["--model-load-thread-count", str(LOADING)]
        # A model that fails ends the server, with the reason at the end of its log. At the end of
        # the block nobody waits for an answer any more.
        command += ["--exit-on-error", "true", "--exit-timeout-secs", "0"]
        command += ["--model-control-mode", "explicit" if self._on_demand else "none"]
        libraries = [
            str(sysconfig.get_config_var("LIBDIR")),
            str(packages / "nvidia_pytriton.libs"),
        ]
        environment = os.environ | {
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),  # else the stub loads another Python
            "PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", "")]),
            "PYTHONPATH": os.pathsep.join(str(path) for path in (packages, *self._folders)),
        }
        return Process(
            "Triton",
            command,
            ready=self._answers,
            environment=environment,
            folder=folder,
            start_timeout_s=self._start_timeout_s,
            stop_timeout_s=10,
            reason=_reason,
        )

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/v2/health/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def _reason(log: str) -> str | None:
    """Which model could not be loaded and why, or that a port was taken; Triton says it early."""
    failed = FAILED.search(log)
    if failed:
        cause = failed["cause"].split("\\n\\nAt:")[0]  # what follows is Python's own machinery
        return f"the model {failed['model']} could not be loaded: {cause.strip()}"
    taken = TAKEN.search(log)
    return taken[0] if taken else None
