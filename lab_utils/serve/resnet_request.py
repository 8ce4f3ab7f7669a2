"""One request to ResNet-50, stage by stage: what the Flask service runs, and the lesson, too.

service = ResNetRequest.load()
stages = Stages()
service.answer(jpeg, stages)    # [{"label": "cat", "probability": 0.98}, …]
stages.durations_s              # {"decode": …, "preprocess": …, "compute": …, "postprocess": …}
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from lab_utils.measure.stages import Stages
from lab_utils.models import resnet
from lab_utils.serve import preprocessing

if TYPE_CHECKING:
    from lab_utils.serve.picture_app import Answer  # it brings Flask, which a grader does without

TOP = 5
STAGES = ("decode", "preprocess", "compute", "postprocess")


@dataclass(frozen=True)
class ResNetRequest:
    """A loaded model and the four stages that each request passes through."""

    model: resnet.ResNet
    transform: Callable[[object], Tensor]

    @classmethod
    def load(cls) -> ResNetRequest:
        """Read the weights and build the network; this is what a service does once."""
        return cls(resnet.load(), resnet.transforms())

    def decode(self, jpeg: bytes) -> Image.Image:
        """The JPEG file as an RGB picture. Raises NotAPicture where it is none, or cut short."""
        return preprocessing.decode(jpeg)

    def preprocess(self, picture: Image.Image) -> Tensor:
        """Resized, cut and normalised: float32 of shape (1, 3, 224, 224)."""
        return self.transform(picture).unsqueeze(0)

    def compute(self, inputs: Tensor) -> Tensor:
        """The network's raw scores, of shape (1, labels)."""
        with torch.no_grad():
            scores: Tensor = self.model.network(inputs)
        return scores

    def postprocess(self, scores: Tensor) -> Answer:
        """The five most probable labels, the best first."""
        probabilities, indices = torch.softmax(scores[0], dim=0).topk(TOP)
        return [
            {"label": self.model.labels[index], "probability": probability}
            for index, probability in zip(indices.tolist(), probabilities.tolist(), strict=True)
        ]

    def answer(self, jpeg: bytes, stages: Stages | None = None) -> Answer:
        """The whole request; its durations are added to `stages`."""
        stages = Stages() if stages is None else stages
        with stages.stage("decode"):
            picture = self.decode(jpeg)
        with stages.stage("preprocess"):
            inputs = self.preprocess(picture)
        with stages.stage("compute"):
            scores = self.compute(inputs)
        with stages.stage("postprocess"):
            return self.postprocess(scores)

    def timed(self, jpeg: bytes) -> Stages:
        """The stages of one whole request."""
        stages = Stages()
        self.answer(jpeg, stages)
        return stages
