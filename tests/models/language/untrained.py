"""A small language model with random weights, so that its answers hang on every one of them."""

from pydoc_data import topics

import pytest
import torch

from lab_utils.models.decoder import Decoder
from lab_utils.models.language import train
from lab_utils.models.language.small import LanguageModel

TINY = Decoder(
    layers=2, width=128, heads=4, cached_heads=2, head_width=32, inner=256, vocabulary=512
)


def untrained(layers: int = TINY.layers) -> LanguageModel:
    """Of the shape `TINY`, but tied; weights of the usual size."""
    sizes = {
        "VOCABULARY": TINY.vocabulary, "WIDTH": TINY.width, "LAYERS": layers,
        "HEADS": TINY.heads, "CACHED_HEADS": TINY.cached_heads, "INNER": TINY.inner,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sizes.items():
            patch.setattr(train, name, value)
        torch.manual_seed(3)
        tokenizer = train.tokenizer_of(list(topics.topics.values())[:20])
        network = train.network_of(tokenizer)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=parameter.shape[1] ** -0.5)
    return LanguageModel(network.eval(), tokenizer, "untrained")
