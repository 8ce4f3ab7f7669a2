"""MLflow, in a process of its own environment that answers one question at a time.

    python -I model_registry_worker.py FOLDER SOCKET

Run by its path in MLflow's environment, so it imports nothing of lab_utils. `model_registry.py`
starts it and says what it may be asked; `asked.py` is the other end of SOCKET. All that MLflow
writes lies in FOLDER: a database, and the files of the models.
"""

import hashlib
import logging
import os
import sys
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

EXPERIMENT, FILE, DIGEST = "models", "model.onnx", "sha256"


class Registry:
    """One database and its files."""

    def __init__(self, folder: Path) -> None:
        import mlflow

        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)  # whatever MLflow writes beside its database
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'registry.db'}")
        if mlflow.get_experiment_by_name(EXPERIMENT) is None:
            mlflow.create_experiment(EXPERIMENT, (folder / "files").as_uri())
        mlflow.set_experiment(EXPERIMENT)
        self.client = mlflow.MlflowClient()

    def register(
        self,
        name: str,
        content: bytes,
        columns: list[str],
        metrics: dict[str, float],
        tags: dict[str, str],
    ) -> dict[str, Any]:
        """Log a run with its model and metrics, and make it the next version."""
        import mlflow
        import onnx
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        signature = ModelSignature(
            inputs=Schema([ColSpec("float", column) for column in columns]),
            outputs=Schema([ColSpec("float", "output")]),
        )
        with mlflow.start_run():
            mlflow.log_metrics(metrics)
            logged = mlflow.onnx.log_model(
                onnx.load_model_from_string(content),
                name=name,
                signature=signature,
                registered_model_name=name,
                pip_requirements=["onnxruntime"],
                save_as_external_data=False,
            )
        number = str(logged.registered_model_version)
        path = self._path(name, number)
        tags = tags | {DIGEST: hashlib.sha256(path.read_bytes()).hexdigest()}
        for key, value in tags.items():
            self.client.set_model_version_tag(name, number, key, value)
        return self._told(name, number)

    def alias(self, name: str, alias: str, number: int) -> dict[str, Any]:
        """Move an alias."""
        self.client.set_registered_model_alias(name, alias, str(number))
        return self._told(name, str(number))

    def of(self, name: str, alias: str) -> dict[str, Any]:
        """The version behind an alias."""
        return self._told(name, str(self.client.get_model_version_by_alias(name, alias).version))

    def versions(self, name: str) -> dict[str, Any]:
        """All versions."""
        self.client.get_registered_model(name)  # says so where there is none
        found = self.client.search_model_versions(f"name='{name}'")
        numbers = sorted(int(version.version) for version in found)
        return {"versions": [self._told(name, str(number)) for number in numbers]}

    def _told(self, name: str, number: str) -> dict[str, Any]:
        from mlflow.models import get_model_info

        version = self.client.get_model_version(name, number)
        # A version found by its number says nothing of its aliases.
        aliases = self.client.get_registered_model(name).aliases
        tags = dict(version.tags)
        signature = get_model_info(f"models:/{name}/{number}").signature
        return {
            "name": name,
            "number": int(number),
            "path": str(self._path(name, number)),
            "columns": signature.inputs.input_names(),
            "metrics": dict(self.client.get_run(version.run_id).data.metrics),
            "sha256": tags.pop(DIGEST, ""),
            "tags": tags,
            "aliases": sorted(alias for alias, at in aliases.items() if str(at) == number),
        }

    def _path(self, name: str, number: str) -> Path:
        """Of a file on this disk MLflow gives its own path, and makes no copy."""
        import mlflow

        return Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{number}")) / FILE


def main() -> None:
    """Answer until the other end closes."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    folder, descriptor = sys.argv[1:]
    line = Connection(int(descriptor))
    try:
        registry = Registry(Path(folder))
        import mlflow

        line.send({"version": mlflow.__version__})
    except Exception as error:
        line.send({"error": f"MLflow did not start: {error}"})
        return
    while True:
        try:
            question = line.recv()
        except EOFError:
            return
        try:
            line.send(getattr(registry, question.pop("do"))(**question))
        except Exception as error:
            said = str(error).removeprefix("RESOURCE_DOES_NOT_EXIST: ")
            line.send({"error": f"MLflow could not answer: {said}"})


if __name__ == "__main__":
    main()
