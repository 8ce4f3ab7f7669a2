"""One client of the service: what it waited, beside what the service says it worked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Self

import httpx

from lab_utils.errors import LabError
from lab_utils.measure.stages import Stages

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Exchange:
    """One request over HTTP: the answer's JSON, the client's wait, the service's own stages."""

    answer: Any
    waited_s: float
    stages: Stages


class Client:
    """Sends one request at a time over a kept connection to `url` (no path)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)

    def predict(self, jpeg: bytes) -> Exchange:
        """POST the picture to /predict.

        Raises LabError with the service's own words where it refuses, and a sentence where it
        does not answer.
        """
        start_s = time.perf_counter()
        try:
            response = self._http.post("/predict", content=jpeg)
        except httpx.TransportError as error:
            raise LabError(
                f"The service at {self.url} gave no answer ({type(error).__name__}); "
                "see that it is running."
            ) from None
        waited_s = time.perf_counter() - start_s
        if response.status_code != 200:
            raise LabError(
                f"The service refused the request with status {response.status_code}: "
                f"{response.text.strip()[:200]}"
            )
        stages = Stages.from_server_timing(response.headers.get("Server-Timing", ""))
        return Exchange(response.json(), waited_s, stages)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
