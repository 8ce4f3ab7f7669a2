"""What `./lab grade` does with a class, and what it says about it."""

from __future__ import annotations

import json
import shlex
import sys

from rich.console import Console

from lab_utils.errors import LabError
from lab_utils.grade.classroom.export import export
from lab_utils.grade.classroom.run import (
    Open,
    Order,
    Outcome,
    grade_class,
    local,
    on_cluster,
    workers_by_default,
)
from lab_utils.grade.verdict import MARKS


def grade_submissions(
    order: Order, workers: int | None, cluster: str | None, *, as_json: bool
) -> bool:
    """Grade a class and say how it went; false where something could not be graded.

    workers: at the same time on this machine, default one a core. cluster: a Dask scheduler, whose
    workers grade instead. Raises LabError for both at once, and KeyboardInterrupt, after all is
    stopped and said, where the run was interrupted.
    """
    console = Console(stderr=True)
    outcome = grade_class(order, _graders(workers, cluster), console)
    exported = export(order.out)
    out = Console(stderr=as_json)
    out.print(_summary(order, outcome), markup=False, soft_wrap=True)
    out.print(f"See {exported.folder / 'class.html'}.", markup=False, soft_wrap=True)
    if outcome.interrupted:
        print(
            f"Stopped. What was graded is kept in {order.out}; go on with\n"
            f"  {_command(order, cluster)}",
            file=sys.stderr,
        )
        raise KeyboardInterrupt
    if as_json:
        print(json.dumps(outcome.as_dict() | {"out": str(order.out)}, allow_nan=False))
    return not outcome.unread and not outcome.states["error"]


def _graders(workers: int | None, cluster: str | None) -> Open:
    if cluster is None:
        return local(workers or workers_by_default())
    if workers is not None:
        raise LabError(
            "--workers and --cluster exclude each other: a cluster grades as many answers at once "
            "as its workers have threads; leave --workers out."
        )
    return on_cluster(cluster)


def _summary(order: Order, outcome: Outcome) -> str:
    lines = [f"{learner}: {problem}" for learner, problem in outcome.unread.items()]
    states = ", ".join(f"{MARKS[s]} {n} {s}" for s, n in sorted(outcome.states.items()))
    kept = f"; {outcome.kept} were graded before and kept" if outcome.kept else ""
    lines.append(
        f"{outcome.submissions} submissions, {outcome.graded} verdicts"
        f"{f' ({states})' if states else ''}{kept}; they are in {order.out}."
    )
    return "\n".join(lines)


def _command(order: Order, cluster: str | None) -> str:
    words = ["./lab", "grade", *map(str, order.paths), "--out", str(order.out)]
    words += ["--unit", order.unit] if order.unit else []
    for task in order.tasks:
        words += ["--task", task]
    words += ["--cluster", cluster] if cluster else []
    return shlex.join(words)
