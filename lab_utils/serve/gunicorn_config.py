"""gunicorn's settings that `WebService` does not pass as options.

A worker takes a connection only when it is free, and closes it after the answer. With connections
kept open, all clients may end up at one worker while the others idle: four wrk connections on two
workers were then served at the full rate in some runs and at half of it in others.

With one request at a time a worker is of gunicorn's default class, `sync`, which computes in the
process's first thread. (In any other thread libgomp counts the first one's helpers, too, takes the
cores for overbooked and sleeps where it would spin; two compute threads then often share a core.)
"""

import importlib
import os
import sys
from typing import Any

READY = "worker ready"
PRELOAD = "INFERENCE_LAB_PRELOAD"
timeout = 300
keepalive = 0
graceful_timeout = 2
loglevel = "warning"
control_socket_disable = True


def on_starting(server: object) -> None:
    """Import the modules that all workers will share, before they are forked."""
    for module in os.environ.get(PRELOAD, "").split():
        importlib.import_module(module)


def post_worker_init(worker: object) -> None:
    """Say in the log that this worker has loaded the application and takes requests."""
    print(READY, flush=True)


def worker_exit(server: object, worker: Any) -> None:
    """End at once: taking PyTorch apart object by object costs a core a second or two.

    A worker that could not load the application keeps its own exit status: by that gunicorn knows
    that starting another one is of no use.
    """
    if worker.booted:
        _end()


def on_exit(server: object) -> None:
    """The same for the first process, which may hold PyTorch for its workers."""
    _end()


def _end() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
