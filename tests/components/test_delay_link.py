"""A link is late by what it says, in both directions, and can be cut."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from lab_utils.components.delay_link import PROGRAM, DelayLink, Way, best_way
from lab_utils.components.ports import free_ports
from lab_utils.errors import LabError
from lab_utils.resilience.practice import PracticeServers

ONE_WAY_S = 0.1
NAMESPACES = pytest.mark.skipif(
    best_way() == "proxy", reason="this user may not make network namespaces"
)
both_ways = pytest.mark.parametrize("way", ["proxy", pytest.param("namespaces", marks=NAMESPACES)])


@pytest.fixture(scope="module")
def server() -> Iterator[PracticeServers]:
    with PracticeServers() as running:
        yield running


def base(url: str) -> str:
    return url.rsplit("/", 1)[0]


@both_ways
def test_an_answer_is_a_round_trip_later_and_the_first_two(
    server: PracticeServers, way: Way
) -> None:
    with (
        DelayLink(base(server.url()), ONE_WAY_S, way) as link,
        httpx.Client(trust_env=False, timeout=30) as client,
    ):
        took_s = []
        for _ in range(2):
            begun_s = time.monotonic()
            assert client.post(f"{link.url}/0", content=b"0").text == "ok"
            took_s.append(time.monotonic() - begun_s)
    assert took_s[0] >= 4 * ONE_WAY_S
    assert took_s[1] >= 2 * ONE_WAY_S


@both_ways
def test_what_is_longer_than_a_piece_comes_whole(server: PracticeServers, way: Way) -> None:
    with (
        DelayLink(base(server.url()), ONE_WAY_S, way) as link,
        httpx.Client(trust_env=False, timeout=30) as client,
    ):
        big = "0." + "0" * 200_000  # larger than one piece
        assert client.post(f"{link.url}/0", content=big.encode()).text == "ok"


@both_ways
def test_nothing_comes_through_a_cut_link_until_it_is_mended(
    server: PracticeServers, way: Way
) -> None:
    with DelayLink(base(server.url()), 0.0, way) as link:
        link.cut()
        with pytest.raises(httpx.TimeoutException):
            httpx.post(f"{link.url}/0", content=b"0", timeout=0.3, trust_env=False)
        link.mend()
        assert httpx.post(f"{link.url}/0", content=b"0", timeout=30, trust_env=False).text == "ok"


@both_ways
def test_where_nobody_is_the_connection_ends(way: Way) -> None:
    (nobody,) = free_ports(1)
    with (
        DelayLink(f"http://127.0.0.1:{nobody}", 0.0, way) as link,
        pytest.raises(httpx.TransportError),
    ):
        httpx.post(link.url, content=b"0", timeout=30, trust_env=False)


@pytest.mark.parametrize(
    ("url", "one_way_s", "sentence"),
    [
        ("http://127.0.0.1", 0.0, "expected a URL with a port"),
        ("ftp://127.0.0.1:9", 0.0, "expected a URL with a port"),
        ("http://127.0.0.1:9", -1.0, "expected 0 to 10"),
    ],
)
def test_what_is_no_link_is_told(url: str, one_way_s: float, sentence: str) -> None:
    with pytest.raises(LabError, match=sentence):
        DelayLink(url, one_way_s)


@NAMESPACES
def test_two_namespaces_are_made_and_nothing_is_changed_outside(server: PracticeServers) -> None:
    own, seen = os.readlink("/proc/self/ns/net"), socket.if_nameindex()
    with DelayLink(base(server.url()), 0.0, "namespaces") as link:
        assert httpx.post(f"{link.url}/0", content=b"0", timeout=30, trust_env=False).text == "ok"
        (carrier,) = (
            process
            for process in psutil.Process().children(recursive=True)
            if str(PROGRAM) in process.cmdline()[:4]  # further on, it is the supervisor's argument
        )
        held = {os.readlink(each) for each in Path(f"/proc/{carrier.pid}/fd").iterdir()}
        assert len({name for name in held if name.startswith("net:")} - {own}) == 2
        assert socket.if_nameindex() == seen
    assert not carrier.is_running()
