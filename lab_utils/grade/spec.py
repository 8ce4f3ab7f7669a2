"""What a lab asks, and how an answer is judged: the words in which a unit's `grader.py` is written.

A task knows nothing of processes, sandboxes or marks: it draws fresh inputs from a seed, drives
the answer, and judges what came back. The engine (`engine.py`) decides where the answer runs,
what seed it gets, and what a verdict is worth. The rules that let the engine change beneath a lab:

- `draw`, `drive`, `judge`, `examine`, `work` and `bar` run in the grader's process, not in the
  answer's;
- the `answer` they are given may be a function in the same process (the advisory check in a
  notebook) or a stand-in for one in another process. It takes and gives plain values only:
  None, booleans, numbers, strings, bytes, lists, dicts, NumPy arrays, torch tensors, and
  functions, which cross the border as stand-ins themselves;
- clocks are read here. An answer cannot reach them.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.grade.decision import Curve
from lab_utils.grade.verdict import Figure
from lab_utils.measure.interval import Interval

Answer = Callable[..., Any]
Case = Mapping[str, Any]
"""One set of inputs: the answer's arguments by name."""


class Wrong(Exception):  # noqa: N818  it says what the answer is
    """The answer is wrong. One message for its author: what was seen, then what to do."""


class NotComparable(Exception):  # noqa: N818  it says what they are
    """The reference failed, or the machine got in the way: nothing can be said about the answer."""


def call(answer: Answer, case: Case) -> Any:
    """The usual way to drive an answer: call it once with the case's inputs."""
    return answer(**case)


@dataclass(frozen=True)
class FunctionTask:
    """A function that is called with fresh inputs, each output judged before the next is sent.

    function: the name the answer must define, and the name by which it is found where a cell
    has lost its metadata. draw: seed → the cases. judge: (case, output), raises `Wrong`. drive:
    (answer, case) → output, where calling once is not enough. limit_s: for all cases together.
    """

    name: str
    title: str
    points: float
    function: str
    draw: Callable[[int], Sequence[Case]]
    judge: Callable[[Case, Any], None]
    drive: Callable[[Answer, Case], Any] = call
    limit_s: float = 60
    alone: ClassVar[bool] = False
    """Whether it needs the machine to itself while it is graded."""


@dataclass(frozen=True)
class Work:
    """What one call has to do at least, for whoever asks whether a speed is possible.

    operations: multiplications and additions of the matrix kind, in `precision` ("fp32", "bf16",
    "int8", or "any", the fastest of them here). bytes: to be read from memory at least; 0 where
    they may come from a cache.
    """

    operations: float = 0
    precision: str = "fp32"
    bytes: float = 0


@dataclass(frozen=True)
class TimedTask:
    """A function that is timed against a reference function, on the same inputs, in turn.

    function: as in `FunctionTask`; the reference has the same name. reference: its source, run in
    a worker of its own like a notebook's cell. draw: (seed, count) → cases, no two alike, plain
    values only. judge: (case, the reference's output, the answer's output), raises `Wrong`; called
    for every call that was timed. bar: how many times as fast as the reference it must be, or a
    curve of part marks. too_slow: what to do about it, in a sentence. work: of a case, for what
    has a limit that this machine's own speed sets. threads: compute threads of both; with one the
    clock can leave out what other processes hold, so it takes fewer pairs on a busy machine.
    limit_s: for the cells, and again for all calls of the answer together.
    """

    name: str
    title: str
    points: float
    function: str
    reference: str
    draw: Callable[[int, int], Sequence[Case]]
    judge: Callable[[Case, Any, Any], None]
    bar: float | Curve
    too_slow: str
    work: Callable[[Case], Work] | None = None
    threads: int = 1
    limit_s: float = 120
    alone: ClassVar[bool] = True


