"""gunicorn's settings that `WebService` does not pass as options."""

READY = "worker ready"
worker_class = "gthread"
timeout = 300
keepalive = 75
loglevel = "warning"
control_socket_disable = True


def post_worker_init(worker: object) -> None:
    """Say in the log that this worker has loaded the application and takes requests."""
    print(READY, flush=True)
