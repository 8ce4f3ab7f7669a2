"""Vertex AI called in its REST form, by google-auth's session, pointed at a front door on loopback.

    google = session()
    predict(google, door.predict_url, body)                    # as it comes
    predict(google, door.predict_url, body, timeout=0.05)

google-auth is Google's own library: it adds a token to each request, renews it, and has the time
limit. Google's SDK (google-cloud-aiplatform) also brings clients of storage and of BigQuery, which
nothing here needs. The token is made up.
"""

from __future__ import annotations

import inspect
from typing import Any

JSON = {"Content-Type": "application/json"}


def session() -> Any:
    """google-auth's AuthorizedSession; it keeps its connections open, as any of requests' does."""
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2.credentials import Credentials

    made = AuthorizedSession(Credentials(token="nobody"))
    made.trust_env = False  # to loopback, whatever proxy there is
    return made


def usual_limit_s() -> float:
    """How long a call may take where nobody says: the session's own default."""
    from google.auth.transport.requests import AuthorizedSession

    return float(inspect.signature(AuthorizedSession.request).parameters["timeout"].default)


def predict(session: Any, url: str, body: bytes, **limits: float) -> bytes:
    """The answer's body. limits: `timeout`, in seconds. Raises what requests raises."""
    answer = session.post(url, data=body, headers=JSON, **limits)
    answer.raise_for_status()
    content: bytes = answer.content
    return content
