"""A language model behind HTTP, as a process of its own on a loopback port of its own.

    with LLMService(seeded(SMALL, "q4_0"), threads=2, batch_most=16) as service:
        httpx.post(f"{service.url}/generate", json={"prompt": [1, 2, 3], "new_tokens": 16})

`app` says what it answers, `request` what may be asked, `metrics` what it counts,
`scheduler` who waits for whom, and `worker` why the engine has a process of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lab_utils.components.process import Process
from lab_utils.errors import LabError
from lab_utils.machine.cores import available_cores, thread_environment
from lab_utils.serve.llm.messages import BATCHINGS, Batching, Settings

STOP_S = 2.0
"""Beyond the drain: the refusals are sent and the process ends."""


class LLMService(Process):
    """The service, alive only inside the `with` block; `url` is known inside, the model is warm.

    path: a GGUF file. threads: compute threads, default one a core. batch_most: requests in the
    engine at once. queue_most: requests that wait beyond those; the next is refused. batching:
    "continuous" fills each place when it is free; "static" computes a batch until its longest
    answer is done, sends all of them then, and takes the next. cache_gb: of the KV cache, whole
    gigabytes. chunk_tokens: as `Engine` has it. tokenizer: a `tokenizer.json`; with it, prompts may
    be texts, and answers have one. drain_s: how long taken requests may go on after the block.
    settings: OpenVINO's own.

    Raises LabError for impossible settings, and with the process's own words where it does not
    start.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        batch_most: int = 16,
        queue_most: int = 64,
        batching: Batching = "continuous",
        cache_gb: int = 1,
        chunk_tokens: int | None = None,
        tokenizer: Path | None = None,
        drain_s: float = 5.0,
        start_timeout_s: float = 120,
        **settings: Any,
    ) -> None:
        self.threads = threads = threads or available_cores()
        counts = {"threads": threads, "batch_most": batch_most}
        counts |= {"queue_most": queue_most, "cache_gb": cache_gb}
        counts |= {} if chunk_tokens is None else {"chunk_tokens": chunk_tokens}
        for name, count in counts.items():
            if not isinstance(count, int) or count < 1:
                raise LabError(f"{name} is {count!r}; expected a whole number of at least 1.")
        if batching not in BATCHINGS:
            raise LabError(f"batching is {batching!r}; expected {' or '.join(BATCHINGS)}.")
        if not drain_s >= 0:
            raise LabError(f"drain_s is {drain_s!r}; expected seconds, none below 0.")
        for file in (path, tokenizer):
            if file is not None and not file.is_file():
                raise LabError(f"{file} is not there; give a file that is.")
        said = Settings(
            path=str(path.resolve()),
            threads=threads,
            batch_most=batch_most,
            queue_most=queue_most,
            batching=batching,
            cache_gb=cache_gb,
            tokenizer=None if tokenizer is None else str(tokenizer.resolve()),
            drain_s=drain_s,
            chunk_tokens=chunk_tokens,
            engine=settings,
        )
        super().__init__(
            "The language-model service",
            [sys.executable, "-m", "lab_utils.serve.llm.app", said.json()],
            ready=lambda: bool(self.url),
            environment=thread_environment(threads),
            start_timeout_s=start_timeout_s,
            stop_timeout_s=drain_s + STOP_S,
        )
