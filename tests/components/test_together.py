import gc
from typing import Self

import pytest

from lab_utils.components.together import Together


class Server:
    def __init__(self, name: str, said: list[str], *, starts: bool = True) -> None:
        self.name, self.said, self.starts = name, said, starts

    def __enter__(self) -> Self:
        if not self.starts:
            raise OSError(f"{self.name} does not start")
        self.said.append(f"start {self.name}")
        return self

    def __exit__(self, *_: object) -> None:
        self.said.append(f"stop {self.name}")


def test_servers_stand_under_their_names_until_they_are_stopped() -> None:
    said: list[str] = []
    servers = Together({name: Server(name, said) for name in "ab"})
    servers.add({"c": Server("c", said)})
    assert list(servers) == ["a", "b", "c"]
    assert servers["c"].name == "c"
    assert sorted(said) == ["start a", "start b", "start c"]
    servers.stop()
    servers.stop()
    assert said[3:] == ["stop c", "stop b", "stop a"]


def test_where_one_does_not_start_the_others_are_stopped() -> None:
    said: list[str] = []
    with pytest.raises(OSError, match="b does not start"):
        Together({name: Server(name, said, starts=name != "b") for name in "abc"})
    assert sorted(said[:2]) == ["start a", "start c"]
    assert said[2:] == ["stop c", "stop a"]


def test_one_that_does_not_start_later_leaves_the_others_alone() -> None:
    said: list[str] = []
    servers = Together({"a": Server("a", said)})
    with pytest.raises(OSError, match="b does not start"):
        servers.add({"b": Server("b", said, starts=False)})
    assert (list(servers), said) == (["a"], ["start a"])
    servers.stop()


def test_letting_go_of_it_stops_them() -> None:
    said: list[str] = []
    servers = Together({"a": Server("a", said)})
    del servers
    gc.collect()
    assert said == ["start a", "stop a"]
