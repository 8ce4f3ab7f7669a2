"""A model repository for Triton, written as a person would write it: config.pbtxt and model.py.

    config = ModelConfig(
        "resnet", inputs=[Tensor("PICTURE", "FP32", (3, 224, 224))],
        outputs=[Tensor("LOGITS", "FP32", (1000,))], batch_most=8, batch_wait_us=5000,
    )
    write_model(folder, config, Path("model.py").read_text(), files={"model.onnx": exported})

The words are those of Triton's own configuration (its guide, "Model Configuration"); what is left
out has Triton's default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.files import write_text

TYPES = ("BOOL", "UINT8", "INT32", "INT64", "FP16", "FP32", "BYTES")


@dataclass(frozen=True)
class Tensor:
    """One input or output, without the batch. data_type: one of TYPES."""

    name: str
    data_type: str
    dims: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.data_type not in TYPES:
            raise LabError(
                f"{self.name} has the type {self.data_type!r}; expected one of {', '.join(TYPES)}."
            )

    def text(self, what: str) -> str:
        """As it stands in config.pbtxt."""
        data_type = "STRING" if self.data_type == "BYTES" else self.data_type
        dims = ", ".join(map(str, self.dims))
        return f'{what} {{ name: "{self.name}" data_type: TYPE_{data_type} dims: [ {dims} ] }}'


@dataclass(frozen=True)
class QueuePolicy:
    """What may wait. size_most: 0 is without limit. timeout_us: 0 is for ever.

    reject: what waited too long is refused; else it is served after all others. A request may ask
    for less than timeout_us, where there is one.
    """

    size_most: int = 0
    timeout_us: int = 0
    reject: bool = True

    def text(self) -> str:
        """As it stands in config.pbtxt."""
        words = []
        if self.timeout_us:
            words += [f"timeout_action: {'REJECT' if self.reject else 'DELAY'}"]
            words += [f"default_timeout_microseconds: {self.timeout_us}"]
            words += ["allow_timeout_override: true"]
        if self.size_most:
            words += [f"max_queue_size: {self.size_most}"]
        return f"default_queue_policy {{ {' '.join(words)} }}"


@dataclass(frozen=True)
class WarmUp:
    """Executions on zeros before the model is ready. length: of a dimension that may have any."""

    count: int
    batch: int = 1
    length: int = 1


@dataclass(frozen=True)
class ModelConfig:
    """A model of the Python backend.

    batch_most: the largest batch; 0 for a model without a batch dimension. dynamic: whether Triton
    puts requests together. batch_wait_us: how long a request waits for company. preferred: batch
    sizes that are sent off without waiting. priorities: levels, 1 the most urgent; a request
    without one has the last. queue: what may wait; None writes no policy (any policy, and levels,
    keep Triton from making up the next batch while one is computed). instances: copies that work
    at the same time. cache: equal requests are answered from the response cache. parameters:
    texts that model.py reads.
    """

    name: str
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    batch_most: int = 8
    dynamic: bool = True
    batch_wait_us: int = 0
    preferred: Sequence[int] = ()
    priorities: int = 0
    queue: QueuePolicy | None = None
    instances: int = 1
    warm_up: WarmUp | None = None
    cache: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """The whole config.pbtxt."""
        lines = [f'name: "{self.name}"', 'backend: "python"', f"max_batch_size: {self.batch_most}"]
        lines += [tensor.text("input") for tensor in self.inputs]
        lines += [tensor.text("output") for tensor in self.outputs]
        lines += [f"instance_group {{ count: {self.instances} kind: KIND_CPU }}"]
        lines += [
            f'parameters {{ key: "{name}" value {{ string_value: "{text}" }} }}'
            for name, text in self.parameters.items()
        ]
        if self.batch_most and self.dynamic:
            lines += self._batching()
        if self.warm_up:
            lines += self._warm_up(self.warm_up)
        lines += [f"response_cache {{ enable: {'true' if self.cache else 'false'} }}"]
        return "\n".join(lines) + "\n"

    def _batching(self) -> list[str]:
        lines = ["dynamic_batching {", f"  max_queue_delay_microseconds: {self.batch_wait_us}"]
        if self.preferred:
            lines += [f"  preferred_batch_size: [ {', '.join(map(str, self.preferred))} ]"]
        if self.priorities:
            lines += [f"  priority_levels: {self.priorities}"]
            lines += [f"  default_priority_level: {self.priorities}"]
        if self.queue:
            lines += [f"  {self.queue.text()}"]
        return [*lines, "}"]

    def _warm_up(self, asked: WarmUp) -> list[str]:
        batch = min(asked.batch, self.batch_most)
        lines = ["model_warmup {", f'  name: "zeros" batch_size: {batch}']
        lines += [f"  count: {asked.count}"]
        for tensor in self.inputs:
            data_type = "STRING" if tensor.data_type == "BYTES" else tensor.data_type
            dims = ", ".join(str(asked.length if dim < 0 else dim) for dim in tensor.dims)
            lines += [
                f'  inputs {{ key: "{tensor.name}" value {{ data_type: TYPE_{data_type} '
                f"dims: [ {dims} ] zero_data: true }} }}"
            ]
        return [*lines, "}"]


def write_model(
    repository: Path,
    config: ModelConfig,
    code: str,
    version: int = 1,
    files: Mapping[str, Path] | None = None,
) -> Path:
    """Write config.pbtxt and the version's model.py; gives the model's folder.

    files: what else stands beside model.py, by its name there; linked, not copied.
    """
    if not config.name.isidentifier():
        raise LabError(f"The model is named {config.name!r}; expected letters, digits and _.")
    folder = repository / config.name
    write_text(folder / "config.pbtxt", config.text())
    write_text(folder / str(version) / "model.py", code)
    for name, path in (files or {}).items():
        link = folder / str(version) / name
        if not path.is_file():
            raise LabError(f"{path} was to stand in the repository as {name}; there is none.")
        link.unlink(missing_ok=True)
        os.symlink(path.resolve(), link)
    return folder
