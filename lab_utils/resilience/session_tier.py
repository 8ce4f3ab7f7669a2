"""A tier that is a model in ONNX Runtime: on the GPU if there is one, else a stand-in named so.

    with SessionTier.gpu_or_stand_in(model, stand_in=smaller) as tier:
        tier.device, tier.stands_in          # "cuda", False  or  "cpu", True

Nothing pretends: the stand-in is a real session on this machine's processor, with the latency that
it has there, and its name says what it stands for.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.resilience.apart import Threads

Device = Literal["cuda", "cpu"]
PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}
NONE_HERE = (
    "A session on {} was asked for, and ONNX Runtime has none here; use the processor, and say "
    "that it stands in."
)


class SessionTier:
    """A model as an async callable from (rows, features) float32 to its first output.

    model: an ONNX file or its bytes, with one input. It runs in one thread of its own, since a
    session computes and cannot be interrupted: given up, it holds that thread until it is done.
    Raises LabError where a session on this device is not to be had: asked for CUDA where there is
    none, ONNX Runtime gives the processor without a word.
    """

    def __init__(self, model: Path | bytes, device: Device, *, threads: int = 1) -> None:
        import onnxruntime

        if device == "cuda":
            # Asked without a GPU, the provider complains at length. With one it needs CUDA's
            # libraries, which PyTorch's import has loaded; a tier on the processor starts sooner
            # without it.
            import torch

            if not torch.cuda.is_available():
                raise LabError(NONE_HERE.format(device))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        source = model if isinstance(model, bytes) else str(model)
        wanted = PROVIDERS[device]
        self._session = onnxruntime.InferenceSession(source, options, providers=[wanted])
        if wanted not in self._session.get_providers():
            raise LabError(NONE_HERE.format(device))
        self.device = device
        self.stands_in = False
        self._input = self._session.get_inputs()[0].name
        self._threads: Threads[NDArray[np.float32], Any] = Threads(self._run, threads=1)

    @classmethod
    def gpu_or_stand_in(cls, model: Path | bytes, *, stand_in: Path | bytes | None = None) -> Self:
        """The model on the GPU; without one `stand_in` (default: the same model) on the processor.

        `stands_in` says which it is.
        """
        try:
            return cls(model, "cuda")
        except LabError:
            tier = cls(stand_in if stand_in is not None else model, "cpu")
            tier.stands_in = True
            return tier

    @property
    def name(self) -> str:
        """What it is called in answers: "gpu", "cpu", or "gpu (stand-in on the cpu)"."""
        if self.stands_in:
            return "gpu (stand-in on the cpu)"
        return "gpu" if self.device == "cuda" else "cpu"

    def least_s(self, features: NDArray[np.float32], calls: int = 20) -> float:
        """The shortest of so many calls, after one more: what it takes if nothing is in its way."""
        self._run(features)
        took_s = []
        for _ in range(calls):
            begun_s = time.perf_counter()
            self._run(features)
            took_s.append(time.perf_counter() - begun_s)
        return min(took_s)

    async def in_place(self, features: NDArray[np.float32]) -> NDArray[Any]:
        """The same without its thread: for a model that takes less than the way to a thread and
        back, some 0.1 ms. Nobody else of the event loop goes on meanwhile.
        """
        return self._run(features)

    async def __call__(self, features: NDArray[np.float32]) -> NDArray[Any]:
        """The model's first output for these rows."""
        scores: NDArray[Any] = await self._threads(features)
        return scores

    def _run(self, features: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(self._session.run(None, {self._input: features})[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *arguments: object) -> None:
        self._threads.__exit__(*arguments)
