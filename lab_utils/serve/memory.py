"""Where a worker's memory went: the resident set of a fresh process, after each step of its life.

    steps = memory_steps(jpegs)
    steps[-1].private_bytes, steps[-1].mapped_bytes

Linux splits a process's resident memory (/proc/PID/status): RssAnon is its own, written by it;
RssFile is pages of files, above all of libraries, which all processes that use the file share.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.machine.cores import thread_environment

MARK = "@inference-lab "
TIME_LIMIT_S = 300.0


@dataclass(frozen=True)
class Step:
    """The resident memory after a step, in bytes.

    tensors_bytes: what PyTorch's tensors that outlive the step account for, so far.
    """

    name: str
    private_bytes: int
    mapped_bytes: int
    tensors_bytes: int

    @property
    def resident_bytes(self) -> int:
        """The whole resident set."""
        return self.private_bytes + self.mapped_bytes


def memory_steps(jpegs: Sequence[bytes], *, compute_threads: int = 1) -> list[Step]:
    """Start a process that imports, loads, and answers every picture; its memory after each step.

    Takes one import of PyTorch, some 5 s. Raises LabError where the process fails, or where the
    system does not tell (other than Linux).
    """
    if len(jpegs) < 2:
        raise LabError(f"{len(jpegs)} pictures were given; expected at least 2, a first and more.")
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps([base64.b64encode(j).decode() for j in jpegs]),
            env=thread_environment(compute_threads),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(
            f"A fresh process did not answer in {TIME_LIMIT_S:g} s; is the machine overloaded?"
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise LabError(f"A fresh process ended before it had answered: {last}")
    said = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
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
    status = Path("/proc/self/status").read_text()
    kb = {key: int(value) for key, value in re.findall(r"^(Rss\w+):\s+(\d+) kB", status, re.M)}
    line = json.dumps(
        {
            "name": name,
            "private_bytes": 1024 * kb["RssAnon"],
            "mapped_bytes": 1024 * (kb["RssFile"] + kb["RssShmem"]),
            "tensors_bytes": tensors_bytes,
        }
    )
    print(f"{MARK}{line}", flush=True)


if __name__ == "__main__":
    _main()
