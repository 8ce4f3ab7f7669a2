"""gunicorn's settings that `WebService` does not pass as options."""

import importlib
import os

READY = "worker ready"
PRELOAD = "INFERENCE_LAB_PRELOAD"
worker_class = "gthread"
timeout = 300
keepalive = 75
loglevel = "warning"
control_socket_disable = True


def on_starting(server: object) -> None:
    """Import the modules that all workers will share, before they are forked."""
    for module in os.environ.get(PRELOAD, "").split():
        importlib.import_module(module)


def post_worker_init(worker: object) -> None:
    """Say in the log that this worker has loaded the application and takes requests."""
    print(READY, flush=True)
