"""The KServe runtime: its Python server, as a predictor's container runs it, on loopback alone.

with KServe({"fraud-1": file}) as server: …
"""

from __future__ import annotations

from pathlib import Path

from lab_utils.components.model_servers.server import ModelServer

SERVER = Path(__file__).with_name("kserve_server.py")


class KServe(ModelServer):
    """See `ModelServer`. It answers protocol V1 (`instances`) beside V2, and does not batch."""

    title = "KServe"
    environment = "kserve"

    def _command(self, python: Path, ports: list[int]) -> list[str]:
        http, grpc, _ = ports
        command = [str(python), "-I", str(SERVER), str(self.repository)]
        return [*command, f"--http_port={http}", f"--grpc_port={grpc}"]
