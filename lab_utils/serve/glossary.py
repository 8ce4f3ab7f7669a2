"""A service that the ResNet-50 service asks: what does a label mean? Somebody else's, and slow.

    GET /LABEL → a sentence, after a while

with Glossary(delay_s=0.015) as glossary:
    ask(glossary.url, "tabby cat")
"""

from __future__ import annotations

import http.client
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

from lab_utils.components.process import Process
from lab_utils.errors import LabError

TIMEOUT_S = 10.0


class Glossary(Process):
    """The service on a loopback port of its own, alive only inside the `with` block.

    delay_s: what each answer takes, as a database or a network far away would. `url` is known
    inside the block.
    """

    def __init__(self, delay_s: float) -> None:
        if not 0 <= delay_s < TIMEOUT_S:
            raise LabError(f"delay_s is {delay_s}; expected seconds from 0 to {TIMEOUT_S:g}.")
        command = [sys.executable, "-m", __name__, str(delay_s)]
        super().__init__("the glossary", command, ready=lambda: bool(self.url))


def ask(url: str, label: str) -> str:
    """One label's sentence, over a connection of its own."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/" + quote(label))
        return connection.getresponse().read().decode()
    except OSError as error:
        raise LabError(f"The glossary at {url} gives no answer ({error}); start it.") from None
    finally:
        connection.close()


def _serve(delay_s: float) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(delay_s)
            label = unquote(self.path[1:])
            body = f"A picture that looks like this is filed under: {label}.".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *rest: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"listening at http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve(float(sys.argv[1]))
