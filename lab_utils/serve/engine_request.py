"""From a JPEG to labels through OpenVINO, stage by stage and without PyTorch.

    request = EngineRequest.load(artefact.folder, model.labels, threads=1)
    request.answer(jpeg, stages := Stages())
    stages.durations_s      # decode, resize, normalise, compute, postprocess

The network is a saved OpenVINO model. With `lean` the same answers take less work: pixels that
would be cut away are not resized, and the graph normalises.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lab_utils.measure.stages import Stages
from lab_utils.optimize import openvino_variants
from lab_utils.optimize.normalisation import Pixels, normalised
from lab_utils.optimize.variant import Floats
from lab_utils.serve import preprocessing
from lab_utils.serve.picture_app import Answer

TOP = 5
STAGES = ("decode", "resize", "normalise", "compute", "postprocess")


@dataclass(frozen=True)
class EngineRequest:
    """A loaded network and the five stages of a request; safe to use from several threads.

    infer: logits (N, labels) of an input (N, …). lean: the input is uint8 pixels, else normalised
    floats. decode: from a JPEG file to a picture in RGB.
    """

    infer: Callable[[Any], Floats]
    labels: Sequence[str]
    lean: bool = False
    decode: Callable[[bytes], Image.Image] = preprocessing.decode

    @classmethod
    def load(
        cls,
        folder: Path,
        labels: Sequence[str],
        threads: int,
        *,
        pinning: bool | None = False,
        streams: int = 1,
        batch: int | tuple[int, int] = 1,
        lean: bool = False,
    ) -> EngineRequest:
        """Load a saved OpenVINO model; the settings are those of `openvino_variants.compiled`."""
        model = openvino_variants.compiled(
            folder / openvino_variants.MODEL,
            threads,
            batch,
            "f32",
            pinning=pinning,
            streams=streams,
            pixels=lean,
        )
        own = threading.local()  # an infer request holds one call's inputs and outputs

        def infer(inputs: Any) -> Floats:
            if not hasattr(own, "request"):
                own.request = model.create_infer_request()
            logits: Floats = own.request.infer([inputs])[0].copy()
            return logits

        return cls(infer, tuple(labels), lean)

    def resize(self, picture: Image.Image) -> Pixels:
        """The decoded picture as pixels (1, 224, 224, 3)."""
        cut = preprocessing.cut_while_resizing if self.lean else preprocessing.resize_then_cut
        return preprocessing.pixels(cut(picture))

    def prepare(self, jpeg: bytes, stages: Stages | None = None) -> Pixels | Floats:
        """The network's input from a JPEG file: all that comes before compute."""
        stages = Stages() if stages is None else stages
        with stages.stage("decode"):
            picture = self.decode(jpeg)
        with stages.stage("resize"):
            pixels = self.resize(picture)
        with stages.stage("normalise"):
            return pixels if self.lean else normalised(pixels)

    def postprocess(self, logits: Floats) -> Answer:
        """The five most probable labels of one picture, logits (labels,), the best first."""
        likely = np.exp(logits - logits.max())
        likely /= likely.sum()
        best = np.argsort(-likely)[:TOP]
        return [{"label": self.labels[i], "probability": float(likely[i])} for i in best]

    def answer(self, jpeg: bytes, stages: Stages | None = None) -> Answer:
        """The whole request; its durations are added to `stages`."""
        stages = Stages() if stages is None else stages
        inputs = self.prepare(jpeg, stages)
        with stages.stage("compute"):
            logits = self.infer(inputs)
        with stages.stage("postprocess"):
            return self.postprocess(logits[0])

    def timed(self, jpeg: bytes) -> Stages:
        """The stages of one whole request."""
        stages = Stages()
        self.answer(jpeg, stages)
        return stages
