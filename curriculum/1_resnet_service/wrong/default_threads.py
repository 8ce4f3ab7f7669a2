"""One worker a core and the default threads in each: the deployed service once more."""

TASK = "service_settings"
MESSAGE = "start no more of them than there are cores"


def service_settings(cores: int) -> dict:
    return {"workers": cores, "compute_threads": None}
