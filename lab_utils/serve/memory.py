"""Where a worker's memory went: the resident set of a fresh process, after each step of its life.

    steps = memory_steps(jpegs)
    steps[-1].private_bytes, steps[-1].mapped_bytes

Its own memory and the pages of files that it shares are told apart (`measure.resident`).
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from lab_utils.command import output_of
from lab_utils.errors import LabError
from lab_utils.machine.cores import thread_environment
from lab_utils.measure.resident import Resident, resident

MARK = "@inference-lab "


@dataclass(frozen=True)
class Step(Resident):
    """The resident memory after a step, in bytes.

    tensors_bytes: what PyTorch's tensors that outlive the step account for, so far.
    """

    name: str
    tensors_bytes: int


def memory_steps(jpegs: Sequence[bytes], *, compute_threads: int = 1) -> list[Step]:
    """Start a process that imports, loads, and answers every picture; its memory after each step.

    Takes one import of PyTorch, some 5 s. Raises LabError where the process fails, or where the
    system does not tell (other than Linux).
    """
    if len(jpegs) < 2:
        raise LabError(f"{len(jpegs)} pictures were given; expected at least 2, a first and more.")
    order = [base64.b64encode(j).decode() for j in jpegs]
    lines = output_of(__name__, order, thread_environment(compute_threads))
    said = [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
    return [Step(**json.loads(line)) for line in said]


def _main() -> None:
    """The fresh process."""
    jpegs = [base64.b64decode(text) for text in json.loads(sys.stdin.read())]
    _say("Python", 0)
    from lab_utils.serve.resnet_request import ResNetRequest

    _say("libraries", 0)
    service = ResNetRequest.load()
    network = service.model.network
    weights_bytes = sum(
        tensor.numel() * tensor.element_size()
        for tensor in (*network.parameters(), *network.buffers())
    )
    _say("weights", weights_bytes)
    service.answer(jpegs[0])
    _say("first request", weights_bytes)
    for jpeg in jpegs[1:]:
        service.answer(jpeg)
    _say("further requests", weights_bytes)


def _say(name: str, tensors_bytes: int) -> None:
    line = json.dumps({"name": name, "tensors_bytes": tensors_bytes, **resident().as_dict()})
    print(f"{MARK}{line}", flush=True)


if __name__ == "__main__":
    _main()
