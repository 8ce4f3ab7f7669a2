"""Half as many workers as cores: no fight over the cores, and no use of them either."""

TASK = "service_settings"
MESSAGE = "would never compute"


def service_settings(cores: int) -> dict:
    return {"workers": max(1, cores // 2), "compute_threads": 1}
