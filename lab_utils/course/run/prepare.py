"""Gets ready what lessons load, so that no lesson's time includes it.

    python -m lab_utils.course.run.prepare tvm,triton floating,int8

Fits or fetches the network's weights, and beside that makes the named components' environments,
then the named sets of saved models. Prints where the weights came from, or one sentence saying why
there are none. What else cannot be made is no fault here: the lesson that wants it says so.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from lab_utils.components import environments
from lab_utils.errors import LabError
from lab_utils.models import resnet
from lab_utils.optimize import saved_models


def main(environment_names: str, saved_model_names: str) -> int:
    """Load once; gives the exit status. The names are separated by commas."""
    with ThreadPoolExecutor() as threads:
        for name in filter(None, environment_names.split(",")):
            threads.submit(_make, name)
        try:
            model = resnet.load()
        except LabError as error:
            print(error)
            return 1
    if saved_model_names:
        with suppress(LabError):
            saved_models.make(saved_model_names.split(","), model)
    print(model.source)
    return 0


def _make(name: str) -> None:
    with suppress(LabError):
        environments.python(name)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
