"""The real proxy before servers that the tests write, and break."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import psutil
import pytest

from lab_utils.components.envoy import Cluster, Envoy, Route
from lab_utils.components.ports import free_ports
from lab_utils.errors import LabError
from tests.started import assert_gone

DELAY_S, LATE_S = 0.2, 1.0
UNTIL_S = 20.0


class Server:
    """Answers everything with its name; counts what was posted."""

    def __init__(self, name: str) -> None:
        self.name, self.status, self.posted, self.late_s = name, 200, 0, 0.0
        self.lock, owner = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: two would wait 40 ms for each other

            def do_GET(self) -> None:
                self.send_response(owner.status)
                self.send_header("Content-Length", str(len(owner.name)))
                self.end_headers()
                self.wfile.write(owner.name.encode())

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with owner.lock:
                    owner.posted += 1
                time.sleep(owner.late_s)
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.address = self.url.removeprefix("http://")
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    with ExitStack() as stack:
        found = {name: Server(name) for name in ("old", "new", "copy", "slow", "slow too")}
        found["slow"].late_s = found["slow too"].late_s = LATE_S
        yield {name: stack.enter_context(server) for name, server in found.items()}


@pytest.fixture(scope="module")
def envoy(servers: dict[str, Server]) -> Iterator[Envoy]:
    (nobody,) = free_ports(1)
    old, new, copy = (servers[name].url for name in ("old", "new", "copy"))
    clusters = {
        "old": Cluster([[old]]),
        "new": Cluster([[new]]),
        "copy": Cluster([[copy]]),
        "checked": Cluster(
            [[new], [old]], health="/", check_every_s=0.1, unhealthy_after=1, check_within_s=5
        ),
        "gone": Cluster([[f"http://127.0.0.1:{nobody}"], [old]]),
        "slow": Cluster([[servers["slow"].url], [servers["slow too"].url]]),
        "ejected": Cluster([[f"http://127.0.0.1:{nobody}"], [old]], eject_after=2, ejected_s=60),
    }
    routes = {
        "canary": Route({"old": 100, "new": 0}),
        "shadow": Route({"old": 1}, mirror="copy"),
        "checked": Route({"checked": 1}),
        "alone": Route({"gone": 1}),
        "retried": Route({"gone": 1}, retries=1, try_s=10),
        "given-up": Route({"slow": 1}, retries=1, try_s=LATE_S / 4),
        "hedged": Route({"slow": 1}, retries=1, try_s=LATE_S / 4, hedged=True),
        "ejected": Route({"ejected": 1}),
    }
    with Envoy(clusters, routes) as running:
        yield running


def ask(envoy: Envoy, route: str, count: int = 1) -> list[str]:
    """Who answers; a status where nobody does."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        answers = [client.post(envoy.url(route), content=b"x") for _ in range(count)]
    return [a.text if a.status_code == 200 else str(a.status_code) for a in answers]


def until(holds: Any) -> None:
    deadline_s = time.monotonic() + UNTIL_S
    while not holds():
        assert time.monotonic() < deadline_s, "it never came so"
        time.sleep(0.02)


def test_weights_are_changed_while_it_runs(envoy: Envoy) -> None:
    assert set(ask(envoy, "canary", 30)) == {"old"}
    envoy.weights("canary", {"old": 50, "new": 50})
    mixed = ask(envoy, "canary", 200)
    assert 50 < mixed.count("new") < 150
    assert set(mixed) == {"old", "new"}
    envoy.weights("canary", {"old": 0, "new": 7})
    assert set(ask(envoy, "canary", 30)) == {"new"}
    envoy.weights("canary", {"old": 100, "new": 0})
    assert set(ask(envoy, "canary", 30)) == {"old"}


def test_a_fault_hits_one_cluster_until_it_is_mended(
    envoy: Envoy, servers: dict[str, Server]
) -> None:
    envoy.weights("canary", {"old": 50, "new": 50})
    before = servers["new"].posted
    envoy.fault("canary", "new", refused=1.0, status=429)
    assert set(ask(envoy, "canary", 60)) == {"old", "429"}
    assert servers["new"].posted == before
    envoy.fault("canary", "new", delay_s=DELAY_S)
    envoy.weights("canary", {"old": 0, "new": 1})
    begun_s = time.monotonic()
    assert ask(envoy, "canary") == ["new"]
    assert time.monotonic() - begun_s >= DELAY_S
    envoy.fault("canary", "new", refused=0.5)
    spoiled = ask(envoy, "canary", 200).count("503")
    assert 50 < spoiled < 150
    envoy.fault("canary", "new")
    assert set(ask(envoy, "canary", 30)) == {"new"}
    envoy.weights("canary", {"old": 100, "new": 0})


def test_a_mirror_gets_copies_and_its_answers_count_for_nothing(
    envoy: Envoy, servers: dict[str, Server]
) -> None:
    copy = servers["copy"]
    copy.status = 500
    before = copy.posted
    assert set(ask(envoy, "shadow", 20)) == {"old"}
    until(lambda: copy.posted == before + 20)
    envoy.mirrored("shadow", 0.0)
    assert set(ask(envoy, "shadow", 20)) == {"old"}
    envoy.mirrored("shadow", 1.0)
    assert set(ask(envoy, "shadow", 1)) == {"old"}
    until(lambda: copy.posted == before + 21)
    copy.status = 200


