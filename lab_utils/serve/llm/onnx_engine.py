"""ONNX Runtime GenAI on an exported model, timed step by step as `engine` is.

    with OnnxEngine(exported(folder, target, "int4"), threads=2) as engine:
        run = engine.run([[1, 2, 3]], new_tokens=32)      # Run: when each token came

A batch begins and ends together; its prompts have one length.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from lab_utils.command import last_words
from lab_utils.errors import LabError
from lab_utils.machine.cores import available_cores
from lab_utils.serve.llm.engine import Run


class OnnxEngine:
    """A loaded model. folder: as `optimize.language_onnx` writes it. threads: compute threads.

    Raises LabError where it cannot be read.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        import onnxruntime_genai as og

        self.threads = threads or available_cores()
        session = {"session_options": {"intra_op_num_threads": self.threads}}
        try:
            config = og.Config(str(folder))
            config.overlay(json.dumps({"model": {"decoder": session}}))
            self._model: Any = og.Model(config)
        except RuntimeError as error:
            raise LabError(f"{folder.name} could not be loaded: {last_words(str(error))}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the model go."""
        self._model = None

    def run(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> Run:
        """All prompts at once, `new_tokens` for each."""
        import onnxruntime_genai as og

        if len({len(prompt) for prompt in prompts}) != 1:
            raise LabError(
                f"Prompts of {[len(prompt) for prompt in prompts]} tokens were given; expected at "
                "least one, and all of one length."
            )
        length = len(prompts[0]) + new_tokens
        asked = og.GeneratorParams(self._model)
        asked.set_search_options(
            batch_size=len(prompts), do_sample=False, min_length=length, max_length=length
        )
        generator = og.Generator(self._model, asked)
        ended_s = [time.perf_counter()]
        generator.append_tokens(np.asarray(prompts, dtype=np.int32))
        for _ in range(new_tokens):
            generator.generate_next_token()
            ended_s.append(time.perf_counter())
        answers = [generator.get_sequence(i)[len(prompts[0]) :] for i in range(len(prompts))]
        return Run([[int(token) for token in answer] for answer in answers], np.diff(ended_s))
