"""Seldon's MLServer: its own command, on a repository of `model-settings.json` files.

with MLServer({"fraud-1": file}) as server: …
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab_utils.components.model_servers.server import MODEL, ModelServer
from lab_utils.files import write_json

RUNTIME = Path(__file__).with_name("mlserver_scorer.py")


class MLServer(ModelServer):
    """See `ModelServer`. Models run in the server's own process: for one that takes microseconds,
    its workers (`parallel_workers`) would cost more than they give."""

    title = "MLServer"
    environment = "mlserver"

    def _command(self, python: Path, ports: list[int]) -> list[str]:
        http, grpc, metrics = ports
        write_json(
            self._folder / "settings.json",
            {
                "host": "127.0.0.1",
                "http_port": http,
                "grpc_port": grpc,
                "metrics_port": metrics,
                "parallel_workers": 0,
            },
        )
        return [str(python), "-I", str(python.with_name("mlserver")), "start", str(self._folder)]

    def _add(self, name: str, file: Path) -> None:
        super()._add(name, file)
        folder = self.repository / name
        shutil.copyfile(RUNTIME, folder / RUNTIME.name)  # it is imported from beside the settings
        settings = {
            "name": name,
            "implementation": f"{RUNTIME.stem}.Scorer",
            "parameters": {"uri": f"./{MODEL}"},
        }
        write_json(folder / "model-settings.json", settings)