def test_a_server_whose_check_fails_is_sent_nothing_until_it_passes(
    envoy: Envoy, servers: dict[str, Server]
) -> None:
    new, old = servers["new"], servers["old"]
    assert envoy.healthy("checked") == {new.address: True, old.address: True}
    assert set(ask(envoy, "checked", 5)) == {"new"}
    new.status = 503
    until(lambda: not envoy.healthy("checked")[new.address])
    until(lambda: ask(envoy, "checked") == ["old"])  # the thread that proxies is told last
    with pytest.raises(LabError, match=rf"In 0.1 s {new.address} of the cluster checked did not"):
        envoy.until_healthy("checked", within_s=0.1)
    new.status = 200
    envoy.until_healthy("checked")
    until(lambda: ask(envoy, "checked") == ["new"])


def test_a_retry_goes_to_the_next_priority_though_nobody_has_checked(envoy: Envoy) -> None:
    assert set(ask(envoy, "alone", 5)) == {"503"}
    assert set(ask(envoy, "retried", 20)) == {"old"}
    assert envoy.count("cluster.gone.upstream_rq_retry_success") == 20


def test_a_late_attempt_is_given_up_or_left_running_beside_the_next(
    envoy: Envoy, servers: dict[str, Server]
) -> None:
    assert ask(envoy, "given-up") == ["504"]
    assert ask(envoy, "hedged")[0] in ("slow", "slow too")
    assert (servers["slow"].posted, servers["slow too"].posted) == (2, 2)


def test_a_server_that_fails_in_a_row_is_ejected(envoy: Envoy) -> None:
    assert ask(envoy, "ejected", 2) == ["503"] * 2
    until(lambda: ask(envoy, "ejected") == ["old"])
    assert set(ask(envoy, "ejected", 20)) == {"old"}
    assert sorted(envoy.healthy("ejected").values()) == [False, True]
    assert envoy.stats(r"^cluster\.ejected\.outlier_detection\.ejections_active$") == {
        "cluster.ejected.outlier_detection.ejections_active": 1
    }


def test_prometheus_may_read_it(envoy: Envoy) -> None:
    ask(envoy, "canary")
    page = httpx.get(envoy.metrics_url, trust_env=False).text
    assert 'envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="old"}' in page
    assert envoy.version.startswith("1.")
    assert envoy.count("cluster.old.there_is_no_such_thing") == 0


def test_what_makes_no_sense_is_told_in_a_sentence(envoy: Envoy) -> None:
    with pytest.raises(LabError, match="There is no route cannary; expected one of canary"):
        envoy.url("cannary")
    with pytest.raises(LabError, match=r"Weights of old were given .* expected those of old, new"):
        envoy.weights("canary", {"old": 1})
    with pytest.raises(LabError, match="expected whole numbers from 0 on, one of them above it"):
        envoy.weights("canary", {"old": 0, "new": 0})
    with pytest.raises(LabError, match="cluster copy is not one of the route canary"):
        envoy.fault("canary", "copy", refused=1)
    with pytest.raises(LabError, match=r"share is 1\.5; expected 0 to 1"):
        envoy.fault("canary", "new", refused=1.5)
    with pytest.raises(LabError, match="The route canary has no mirror"):
        envoy.mirrored("canary", 0.5)
    with pytest.raises(LabError, match="There is no cluster olf"):
        envoy.healthy("olf")


HERE = Cluster([["http://127.0.0.1:9"]])
WRONG: dict[str, tuple[dict[str, Cluster], dict[str, Route], str]] = {
    "nothing": ({}, {}, "got 0 clusters and 0 routes"),
    "a name": ({"a.b": HERE}, {"r": Route({"a.b": 1})}, "name is 'a.b'"),
    "no such cluster": ({"a": HERE}, {"r": Route({"b": 1})}, "names the cluster b"),
    "no such mirror": ({"a": HERE}, {"r": Route({"a": 1}, mirror="b")}, "names the cluster b"),
    "no weight": ({"a": HERE}, {"r": Route({"a": 0})}, "weights of the route r"),
    "no server": ({"a": Cluster([[]])}, {"r": Route({"a": 1})}, "group without a server"),
    "no port": (
        {"a": Cluster([["http://127.0.0.1"]])},
        {"r": Route({"a": 1})},
        "expected a URL with a port",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_clusters_and_routes_are_checked_before_it_starts(kind: str) -> None:
    clusters, routes, sentence = WRONG[kind]
    with pytest.raises(LabError, match=sentence):
        Envoy(clusters, routes)


def test_what_envoy_itself_refuses_is_told_in_its_words() -> None:
    clusters = {"a": Cluster([["http://localhost:9"]])}
    with (
        pytest.raises(LabError, match=r"Envoy stopped .*\n.*malformed IP address: localhost"),
        Envoy(clusters, {"r": Route({"a": 1})}),
    ):
        pass


def test_it_listens_on_loopback_and_is_gone_with_the_block(servers: dict[str, Server]) -> None:
    clusters = {"old": Cluster([[servers["old"].url]])}
    with Envoy(clusters, {"r": Route({"old": 1})}) as running:
        processes = running.process.processes()
        listening = [
            connection.laddr.ip
            for process in processes
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert ask(running, "r") == ["old"]
    assert len(listening) >= 2
    assert set(listening) == {"127.0.0.1"}
    assert_gone(process.pid for process in processes)
