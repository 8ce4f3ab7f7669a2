"""One worker a core and the default threads in each: the deployed service once more."""

TASK = "service_settings"
MESSAGE = "no more and no fewer"


def service_settings(cores: int) -> dict:
    return {"workers": cores, "compute_threads": None}
