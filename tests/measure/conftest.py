"""Real HTTP servers with a known behaviour, each in a process of its own."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

SERVER = """
import os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

delay_s, dies_after = float(sys.argv[1]), int(sys.argv[2])
seen = 0
NONSENSE = b"I am not a web server\\n"

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        global seen
        body = self.rfile.read(int(self.headers["Content-Length"]))
        seen += 1
        if seen == dies_after:
            os._exit(1)
        time.sleep(delay_s)
        if self.path == "/nonsense":
            self.close_connection = True
            self.wfile.write(NONSENSE)
            return
        if self.path == "/empty":
            self.send_response(204)
            self.end_headers()
            return
        bad = self.path == "/bad" or (self.path == "/odd" and len(body) % 2)
        self.send_response(500 if bad else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"no" if bad else b"ok")

    def log_message(self, *rest):
        pass

ThreadingHTTPServer.request_queue_size = 1024  # connections that wait while it is stopped
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.handle_error = lambda *rest: None
print(server.server_address[1], flush=True)
server.serve_forever()
"""

StartServer = Callable[..., str]


@pytest.fixture
def servers() -> list[subprocess.Popen[str]]:
    """The processes of the servers that the test has started."""
    return []


@pytest.fixture
def start_server(servers: list[subprocess.Popen[str]]) -> Iterator[StartServer]:
    """Starts a server that answers after `delay_s`: "ok"; at /odd, 500 to bodies of odd length.

    At /empty its answers have no body (204); at /nonsense it does not speak HTTP. It dies with its
    `dies_after`-th request. Gives its address; `servers` gives its process.
    """
    started = servers

    def start(delay_s: float = 0.0, dies_after: int = -1) -> str:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(delay_s), str(dies_after)],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return f"http://127.0.0.1:{process.stdout.readline().strip()}"

    yield start
    for process in started:
        process.kill()
        process.communicate()
