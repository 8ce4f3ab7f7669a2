"""The grader's clients against a server that answers well, with an error, and with nonsense."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lab_utils.grade import clients
from lab_utils.grade.clients import MAX_REPLY_BYTES, send

REPLIES = {
    b"good": (200, b'{"top5": 1}'),
    b"error": (500, b'{"error": "it fell over"}'),
    b"nonsense": (200, b"<html>"),
    b"deep": (200, b"[" * 100_000),
    b"endless": (200, b"1" * (MAX_REPLY_BYTES + 9)),
}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"hangs up":
            self.close_connection = True
            return
        status, reply = REPLIES[body]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/predict"
    server.shutdown()
    thread.join()
    server.server_close()


def test_replies_stand_in_the_order_of_their_requests(url: str) -> None:
    bodies = [b"good", b"error", b"nonsense", b"deep", b"hangs up", b"good"]
    block = send(url, bodies, clients=3)
    assert block.documents == [{"top5": 1}, None, None, None, None, {"top5": 1}]
    failures = [reply.failure for reply in block.replies]
    assert failures[1] == "status 500: it fell over"
    assert failures[2] == failures[3] == "a reply that is not JSON"
    assert failures[4]
    assert len(block.failures) == 4
    assert all(0 < reply.latency_s <= block.duration_s for reply in block.replies)


def test_a_reply_without_end_is_cut_off(url: str) -> None:
    (reply,) = send(url, [b"endless"], clients=1).replies
    assert reply.document is None or len(str(reply.document)) <= MAX_REPLY_BYTES


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.01)


def continue_without_end(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def announce_without_end(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    while True:
        connection.sendall(b"Trailer: x\r\n")


@pytest.mark.parametrize("reply", [drip, continue_without_end, announce_without_end])
def test_a_reply_that_goes_on_ends_at_its_deadline(
    reply: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "REQUEST_TIMEOUT_S", 0.5)

    def serve() -> None:
        with listener.accept()[0] as connection, suppress(OSError):
            connection.recv(2**16)
            reply(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        (got,) = send(f"http://127.0.0.1:{listener.getsockname()[1]}/", [b"x"], 1).replies
        thread.join(20)
    assert not thread.is_alive()
    assert got.failure.startswith("TimeoutError")


def test_nobody_there_is_a_failure_not_an_exception() -> None:
    (reply,) = send("http://127.0.0.1:1/predict", [b"good"], clients=1).replies
    assert reply.failure.startswith("ConnectionRefusedError")
