"""A tier's model, which can be replaced while it answers: nobody is refused, nobody asked twice.

    live = LiveModel(await opened("trees.onnx", version="1"))
    found, version = await live.score(rows)
    await live.switch(await opened("grpc://127.0.0.1:8081/fraud-2", version="2"))

A switch has four steps. The new model is opened *beside* the old one. It must give probabilities
for rows that are made up; one that does not is closed, and nothing has changed. From then on
payments go to the new one. The old one answers those that it has, and is closed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.components.model_servers.client import OpenInference
from lab_utils.errors import LabError
from lab_utils.models.fraud.feature_names import FEATURES
from lab_utils.resilience.session_tier import SessionTier

ModelCall = Callable[[NDArray[np.float32]], Awaitable[NDArray[Any]]]
"""Rows (N, features) in float32 → N probabilities of fraud, in any shape; it is awaited."""
REMOTE = "grpc://"
IN_PLACE_S = 0.0002
"""A model that takes less is called in the event loop: to a thread and back is half of that, and
what a payment waits for Python's lock there is more."""
TRIED_S = 5.0
"""For the first rows of a new model, which may take longer than any after them."""
DRAIN_S = 5.0
"""For the last rows of an old one, whose callers have stopped waiting long before."""


@dataclass(eq=False)
class Model:
    """One version. close: lets go of what it holds. in_place: it computes in the event loop."""

    version: str
    score: ModelCall
    close: Callable[[], Awaitable[None]]
    in_place: bool = False
    inside: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


async def opened(source: str, version: str) -> Model:
    """A model from an ONNX file's path, or from grpc://HOST:PORT/NAME on a model server.

    Raises LabError where there is no such file, or it is none that can be run. Whether a server is
    there is found out by asking it.
    """
    if source.startswith(REMOTE):
        address, _, name = source.removeprefix(REMOTE).partition("/")
        remote = OpenInference(address, name)
        return Model(version, remote, remote.close)
    path = Path(source)
    if not path.is_file():
        raise LabError(f"The model's file {source} is not there; expected an ONNX file.")
    try:
        session = await asyncio.to_thread(SessionTier, path, "cpu")
    except LabError:
        raise
    except Exception as error:  # ONNX Runtime's own, of many kinds
        raise LabError(f"The model {source} cannot be run: {error}") from None

    async def close() -> None:
        session.__exit__()

    quick = await asyncio.to_thread(_is_quick, session)
    return Model(version, session.in_place if quick else session, close, in_place=quick)


class LiveModel:
    """The model that answers now. around: a model's call → the call that payments make instead."""

    def __init__(
        self, model: Model, around: Callable[[ModelCall], ModelCall] | None = None
    ) -> None:
        self._model = model
        self._around = around
        self._switching = asyncio.Lock()

    @property
    def version(self) -> str:
        """The version that answers now."""
        return self._model.version

    @property
    def in_place(self) -> bool:
        """Whether payments wait for nothing there, now."""
        return self._around is None and self._model.in_place

    async def score(self, rows: NDArray[np.float32]) -> tuple[NDArray[Any], str]:
        """What the model says of these rows, and its version."""
        model = self._model
        model.inside += 1
        try:
            score = model.score if self._around is None else self._around(model.score)
            return await score(rows), model.version
        finally:
            model.inside -= 1
            if not model.inside:
                model.idle.set()

    async def switch(self, new: Model) -> None:
        """Put another model in the place of this one; returns when the old one is closed.

        Raises LabError, with the old one still there, where the new one gives no probabilities.
        """
        async with self._switching:
            try:
                await _tried(new)
            except LabError:
                await new.close()
                raise
            self._model, old = new, self._model
            await _drained(old)

    async def close(self) -> None:
        """Let go of it."""
        await self._model.close()


def is_probability(value: float) -> bool:
    """Whether it can be one."""
    return math.isfinite(value) and 0 <= value <= 1


def _is_quick(session: SessionTier) -> bool:
    try:
        return session.least_s(_made_up_rows()) < IN_PLACE_S
    except Exception:  # it cannot be run, which is told to whoever asks it
        return False


def _made_up_rows() -> NDArray[np.float32]:
    return np.zeros((1, len(FEATURES)), np.float32)


async def _tried(model: Model) -> None:
    try:
        scored = model.score(_made_up_rows())
        found = np.asarray(await asyncio.wait_for(scored, TRIED_S)).ravel()
    except TimeoutError:
        raise LabError(f"Version {model.version} gave no score in {TRIED_S:g} s.") from None
    except Exception as error:
        raise LabError(f"Version {model.version} gives no score: {error}") from None
    if found.size != 1 or not is_probability(float(found[0])):
        raise LabError(
            f"Version {model.version} gives {found.tolist()} for a payment; expected one "
            "probability."
        )


async def _drained(model: Model) -> None:
    model.idle.clear()
    if model.inside:
        try:
            await asyncio.wait_for(model.idle.wait(), DRAIN_S)
        except TimeoutError:
            print(f"{model.inside} payments were still with version {model.version}.", flush=True)
    await model.close()
