"""MLflow's model registry, on sqlite in a folder: which file is which version, which one serves.

    with ModelRegistry(folder) as registry:
        version = registry.register("fraud", content, columns=FEATURES, metrics={"auc": 0.85})
        registry.alias("fraud", "champion", version.number)
        registry.of("fraud", "champion").file()      # what a server loads

A *version* is a file that never changes, with its signature (the inputs by name, in their order)
and what was measured of it. An *alias* is a name that is moved from one version to another: a
rollout ends with `alias`, a rollback with the same, and nobody copies files.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lab_utils.components import environments
from lab_utils.components.asked import AskedProcess
from lab_utils.errors import LabError

WORKER = Path(__file__).with_name("model_registry_worker.py")
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


@dataclass(frozen=True)
class Version:
    """One version of a model. path: its ONNX file in the registry. columns: its inputs, by name.

    sha256: of the file when it was registered. aliases: that point to it when it was asked for.
    """

    name: str
    number: int
    path: Path
    columns: tuple[str, ...]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    sha256: str

    def file(self) -> Path:
        """The file, after a look whether it is the one that was registered.

        Raises LabError where it is gone or has been changed.
        """
        try:
            found = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as error:
            raise LabError(
                f"The file of {self.name} version {self.number} cannot be read: "
                f"{error.strerror}; register the model again."
            ) from None
        if found != self.sha256:
            raise LabError(
                f"The file of {self.name} version {self.number} is not the one that was registered "
                f"(SHA-256 {found[:12]}…, expected {self.sha256[:12]}…); register the new one as a "
                "version of its own."
            )
        return self.path


class ModelRegistry:
    """The registry, alive only inside the `with` block; what it keeps stays in its folder.

    folder: None takes one of its own, which goes with the block. Raises LabError where MLflow's
    environment cannot be made, and with MLflow's own words where it refuses.
    """

    def __init__(
        self, folder: Path | None = None, waiting: environments.Waiting = environments.silently
    ) -> None:
        self._folder = folder
        self._waiting = waiting
        self._stack = ExitStack()
        self._process: AskedProcess | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = self._folder or Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="registry-"))
            )
            command = environments.command(
                "mlflow", WORKER, folder.resolve(), waiting=self._waiting
            )
            self._process = stack.enter_context(
                AskedProcess("MLflow", command, environment=os.environ | QUIET)
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def version(self) -> str:
        """MLflow's own version, as "3.17.2"."""
        assert self._process is not None
        return str(self._process.told["version"])

    def register(
        self,
        name: str,
        content: bytes,
        *,
        columns: Sequence[str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str] | None = None,
    ) -> Version:
        """Keep an ONNX file as the model's next version; the first has the number 1.

        columns: the inputs' names, in the order in which the file takes them. Raises LabError for
        what is no ONNX file.
        """
        if not columns:
            raise LabError("A model without inputs was to be registered; expected their names.")
        return self._version(
            self._ask(
                "register",
                name=name,
                content=content,
                columns=list(columns),
                metrics={key: float(value) for key, value in metrics.items()},
                tags=dict(tags or {}),
            )
        )

    def alias(self, name: str, alias: str, number: int) -> Version:
        """Let an alias point to a version from now on."""
        return self._version(self._ask("alias", name=name, alias=alias, number=number))

    def of(self, name: str, alias: str) -> Version:
        """The version that an alias points to now."""
        return self._version(self._ask("of", name=name, alias=alias))

    def versions(self, name: str) -> list[Version]:
        """All versions of a model, the first first."""
        return [self._version(told) for told in self._ask("versions", name=name)["versions"]]

    def _version(self, told: dict[str, Any]) -> Version:
        return Version(
            name=told["name"],
            number=told["number"],
            path=Path(told["path"]),
            columns=tuple(told["columns"]),
            metrics=told["metrics"],
            tags=told["tags"],
            aliases=tuple(told["aliases"]),
            sha256=told["sha256"],
        )

    def _ask(self, what: str, **given: Any) -> dict[str, Any]:
        assert self._process is not None
        return self._process.ask({"do": what, **given})
