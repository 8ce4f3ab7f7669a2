"""Several saved models at a time, made by processes that share the cores among them.

    recipes = {"one": calibration.static(count=1), "noise": calibration.static("noise", 16)}
    saved = made_together(recipes, model.network, len(model.labels), watch=watching("Saved models"))

Converters and compilers mostly use one core. Side by side each takes longer than alone, so the
`prepare_s` of such an artefact is an upper bound.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from lab_utils.components.asked import AskedProcess
from lab_utils.components.together import Together
from lab_utils.errors import LabError
from lab_utils.machine.cores import available_cores
from lab_utils.measure.compare import Watch
from lab_utils.optimize.artefacts import Artefact, Recipe, fingerprint, found, prepared

if TYPE_CHECKING:
    from torch import nn

MOST = 4
"""Processes at a time: each holds PyTorch, a converter and the network."""


def made_together(
    recipes: Mapping[str, Recipe],
    network: nn.Module,
    labels: int,
    batch: int = 1,
    watch: Watch = iter,
) -> dict[str, Artefact]:
    """What `prepared` gives for each recipe. Those not found in the cache are made side by side.

    One that is missing alone is made in this process, which spares the start of another.
    Raises LabError where one cannot be made.
    """
    weights = fingerprint(network)
    missing = [r for r in recipes.values() if found(r, weights, batch) is None]
    if len(missing) > 1:
        steps = [step for step in _steps(missing) if found(step, weights, batch) is None]
        _make_missing(steps, network, labels, batch, watch)
    return {
        name: found(recipe, weights, batch) or prepared(recipe, network, labels, batch)
        for name, recipe in recipes.items()
    }


def _steps(recipes: Sequence[Recipe]) -> list[Recipe]:
    """The recipes and all that they convert, bases before what needs them, each once.

    In their own order two makers would begin with two files of one base, and one of them wait.
    """
    depth: dict[int, int] = {}
    steps: list[Recipe] = []
    for recipe in recipes:
        chain = [recipe]
        while (base := chain[0].base) is not None:
            chain.insert(0, base)
        for number, step in enumerate(chain):
            if id(step) not in depth:
                depth[id(step)] = number
                steps.append(step)
    return sorted(steps, key=lambda step: depth[id(step)])


def _make_missing(
    missing: Sequence[Recipe], network: nn.Module, labels: int, batch: int, watch: Watch
) -> None:
    command = [sys.executable, "-m", "lab_utils.optimize.making"]
    count = min(len(missing), available_cores(), MOST)
    makers = Together(
        {
            f"maker {i}": AskedProcess(f"maker {i}", [*command, str(i), str(count)])
            for i in range(count)
        }
    )
    free: queue.SimpleQueue[AskedProcess] = queue.SimpleQueue()
    given = {"network": pickle.dumps(network), "labels": labels, "batch": batch}
    with ThreadPoolExecutor(count) as threads:
        try:
            for maker in makers.values():
                maker.ask(given)
                free.put(maker)
            making = [threads.submit(_make, recipe, free) for recipe in missing]
            for _, future in zip(watch(range(len(making))), as_completed(making), strict=True):
                future.result()
        finally:  # the pool waits for its threads, and they for their makers
            threads.shutdown(wait=False, cancel_futures=True)
            makers.stop()


def _make(recipe: Recipe, free: queue.SimpleQueue[AskedProcess]) -> None:
    maker = free.get()
    try:
        maker.ask(recipe)
    finally:
        free.put(maker)


def _main(number: str, of: str, line: str) -> None:
    # Converters that compute with every core would wait for each other, spinning.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[int(number) :: int(of)])
    connection = Connection(int(line))
    connection.send({"ready": True})
    given = connection.recv()
    given["network"] = pickle.loads(given["network"])
    connection.send({"given": True})
    while True:
        try:
            recipe = connection.recv()
        except EOFError:
            return
        try:
            prepared(recipe, **given)
            connection.send({"made": recipe.name})
        except LabError as error:
            connection.send({"error": str(error)})


if __name__ == "__main__":
    _main(*sys.argv[1:])
