"""OpenVINO GenAI's engine: continuous batching over a paged KV cache, timed step by step.

    with Engine(seeded(SMALL, "q4_0"), threads=2) as engine:
        run = engine.run([[1, 2, 3]], new_tokens=32)      # Run: when each token came
        run.time_to_first_token_s, run.token_s            # prefill, then decode

A *step* gives one token to every sequence of the batch. `Engine` steps itself so that each step
can be timed; a service has it step in another process (`worker`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import openvino as ov
import openvino_genai as genai
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.machine.cores import available_cores
from lab_utils.models.language.perplexity import Ids

Floats = NDArray[np.float64]
SETTINGS = {
    # Products of weights of 8 or 4 bits then round the activations to 8 bits and use integers. The
    # default on a processor with AMX, bf16, unpacks every weight: half as fast for a single user.
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
    "ENABLE_CPU_PINNING": False,  # two engines on one machine would share the first cores
}
BATCHED_TOKENS = 4096
"""Of one step; a longer prompt cannot be read."""


def preferred_precision(threads: int) -> str:
    """What OpenVINO would multiply in on this processor by itself: "bf16" where it has AMX.

    With weights of 16 bits a step then takes about as long for many users as for one. With one
    thread it is "f32": OpenVINO 2026.4 ends there in a division by zero when it computes in bf16.
    """
    if threads == 1:
        return "f32"
    return str(ov.Core().get_property("CPU", "INFERENCE_PRECISION_HINT").to_string())


@dataclass(frozen=True)
class Run:
    """A batch that was begun together.

    tokens: of each sequence. step_s: seconds of each step; the first reads the prompts and gives
    the first token of each.
    """

    tokens: list[list[int]]
    step_s: Floats

    @property
    def time_to_first_token_s(self) -> float:
        """Reading the prompts."""
        return float(self.step_s[0])

    @property
    def token_s(self) -> Floats:
        """Seconds of each later step: one token for every sequence."""
        return self.step_s[1:]


class Engine:
    """A loaded model.

    path: a GGUF file, or a folder in OpenVINO's form. threads: compute threads. cache_gb: of the KV
    cache, whole gigabytes. batch_most: sequences at once. keep_prefixes: keep the cache of what was
    read, so that a prompt with a known beginning is not read again. chunk_tokens: of a step at
    most; prompts are then read in pieces, in the steps that write ("chunked prefill"). Without, a
    step reads whole prompts or writes, and those who write wait. settings: OpenVINO's own, over
    `SETTINGS`.
    Raises LabError where the file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        threads: int | None = None,
        cache_gb: int = 1,
        batch_most: int = 64,
        keep_prefixes: bool = False,
        chunk_tokens: int | None = None,
        **settings: Any,
    ) -> None:
        if not path.exists():
            raise LabError(f"{path} is not there; write it with models.language.gguf_file.")
        scheduler = genai.SchedulerConfig()
        scheduler.cache_size = cache_gb
        scheduler.max_num_seqs = batch_most
        scheduler.max_num_batched_tokens = chunk_tokens or BATCHED_TOKENS
        scheduler.dynamic_split_fuse = chunk_tokens is not None
        scheduler.enable_prefix_caching = keep_prefixes
        self.threads = threads or available_cores()
        properties = SETTINGS | {"INFERENCE_NUM_THREADS": self.threads} | settings
        try:
            self.pipeline = genai.ContinuousBatchingPipeline(
                str(path), scheduler, "CPU", properties
            )
        except RuntimeError as error:
            raise LabError(
                f"{path.name} could not be loaded: {str(error).splitlines()[-1]}"
            ) from None
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the model and its cache go."""
        self.pipeline = None

    def submit(self, prompt: Sequence[int], new_tokens: int, **settings: Any) -> Any:
        """A request in the queue: its handle. It is worked on in later steps."""
        config = genai.GenerationConfig()
        config.max_new_tokens = new_tokens
        config.ignore_eos = True
        config.do_sample = False
        for name, value in settings.items():
            setattr(config, name, value)
        self._number += 1
        ids = ov.Tensor(np.asarray([prompt], dtype=np.int64))
        return self.pipeline.add_request(self._number, ids, config)

    def run(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> Run:
        """All prompts at once, `new_tokens` for each."""
        handles = [self.submit(prompt, new_tokens) for prompt in prompts]
        step_s = self.finish()
        answers = [handle.read_all()[0].generated_ids for handle in handles]
        return Run([[int(token) for token in answer] for answer in answers], step_s)

    def finish(self) -> Floats:
        """Step until nobody is left; the seconds of each step."""
        steps = []
        while self.pipeline.has_non_finished_requests():
            start_s = time.perf_counter()
            self.pipeline.step()
            steps.append(time.perf_counter() - start_s)
        return np.asarray(steps)

    def losses(self, kept: Ids) -> Floats:
        """−ln p of each token but a window's first: (windows, length − 1), of (windows, length).

        As `models.language.perplexity` counts them, but in the arithmetic that is served.
        """
        handles = [self.submit(ids, 1, echo=True, logprobs=1) for ids in kept.tolist()]
        self.finish()
        # The first token has nothing before it, and the last is the engine's own.
        said = [handle.read_all()[0].generated_log_probs[1 : kept.shape[1]] for handle in handles]
        return -np.asarray(said, dtype=float)
