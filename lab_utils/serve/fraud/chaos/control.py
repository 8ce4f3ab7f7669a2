"""Where Chaos Toolkit breaks and mends: a small HTTP server in this process.

    POST /break/NAME, /mend/NAME    200 when it is done; 404 for an unknown one; 500 and why

What is said is a sentence, {"said": "…"}.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

POLL_S = 0.05


@dataclass(frozen=True)
class Fault:
    """Something that can be broken, and mended again."""

    break_it: Callable[[], None]
    mend_it: Callable[[], None]


class Control:
    """The server, alive inside the `with` block, at `url` on a loopback port."""

    def __init__(self, faults: Mapping[str, Fault]) -> None:
        verbs = {
            f"/{verb}/{name}": what
            for name, fault in faults.items()
            for verb, what in (("break", fault.break_it), ("mend", fault.mend_it))
        }

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                if self.path not in verbs:
                    told = f"There is no {self.path}; expected one of {', '.join(verbs)}."
                    return self._tell(404, told)
                try:
                    verbs[self.path]()
                except Exception as error:  # whatever it is, the experiment is told
                    return self._tell(500, f"{type(error).__name__}: {error}")
                return self._tell(200, "done")

            def _tell(self, status: int, sentence: str) -> None:
                body = json.dumps({"said": sentence}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing: the notebook is no log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=[POLL_S], name="control", daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
