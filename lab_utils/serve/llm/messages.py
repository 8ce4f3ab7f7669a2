"""What the processes of the language-model service say to each other: lines of JSON.

The service's process sends the engine's `Orders`, is sent a `Report` for each, and a `Hello` first.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, get_args

Batching = Literal["continuous", "static"]
BATCHINGS: tuple[str, ...] = get_args(Batching)


class Message:
    """A dataclass of plain values that travels as JSON."""

    def json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))  # type: ignore[call-overload]

    @classmethod
    def read(cls, line: str | bytes) -> Self:
        """From its line."""
        return cls(**json.loads(line))


@dataclass(frozen=True)
class Settings(Message):
    """As `LLMService` has them; paths as text. engine: OpenVINO's own.

    host, port: where it listens; port 0 is any free one. On a person's machine that is loopback; in
    a container (`serve/kubernetes`) the container's own network.
    """

    path: str
    threads: int
    batch_most: int
    queue_most: int
    batching: Batching
    cache_gb: int
    tokenizer: str | None
    drain_s: float
    chunk_tokens: int | None = None
    engine: dict[str, Any] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 0


@dataclass(frozen=True)
class Hello(Message):
    """The engine is warm. What it can take, in tokens, and how long its first steps took.

    start_s: seconds of each stage of its start.
    """

    context: int
    vocabulary: int
    step_s: list[float]
    start_s: dict[str, float]


@dataclass(frozen=True)
class Orders(Message):
    """Before one step. begin: (number, prompt, new tokens) of each request. cancel: numbers."""

    begin: list[tuple[int, list[int], int]]
    cancel: list[int]


@dataclass(frozen=True)
class Report(Message):
    """After one step.

    ended_s: by `time.monotonic`, which all processes share. batch: sequences in the step.
    cache_usage: share of the KV cache. news: (number, its new tokens, its status) of each request
    that has news; "RUNNING" goes on, "IGNORED" found no room. more: whether another step has work.
    """

    ended_s: float
    step_s: float
    batch: int
    cache_usage: float
    news: list[tuple[int, list[int], str]]
    more: bool
