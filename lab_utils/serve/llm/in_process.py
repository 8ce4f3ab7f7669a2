"""Loads on an engine that is stepped here, without a service around it.

write_together(engine, prompts, new_tokens=32, users=4).tokens_per_s
newcomers(engine, TINY, writers=8, prompt_tokens=768, count=3).pause_s
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.models.decoder import Decoder
from lab_utils.models.language.seeded import prompt
from lab_utils.serve.llm.engine import Engine

Floats = NDArray[np.float64]
SHORT_PROMPT = 16
QUIET_STEPS = 6
"""Between two newcomers, in which the writers have the engine for themselves."""
NEVER = 100_000
"""Tokens that nobody waits for."""


@dataclass(frozen=True)
class Written:
    """What was written while all of a group wrote; steps that read a prompt are left out.

    answers: of each prompt, all its tokens. tokens, seconds, passes: of the steps that count.
    """

    answers: list[list[int]]
    users: int
    tokens: int
    passes: int
    seconds: float

    @property
    def tokens_per_s(self) -> float:
        """Of all users together."""
        return self.tokens / self.seconds

    @property
    def tokens_per_pass(self) -> float:
        """Of one user."""
        return self.tokens / self.passes / self.users


@dataclass(frozen=True)
class Newcomers:
    """usual_s: between a writer's tokens when nobody comes. Of each newcomer: pause_s, the longest
    such gap while its prompt is read; first_token_s, from its asking to its first token."""

    usual_s: float
    pause_s: Floats
    first_token_s: Floats


def write_together(
    engine: Engine, prompts: Sequence[Sequence[int]], new_tokens: int, users: int, **settings: Any
) -> Written:
    """Groups of `users` prompts, one group after the other; what is left over makes no group.

    In groups, because OpenVINO GenAI 2026.4 ends with an error where a request joins others whose
    drafts are under way. settings: of the generation, OpenVINO's own. Raises LabError for fewer
    prompts than users.
    """
    if not 1 <= users <= len(prompts):
        raise LabError(f"{users} users have {len(prompts)} prompts; expected one each at least.")
    answers: list[list[int]] = []
    tokens = passes = 0
    seconds = 0.0
    for start in range(0, len(prompts) - users + 1, users):
        handles = [
            engine.submit(one, new_tokens, **settings) for one in prompts[start : start + users]
        ]
        engine.pipeline.step()
        said = [_new(handle) for handle in handles]
        while _all_write(handles):
            begun_s = time.perf_counter()
            engine.pipeline.step()
            seconds += time.perf_counter() - begun_s
            for answer, new in zip(said, map(_new, handles), strict=True):
                answer += new
                tokens += len(new)
            passes += 1
        engine.finish()
        for answer, handle in zip(said, handles, strict=True):
            answer += _new(handle)
        answers += said
    return Written(answers, users, tokens, passes, seconds)


def newcomers(
    engine: Engine, shape: Decoder, writers: int, prompt_tokens: int, count: int
) -> Newcomers:
    """`count` prompts come one after the other while `writers` are written to."""
    handles = [engine.submit(prompt(shape, SHORT_PROMPT, n), NEVER) for n in range(writers)]
    token_s: list[float] = []

    def step() -> None:
        engine.pipeline.step()
        if _new(handles[0]):  # all of them are given theirs in the same steps
            token_s.append(time.perf_counter())

    usual: list[float] = []
    pause, first = [], []
    for number in range(count):
        for _ in range(QUIET_STEPS):
            step()
        usual += np.diff(token_s[1 - QUIET_STEPS :]).tolist()
        before = len(token_s) - 1
        asked_s = time.perf_counter()
        came = engine.submit(prompt(shape, prompt_tokens, NEVER + number), 1)
        while came.get_status().name == "RUNNING":
            step()
        first.append(time.perf_counter() - asked_s)
        step()
        pause.append(np.diff(token_s[before:]).max())
    for handle in handles:
        handle.cancel()
    engine.finish()
    return Newcomers(float(np.median(usual)), np.asarray(pause), np.asarray(first))


def _all_write(handles: Sequence[Any]) -> bool:
    return all(handle.get_status().name == "RUNNING" for handle in handles)


def _new(handle: Any) -> list[int]:
    """Tokens that came since the last look."""
    found: list[int] = []
    while handle.can_read():
        for output in handle.read().values():
            found += [int(token) for token in output.generated_ids]
    return found
