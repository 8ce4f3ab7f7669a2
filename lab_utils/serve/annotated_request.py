"""A program for Nsight Systems: the released request with a named range around each part.

    profile, source = annotated_request.profile(glossary.url, requests=8)

A process of its own, because nsys starts what it records.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from pathlib import Path

from lab_utils.components.catalogue import program
from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.measure.profile import nsight
from lab_utils.measure.profile.result import Profile

WARMUPS = 3
RECORDING = ROOT / "data" / "nsight_request.sql"


def profile(glossary: str, requests: int) -> tuple[Profile, str]:
    """What Nsight Systems sees of so many warm requests that ask this glossary, and where.

    Made now where nsys is here and works; else read from the recording that the course carries.
    The text says which, why, and how to get the tool.
    """
    nsys = program("nsys")
    if nsys is None:
        why = "nsys is not on this machine (Debian, non-free: apt install nsight-systems)"
        return recorded(), f"Recorded on another machine, see {RECORDING.name}: {why}."
    try:
        made = nsight.run(nsys, [sys.executable, "-m", __name__, glossary, str(requests)])
    except LabError as error:
        return recorded(), f"Recorded on another machine, see {RECORDING.name}: {error}"
    return made, "Recorded now, on this machine."


def recorded() -> Profile:
    """The profile in the course's own recording."""
    with tempfile.TemporaryDirectory(prefix="inference-lab-nsys-") as folder:
        export = Path(folder, "recording.sqlite")
        database = sqlite3.connect(export)
        database.executescript(RECORDING.read_text())
        database.close()
        return nsight.read(export)


def _main() -> None:
    import torch

    from lab_utils.models import pictures
    from lab_utils.serve import glossary
    from lab_utils.serve.resnet_request import ResNetRequest

    torch.set_num_threads(1)
    named = torch.cuda.nvtx.range
    service = ResNetRequest.load()
    drawn = [p.jpeg for p in pictures.draw(WARMUPS + int(sys.argv[2]), seed=11)]
    for jpeg in drawn[:WARMUPS]:
        service.answer(jpeg)
    for jpeg in drawn[WARMUPS:]:
        with named("request"):
            with named("decode"):
                picture = service.decode(jpeg)
            with named("preprocess"):
                inputs = service.preprocess(picture)
            with named("compute"):
                scores = service.compute(inputs)
            with named("postprocess"):
                top5 = service.postprocess(scores)
            with named("glossary"):
                for guess in top5:
                    glossary.ask(sys.argv[1], guess["label"])


if __name__ == "__main__":
    _main()
