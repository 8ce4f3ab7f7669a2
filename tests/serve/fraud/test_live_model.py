"""A model is replaced while it answers, or stays where the new one is of no use."""

import asyncio
import math
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lab_utils.errors import LabError
from lab_utils.models.fraud.feature_names import FEATURES
from lab_utils.models.onnx_file import onnx_file
from lab_utils.resilience.session_tier import SessionTier
from lab_utils.serve.fraud.live_model import IN_PLACE_S, LiveModel, Model, opened
from tests.serve.fraud.made import Constant, constant

ROW = np.zeros((1, len(FEATURES)), np.float32)


class Fake:
    """A model that says one value when it is let, and remembers its end."""

    def __init__(self, version: str, value: Any = 0.5) -> None:
        self.value, self.closed, self.asked = value, False, 0
        self.may = asyncio.Event()
        self.may.set()
        self.model = Model(version, self.score, self.close)

    async def score(self, rows: Any) -> Any:
        self.asked += 1
        await self.may.wait()
        assert not self.closed, "asked after its end"
        if isinstance(self.value, Exception):
            raise self.value
        return np.array([[self.value]])

    async def close(self) -> None:
        self.closed = True


def test_those_inside_are_answered_by_the_old_one_and_it_is_closed_after_them() -> None:
    async def story() -> None:
        old, new = Fake("1"), Fake("2")
        live = LiveModel(old.model)
        old.may.clear()
        waiting = [asyncio.create_task(live.score(ROW)) for _ in range(5)]
        await asyncio.sleep(0)
        switching = asyncio.create_task(live.switch(new.model))
        while live.version == "1":
            await asyncio.sleep(0)
        assert (await live.score(ROW))[1] == "2"
        assert not old.closed
        assert not switching.done()
        old.may.set()
        assert [version for _, version in await asyncio.gather(*waiting)] == ["1"] * 5
        await switching
        assert old.closed
        assert not new.closed

    asyncio.run(story())


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (math.nan, r"gives \[nan\].*expected one probability"),
        (1.5, r"gives \[1.5\]"),
        ([0.1, 0.2], "expected one probability"),
        (LabError("No such model."), "gives no score: No such model."),
    ],
)
def test_a_model_of_no_use_changes_nothing_and_is_closed(value: Any, sentence: str) -> None:
    async def story() -> None:
        old, new = Fake("1"), Fake("2", value)
        live = LiveModel(old.model)
        with pytest.raises(LabError, match=sentence):
            await live.switch(new.model)
        assert new.closed
        assert not old.closed
        assert (await live.score(ROW))[1] == "1"

    asyncio.run(story())


def test_a_call_that_is_given_up_does_not_keep_the_old_one() -> None:
    async def story() -> None:
        old, new = Fake("1"), Fake("2")
        live = LiveModel(old.model)
        old.may.clear()
        task = asyncio.create_task(live.score(ROW))
        await asyncio.sleep(0)
        switching = asyncio.create_task(live.switch(new.model))
        while live.version == "1":
            await asyncio.sleep(0)
        task.cancel()
        await switching
        assert old.closed

    asyncio.run(story())


def test_two_switches_at_once_come_one_after_the_other() -> None:
    async def story() -> None:
        models = [Fake(str(number)) for number in range(3)]
        live = LiveModel(models[0].model)
        await asyncio.gather(*(live.switch(one.model) for one in models[1:]))
        assert [one.closed for one in models] == [True, True, False]
        assert live.version == "2"

    asyncio.run(story())


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.onnx"
    nonsense.write_bytes(b"nonsense")
    with pytest.raises(LabError, match="is not there; expected an ONNX file"):
        asyncio.run(opened(str(tmp_path / "nothing"), "2"))
    with pytest.raises(LabError, match="cannot be run"):
        asyncio.run(opened(str(nonsense), "2"))


@pytest.mark.parametrize("least_s", [1e-5, 1e-2])
def test_a_quick_model_is_called_where_it_is_asked_and_another_one_in_its_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least_s: float
) -> None:
    called_in: list[int] = []
    run = SessionTier._run

    def noted(self: SessionTier, rows: Any) -> Any:
        called_in.append(threading.get_ident())
        return run(self, rows)

    monkeypatch.setattr(SessionTier, "least_s", lambda *_: least_s)
    monkeypatch.setattr(SessionTier, "_run", noted)

    async def story() -> Any:
        model = await opened(str(constant(tmp_path / "model.onnx", 0.25)), "1")
        found = await model.score(ROW)
        await model.close()
        return found

    assert asyncio.run(story()) == pytest.approx(0.25)
    assert (called_in == [threading.get_ident()]) == (least_s < IN_PLACE_S)


def test_what_a_call_takes_at_least_is_less_than_what_one_took(tmp_path: Path) -> None:
    with SessionTier(constant(tmp_path / "model.onnx", 0.25), "cpu") as tier:
        begun_s = time.perf_counter()
        least_s = tier.least_s(ROW, calls=5)
        assert 0 < 5 * least_s < time.perf_counter() - begun_s


def test_a_model_of_other_rows_is_opened_and_not_taken(tmp_path: Path) -> None:
    """A gateway that starts with it goes on with the tiers behind it."""
    other = tmp_path / "other.onnx"
    other.write_bytes(onnx_file(Constant(0.5), torch.zeros(2, 3)))

    async def story() -> None:
        live = LiveModel(Fake("1").model)
        with pytest.raises(LabError, match="Version 2 gives no score"):
            await live.switch(await opened(str(other), "2"))
        assert (await live.score(ROW))[1] == "1"

    asyncio.run(story())