@dataclass(frozen=True)
class Deployment:
    """A service to start: which WSGI application, and with what settings.

    app: "module:factory()", or None for the answer's own predictor behind the course's
    application (`answer_app.py`). workers: processes. compute_threads: in each; None leaves the
    libraries' default. arguments: what the answer's function is called with in each of them.
    """

    app: str | None
    workers: int
    compute_threads: int | None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ServiceTask:
    """A service that is started for real and compared, paired and interleaved, with a reference.

    function: as in `FunctionTask`. examine: (answer, cores, seed, folder) → what to deploy; runs
    before any service is started and raises `Wrong` for what no measurement is needed to see; what
    the answer puts into the folder is there for its service, too. reference: cores → the service it
    is compared with. draw: (seed, count) → request bodies, no two alike. path: what they are posted
    to. judge: (the reference's replies, the answer's replies) to the same requests, as parsed JSON;
    called for every block of requests that was timed. judge_all: the same for all replies together,
    gives figures; for what a few cannot show, accuracy for example. work: of one request, for what
    has a limit that this machine's own speed sets. tail: a percentile of the
    latency that may not be worse than the reference's; so many requests are sent that it can be
    told. bar: cores → the requests per second it must reach, as a multiple of the reference's, or a
    curve of part marks.
    too_slow: what to do about it, in a sentence. rehearse: (answer, seed) → speed-up, or raises
    `Wrong`: what a notebook can try in its own process, for an answer that only lives there.
    limit_s: for examining.
    """

    name: str
    title: str
    points: float
    function: str
    examine: Callable[[Answer, int, int, str], Deployment]
    reference: Callable[[int], Deployment]
    draw: Callable[[int, int], Sequence[bytes]]
    path: str
    judge: Callable[[Sequence[Any], Sequence[Any]], None]
    bar: Callable[[int], float | Curve]
    too_slow: str
    rehearse: Callable[[Answer, int], Interval] | None = None
    judge_all: Callable[[Sequence[Any], Sequence[Any]], Mapping[str, Figure]] | None = None
    tail: float | None = None
    work: Callable[[], Work] | None = None
    limit_s: float = 60
    alone: ClassVar[bool] = True


@dataclass(frozen=True)
class Trial:
    """What came of a plan. share: of the points, 0 to 1. message: why it is not all of them."""

    share: float
    message: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class DesignTask:
    """A plan that is tried: a fallback chain, an autoscaler's settings, a rollout.

    function: as in `FunctionTask`; takes nothing and gives the plan, as JSON has it. form: its JSON
    Schema. The plan is data, read in the grader's process and never run; so the form should bound
    every number in it, or a plan could make the trial endless. trial: (plan, seed) → what a
    simulator, or a service with a live fault, makes of it; raises `Wrong` for what needs no trial,
    `NotComparable` where the machine was too busy to tell.
    limit_s: for the cells and the function. alone: whether the trial needs the machine to itself,
    as one does that starts a service and measures it.
    """

    name: str
    title: str
    points: float
    function: str
    form: Mapping[str, Any]
    trial: Callable[[Any, int], Trial]
    limit_s: float = 60
    alone: bool = False


Task = FunctionTask | TimedTask | ServiceTask | DesignTask


@dataclass(frozen=True)
class Lab:
    """A unit's graded tasks, in the order of its notebook.

    prepare: makes what answers read and cannot make where they run (weights that are fetched or
    fitted once); called before the first of them.
    """

    unit: str
    tasks: tuple[Task, ...] = field(default_factory=tuple)
    prepare: Callable[[], object] = lambda: None

    def __getitem__(self, name: str) -> Task:
        """The task of that name; LabError names the ones there are."""
        for task in self.tasks:
            if task.name == name:
                return task
        known = ", ".join(task.name for task in self.tasks)
        raise LabError(f"There is no task {name!r} in {self.unit}; expected one of {known}.")

    @property
    def points(self) -> float:
        """What the whole lab is worth."""
        return sum(task.points for task in self.tasks)


def load_lab(unit: str | None = None) -> Lab:
    """The lab of a unit, from `curriculum/<unit>/grader.py`; its number alone names it too.

    None means the only one there is.

    Raises LabError for an unknown unit, or one without a graded lab, naming those that have one.
    """
    graded = sorted(path.parent.name for path in (ROOT / "curriculum").glob("*/grader.py"))
    matches = [name for name in graded if unit in (None, name, name.split("_")[0])]
    if len(matches) != 1:
        known = ", ".join(graded)
        if unit is None:
            raise LabError(f"More than one unit has a graded lab; name one of {known}.")
        raise LabError(f"There is no graded lab in unit {unit!r}; expected one of {known}.")
    folder = ROOT / "curriculum" / matches[0]
    name = f"grader_{matches[0]}"
    specification = importlib.util.spec_from_file_location(
        name, folder / "grader.py", submodule_search_locations=[str(folder)]
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # for its relative imports
    specification.loader.exec_module(module)
    lab: Lab = module.LAB
    return lab
