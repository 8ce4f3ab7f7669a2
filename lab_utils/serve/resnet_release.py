"""The job's service after three releases in a hurry. Each brings a flaw of a kind of its own.

fingerprint    duplicates are recognised: a hash of the picture, in pure Python, pixel by pixel
glossary       each of the five labels is explained: five calls to another service, one by one
core           "bound to a core, for its caches": every worker chooses the same one

    WebService("lab_utils.serve.resnet_release:create_app(fingerprint=True)", …)

Its answers' `Server-Timing` still lists the four stages of the first version: nobody thought of
adding the new ones. Lesson 1.4 finds out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from flask import Flask
from PIL import Image

from lab_utils.measure.profile.pyspy import let_profilers_in
from lab_utils.measure.stages import Stages
from lab_utils.serve import glossary as glossaries
from lab_utils.serve.picture_app import Answer, serve
from lab_utils.serve.resnet_request import ResNetRequest

SIDE = 320


@dataclass(frozen=True)
class ReleasedRequest:
    """The four stages of `ResNetRequest`, and what has been added since.

    glossary: the other service's address. known: sentences that need not be asked for.
    """

    service: ResNetRequest
    fingerprint: bool = False
    glossary: str | None = None
    known: Mapping[str, str] | None = None

    def answer(self, jpeg: bytes, stages: Stages | None = None) -> Answer:
        """The whole request; the four old stages are added to `stages`."""
        stages = Stages() if stages is None else stages
        with stages.stage("decode"):
            picture = self.service.decode(jpeg)
        hashed = fingerprint(picture) if self.fingerprint else None
        with stages.stage("preprocess"):
            inputs = self.service.preprocess(picture)
        with stages.stage("compute"):
            scores = self.service.compute(inputs)
        with stages.stage("postprocess"):
            top5 = self.service.postprocess(scores)
        if self.glossary is not None:
            top5 = [guess | {"meaning": self._meaning(guess["label"])} for guess in top5]
        if hashed is not None:
            top5[0]["fingerprint"] = hashed
        return top5

    def remembering(self) -> ReleasedRequest:
        """The mend: all labels are asked for once, here, and no more."""
        assert self.glossary is not None
        labels = set(self.service.model.labels)
        known = {label: glossaries.ask(self.glossary, label) for label in labels}
        return replace(self, known=known)

    def _meaning(self, label: str) -> str:
        if self.known is not None and label in self.known:
            return self.known[label]
        assert self.glossary is not None
        return glossaries.ask(self.glossary, label)


def fingerprint(picture: Image.Image) -> str:
    """A difference hash: whether each pixel is brighter than its right neighbour, as hex digits."""
    grey = picture.convert("L").resize((SIDE + 1, SIDE))
    pixels = grey.tobytes()
    bits = 0
    for row in range(SIDE):
        for column in range(SIDE):
            bits = append(bits, brighter(pixels, row, column))
        bits %= 1 << 256
    return f"{bits:x}"


def brighter(pixels: bytes, row: int, column: int) -> bool:
    """Whether a pixel is brighter than its right neighbour."""
    return pixel(pixels, row, column) > pixel(pixels, row, column + 1)


def pixel(pixels: bytes, row: int, column: int) -> int:
    """The brightness (0 to 255) of one pixel."""
    return pixels[row * (SIDE + 1) + column]


def append(bits: int, bit: bool) -> int:
    """The number with one binary digit more."""
    return (bits << 1) | bit


def create_app(
    *,
    fingerprint: bool = False,
    glossary: str | None = None,
    core: bool = False,
) -> Flask:
    """The WSGI application with the additions that are asked for."""
    let_profilers_in()
    if core and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return serve(ReleasedRequest(ResNetRequest.load(), fingerprint, glossary).answer)
