"""A link is late by what it says, in both directions, and can be cut."""

import time
from collections.abc import Iterator

import httpx
import pytest

from lab_utils.components.delay_link import DelayLink
from lab_utils.components.ports import free_ports
from lab_utils.errors import LabError
from lab_utils.resilience.practice import PracticeServers

ONE_WAY_S = 0.1


@pytest.fixture(scope="module")
def server() -> Iterator[PracticeServers]:
    with PracticeServers() as running:
        yield running


def base(url: str) -> str:
    return url.rsplit("/", 1)[0]


def test_an_answer_is_a_round_trip_later_and_the_first_two(server: PracticeServers) -> None:
    with (
        DelayLink(base(server.url()), ONE_WAY_S) as link,
        httpx.Client(trust_env=False, timeout=30) as client,
    ):
        took_s = []
        for _ in range(2):
            begun_s = time.monotonic()
            assert client.post(f"{link.url}/0", content=b"0").text == "ok"
            took_s.append(time.monotonic() - begun_s)
    assert took_s[0] >= 4 * ONE_WAY_S
    assert took_s[1] >= 2 * ONE_WAY_S


def test_what_is_longer_than_a_piece_comes_whole(server: PracticeServers) -> None:
    with (
        DelayLink(base(server.url()), ONE_WAY_S) as link,
        httpx.Client(trust_env=False, timeout=30) as client,
    ):
        big = "0." + "0" * 200_000  # larger than one piece
        assert client.post(f"{link.url}/0", content=big.encode()).text == "ok"


def test_nothing_comes_through_a_cut_link_until_it_is_mended(server: PracticeServers) -> None:
    with DelayLink(base(server.url()), 0.0) as link:
        link.cut()
        with pytest.raises(httpx.TimeoutException):
            httpx.post(f"{link.url}/0", content=b"0", timeout=0.3, trust_env=False)
        link.mend()
        assert httpx.post(f"{link.url}/0", content=b"0", timeout=30, trust_env=False).text == "ok"


def test_where_nobody_is_the_connection_ends() -> None:
    (nobody,) = free_ports(1)
    with (
        DelayLink(f"http://127.0.0.1:{nobody}", 0.0) as link,
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
