"""A first request, cold: a new Python process that starts, loads, and answers for the first time.

    start = cold_start(jpegs)
    start.startup.durations_s           # {"start Python": …, "import": …, "load weights": …}
    start.first                         # requests 1, 2, 3, … of the process
    start.new_network, start.new_size   # what makes a warm process slow again, and what does not

Beside each request's stages stand the two causes that can be counted: memory pages that the
kernel had to find (minor page faults), and the computing kernels that oneDNN, PyTorch's library
for processors of the x86 family, generated on first need (`ONEDNN_VERBOSE=profile_create`).
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lab_utils.command import output_of
from lab_utils.errors import LabError
from lab_utils.machine.cores import thread_environment
from lab_utils.measure.stages import Stages, Timeline

MARK = "@inference-lab "
BUILT = "create:cache_miss"
OTHER_SIZE = 256
"""Pixels a side in place of 224: any size that the process has not seen."""


@dataclass(frozen=True)
class ColdRequest:
    """One request: its stages, and what happened during them for the first time."""

    stages: Stages
    page_faults: int
    kernels_built: int
    building_s: float


@dataclass(frozen=True)
class ColdStart:
    """One fresh process."""

    startup: Stages
    first: list[ColdRequest]
    new_network: list[ColdRequest]
    new_size: list[ColdRequest]

    @property
    def first_answer_s(self) -> float:
        """From starting Python to the first answer."""
        return self.startup.total_s + self.first[0].stages.total_s

    @property
    def cold_stages(self) -> Stages:
        """Start-up and first request as one waterfall."""
        return Stages(durations_s=self.startup.durations_s | self.first[0].stages.durations_s)

    @property
    def warm(self) -> Timeline:
        """The process's requests from the third on."""
        return Timeline(request.stages for request in self.first[2:])


def cold_start(
    jpegs: Sequence[bytes], *, compute_threads: int | None = None, repeats: int = 3
) -> ColdStart:
    """Start a process, and let it answer every picture, then `repeats` more after each change.

    The changes: the same weights loaded into a second network; pictures of another size.
    compute_threads: as in `WebService`. Takes one import of PyTorch, some 5 to 10 s.
    """
    if len(jpegs) < 3:
        raise LabError(
            f"{len(jpegs)} pictures were given; expected at least 3, the last ones warm."
        )
    order = {"jpegs": [base64.b64encode(j).decode() for j in jpegs], "repeats": repeats}
    environment = thread_environment(compute_threads) | {"ONEDNN_VERBOSE": "profile_create"}
    return _read(output_of(__name__, order, environment, [repr(time.time())]))


def _read(lines: Iterable[str]) -> ColdStart:
    groups: dict[str, list[ColdRequest]] = {"first": [], "new_network": [], "new_size": []}
    startup = Stages()
    built, building_s = 0, 0.0
    for line in lines:
        if BUILT in line:
            built += 1
            building_s += float(line.rsplit(",", 1)[1]) / 1e3
        elif line.startswith(MARK):
            said = json.loads(line.removeprefix(MARK))
            if said["group"] == "startup":
                startup = Stages(durations_s=said["stages"])
            else:
                stages = Stages(durations_s=said["stages"])
                request = ColdRequest(stages, said["page_faults"], built, building_s)
                groups[said["group"]].append(request)
            built, building_s = 0, 0.0
    return ColdStart(startup, groups["first"], groups["new_network"], groups["new_size"])


def _say(group: str, stages: Stages, **more: Any) -> None:
    line = json.dumps({"group": group, "stages": stages.durations_s, **more})
    print(f"{MARK}{line}", flush=True)


def _main() -> None:
    """The fresh process. Its parent gives the wall-clock time at which it was started."""
    started_s = time.time() - float(sys.argv[1])
    startup = Stages()
    with startup.stage("import"):
        import resource

        from torchvision.transforms._presets import ImageClassification

        from lab_utils.serve.resnet_request import ResNetRequest
    with startup.stage("load weights"):
        service = ResNetRequest.load()
    startup.durations_s = {"start Python": started_s} | startup.durations_s
    _say("startup", startup)

    order = json.load(sys.stdin)
    jpegs = [base64.b64decode(jpeg) for jpeg in order["jpegs"]]

    def answer(group: str, service: ResNetRequest, jpegs: Sequence[bytes]) -> None:
        for jpeg in jpegs:
            stages = Stages()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            service.answer(jpeg, stages)
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
            _say(group, stages, page_faults=faults)

    answer("first", service, jpegs)
    answer("new_network", ResNetRequest.load(), jpegs[: order["repeats"]])
    larger = ImageClassification(crop_size=OTHER_SIZE, resize_size=OTHER_SIZE)
    answer("new_size", ResNetRequest(service.model, larger), jpegs[: order["repeats"]])


if __name__ == "__main__":
    _main()
