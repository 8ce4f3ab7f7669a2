"""Search for fast programs of one layer on this machine, with Apache TVM, and keep what was found.

    .venv/bin/python -m lab_utils.optimize.tune --trials 64 --seed 1

All cores are busy for one to two seconds a trial; stop other work first, or the search measures
that. Run it again to search on from what is there; lesson 1.5 then uses this machine's own result.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from pathlib import Path
from typing import Any

from lab_utils.command import completed, last_words
from lab_utils.components import environments
from lab_utils.errors import LabError
from lab_utils.files import cache_folder, write_json, write_text
from lab_utils.machine.cores import available_cores
from lab_utils.machine.facts import facts
from lab_utils.models import pictures, resnet
from lab_utils.optimize import conv_layer, kept_search
from lab_utils.optimize.inputs import preprocessed
from lab_utils.optimize.kept_search import LEVELS, ORIGIN, RECORDS, WORKLOADS, Search
from lab_utils.show.progress import waiting, watching

ABOUT_S_A_TRIAL = 2.0
START_S, MOST_S_A_TRIAL = 600.0, 60.0
ROUNDS = 12


def search(trials: int, seed: int, level: str, folder: Path) -> Search:
    """Try so many more programs; the best of all is kept in `folder`, with its origin.

    With no trials what was found is only measured again.

    level: the instructions that the programs may use. Raises LabError where the environment
    cannot be made or the search ends with an error.
    """
    layer = conv_layer.of(resnet.load().network, preprocessed(pictures.draw(1, seed=seed)))
    work = cache_folder() / f"tvm-search-of-{level}"
    origin = _begun(work) or {
        "layer": layer.name,
        "needs": level,
        "target": {"kind": "llvm", "mcpu": LEVELS[level], "num-cores": available_cores()},
        "inputs_shape": list(layer.arrays["inputs"].shape),
        "weight_shape": list(layer.arrays["weight"].shape),
        "runs": [],
    }
    write_json(work / ORIGIN, origin)
    if trials:
        _run(work, origin, trials, seed)
    return _keep(work, origin, layer, folder)


def _run(work: Path, origin: dict[str, Any], trials: int, seed: int) -> None:
    command = environments.command(
        "tvm_tuning", conv_layer.WORKER, "tune", work, trials, seed, waiting=waiting
    )
    start_s = time.monotonic()
    try:
        with waiting(f"{trials} programs", ABOUT_S_A_TRIAL * trials):
            done = completed(
                command,
                limit_s=START_S + MOST_S_A_TRIAL * trials,
                late=f"{trials} programs took too long; is the machine overloaded?",
                environment=conv_layer.environment_of(available_cores()),
            )
        if done.returncode:
            raise LabError(f"The search ended with an error: {last_words(done.stderr)}")
    finally:
        took_s = round(time.monotonic() - start_s, 1)
        origin["runs"] += [{"trials": trials, "seed": seed, "duration_s": took_s}]
        write_json(work / ORIGIN, origin)


def _begun(work: Path) -> dict[str, Any] | None:
    try:
        begun: dict[str, Any] = json.loads((work / ORIGIN).read_text())
    except (OSError, ValueError):
        return None
    return begun


def _keep(work: Path, origin: dict[str, Any], layer: conv_layer.ConvLayer, folder: Path) -> Search:
    """Measure what was found beside the library, and write the search; its origin comes last."""
    records = (work / RECORDS).read_text()
    best = kept_search.best_record(records)
    programs = conv_layer.Programs(layer, Search(work, origin), available_cores(), waiting)
    try:
        outcomes = programs.run_in_turn(ROUNDS, watching("Rounds"))
    finally:
        programs.stop()
    write_text(folder / WORKLOADS, (work / WORKLOADS).read_text())
    write_text(folder / RECORDS, best)
    document = origin | {
        "date": datetime.date.today().isoformat(),
        "machine": facts().as_dict(),
        "tvm": programs.told["version"],
        "built": programs.told["built"],
        "command": "python -m lab_utils.optimize.tune, once for each of the runs",
        "duration_s": round(sum(run["duration_s"] for run in origin["runs"]), 1),
        "recorded_ms": {
            name: round(1e3 * outcome.latency_s.median, 4) for name, outcome in outcomes.items()
        },
        "trials_ms": kept_search.trials_ms(records),
    }
    write_json(folder / ORIGIN, document)
    return kept_search.read(folder)


def main() -> None:
    """Search, keep, and say what came of it."""
    parser = argparse.ArgumentParser(
        prog="python -m lab_utils.optimize.tune", description=str(__doc__).split("\n", 1)[0]
    )
    level = next((name for name in LEVELS if name in facts().instruction_sets), "AVX2")
    parser.add_argument("--trials", type=int, default=64, help="default 64; 0 only measures")
    parser.add_argument("--seed", type=int, default=1, help="another seed tries other programs")
    parser.add_argument("--level", choices=LEVELS, default=level, help=f"default here: {level}")
    parser.add_argument("--into", type=Path, default=kept_search.own_folder(), help="the folder")
    given = parser.parse_args()
    if given.trials < 0:
        parser.error(f"--trials is {given.trials}; expected 0 or more")
    try:
        found = search(given.trials, given.seed, given.level, given.into)
    except LabError as error:
        sys.exit(f"Error: {error}")
    print(f"{found.trials} programs in {found.duration_s:.0f} s; milliseconds for the layer:")
    for name, seconds in found.recorded_s.items():
        print(f"  {name:20} {1e3 * seconds:8.2f}")
    print(f"kept in {found.folder}")


if __name__ == "__main__":
    main()
