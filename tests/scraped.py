"""A page of metrics for a real Prometheus to read."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from lab_utils.components.catalogue import CATALOGUE

needs_prometheus = pytest.mark.skipif(
    not CATALOGUE["prometheus"].present(), reason="prometheus is missing"
)


@contextmanager
def page(registry: CollectorRegistry) -> Iterator[str]:
    """Its address, while the block runs."""
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
