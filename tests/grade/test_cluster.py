"""A class graded by the workers of a Dask cluster: the same marks, whatever becomes of a worker."""

import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from distributed import LocalCluster
from rich.console import Console

from lab_utils.errors import LabError
from lab_utils.grade.classroom import cluster as clusters
from lab_utils.grade.classroom import cluster_worker
from lab_utils.grade.classroom.cluster import Cluster
from lab_utils.grade.classroom.export import export
from lab_utils.grade.classroom.handed_in import HandedIn
from lab_utils.grade.classroom.job import Done, Job
from lab_utils.grade.classroom.run import Order, grade_class, local, on_cluster
from lab_utils.grade.classroom.seeds import KEY
from lab_utils.grade.classroom.store import STORE, Store
from tests.conftest import Lab
from tests.grade.mixed_class import TASKS, UNIT, WRONG, answered, solution
from tests.started import assert_gone

TIMINGS = ("duration_s", "figures")
NOWHERE = "tcp://127.0.0.1:9"


@contextmanager
def dask_cluster(workers: int = 2, allowed_failures: int = 3) -> Iterator[LocalCluster]:
    """Processes on loopback, without a dashboard; all of them gone at the end."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": allowed_failures}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=None,
        ) as cluster,
    ):
        yield cluster
        at_work = [nanny.pid for nanny in cluster.workers.values() if nanny.pid]
        started = [p.pid for pid in at_work for p in psutil.Process(pid).children(recursive=True)]
    assert_gone([*at_work, *started])


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with dask_cluster() as started:
        yield started


def small_class(folder: Path) -> Path:
    """Six submissions: three right, two wrong, one that cannot be read."""
    folder.mkdir()
    for i, name in enumerate(("anna", "ben", "cem")):
        notebook = solution()
        notebook["cells"][0]["source"] = f"# {i}"
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook))
    for name, wrong in (("dia", "drops_softmax"), ("eli", "times_without_warmup")):
        source = (clusters_root() / "curriculum" / UNIT / "wrong" / f"{wrong}.py").read_text()
        notebook = answered(**{WRONG[wrong]: source})
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook))
    (folder / "fay.ipynb").write_text("{")
    return folder


def clusters_root() -> Path:
    return Path(clusters.__file__).parents[3]


def order(folder: Path, out: Path) -> Order:
    return Order([folder], out, tasks=TASKS)


def recorded(out: Path) -> list[dict[str, Any]]:
    """All verdicts, apart from what was timed."""
    with sqlite3.connect(out / STORE) as database:
        rows = database.execute(
            "SELECT learner, task, content, version, seed_id, verdict FROM verdicts "
            "ORDER BY learner, task"
        ).fetchall()
    fields = ("learner", "task", "content", "version", "seed_id")
    return [
        dict(zip(fields, row, strict=False))
        | {"verdict": {k: v for k, v in json.loads(row[5]).items() if k not in TIMINGS}}
        for row in rows
    ]


def test_a_cluster_gives_the_same_marks(cluster: LocalCluster, tmp_path: Path) -> None:
    folder, here, there = small_class(tmp_path / "class"), tmp_path / "here", tmp_path / "there"
    with Store(here), Store(there):
        pass
    for out in (here, there):
        (out / KEY).write_text("the same key for both of them\n")
    console = Console(stderr=True)
    outcome = grade_class(order(folder, there), on_cluster(cluster.scheduler_address), console)
    assert (outcome.submissions, outcome.graded) == (6, 11)
    grade_class(order(folder, here), local(2), console)
    assert recorded(here) == recorded(there)
    marks = [export(out).folder / "marks.csv" for out in (here, there)]
    assert marks[0].read_bytes() == marks[1].read_bytes()
    again = grade_class(order(folder, there), on_cluster(NOWHERE), console)
    assert (again.kept, again.graded) == (11, 0)  # and no cluster is asked


def test_a_worker_that_dies_is_another_try(tmp_path: Path) -> None:
    folder, out = small_class(tmp_path / "class"), tmp_path / "out"
    with Store(out):
        pass
    with dask_cluster() as cluster, ThreadPoolExecutor(1) as threads:
        killed = threads.submit(kill_at_work, cluster, out)
        outcome = grade_class(
            order(folder, out), on_cluster(cluster.scheduler_address), Console(stderr=True)
        )
        assert killed.result(timeout=0) < 11
    assert outcome.graded == 11
    points = [row["verdict"]["points"] for row in recorded(out)]
    assert sum(points) == 2 * (3 * 2 + 2)


def kill_at_work(cluster: LocalCluster, out: Path) -> int:
    """End one worker while it grades; gives how many verdicts there were by then."""
    while (count := len(recorded(out))) < 2:
        time.sleep(0.05)
    psutil.Process(next(iter(cluster.workers.values())).pid).kill()
    return count


def test_a_job_whose_workers_always_die_is_an_error(tmp_path: Path) -> None:
    job = stored(tmp_path)
    with (
        dask_cluster(workers=1, allowed_failures=0) as cluster,
        Cluster(cluster.scheduler_address, tmp_path / "notebooks", timed=True) as graders,
    ):
        graders.submit(job)
        time.sleep(0.5)
        psutil.Process(cluster.workers[0].pid).kill()
        of, done = first(graders)
    assert of == job
    assert done.verdict["state"] == "error"
    assert "ended while they graded this" in done.verdict["message"]


def first(graders: Cluster) -> tuple[Job, Done]:
    """What is finished first."""
    while not (finished := graders.wait(1)):
        pass
    return finished[0]


def stored(folder: Path) -> Job:
    """A job whose notebook stands in a store."""
    content = json.dumps(solution()).encode()
    submission = HandedIn("anna", UNIT, "anna.ipynb", content)
    with Store(folder) as store:
        store.found(submission, "v")
    return Job("anna", UNIT, "postprocess", submission.digest, 7)


def test_timings_are_taken_one_at_a_time_on_a_machine(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    address = cluster.scheduler_address
    with Cluster(address, tmp_path, timed=True) as timed:
        assert timed.slots == 1
    with Cluster(address, tmp_path, timed=False) as shared:
        assert shared.slots == 2
        assert sorted(shared._shares().values()) == [(0, 2), (1, 2)]


def test_another_version_of_the_course_is_refused(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = cluster.scheduler_address
    with monkeypatch.context() as patch:
        patch.setattr(clusters, "course_version", lambda: "other")
        with pytest.raises(LabError, match=r"on 127\.0\.0\.1 have another version"):
            Cluster(address, tmp_path, timed=False).__enter__()
    with monkeypatch.context() as patch:
        patch.setattr(clusters, "COURSE", "not_there.version")
        with pytest.raises(LabError, match=r"on 127\.0\.0\.1 lack the course: bring its checkout"):
            Cluster(address, tmp_path, timed=False).__enter__()
    with Cluster(address, tmp_path / "notebooks", timed=False) as graders:  # one that joined since
        monkeypatch.setattr(clusters, "course_version", lambda: "other")
        graders.submit(stored(tmp_path))
        with pytest.raises(LabError, match="has another version of the course"):
            first(graders)


def test_a_cluster_that_ends_is_one_sentence(tmp_path: Path) -> None:
    job = stored(tmp_path)
    with dask_cluster(workers=0) as cluster:
        with pytest.raises(LabError, match="has no workers; start one on each machine"):
            Cluster(cluster.scheduler_address, tmp_path, timed=False).__enter__()
        cluster.scale(1)
        cluster.wait_for_workers(1)
        with Cluster(cluster.scheduler_address, tmp_path / "notebooks", timed=False) as graders:
            graders.submit(job)
            cluster.close()
            with pytest.raises(LabError, match="no longer answers"):
                first(graders)


def test_a_version_that_differs_at_the_worker_is_refused_there() -> None:
    with pytest.raises(LabError, match="another version of the course"):
        cluster_worker.grade(b"", asdict(Job("a", UNIT, "postprocess", "d", 1)), "r", "other", {})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cluster", NOWHERE], "No Dask scheduler answers at tcp://127.0.0.1:9"),
        (["--cluster", "nothing"], "No Dask scheduler answers at nothing"),
        (["--cluster", NOWHERE, "--workers", "2"], "exclude each other"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_one_sentence(
    options: list[str], said: str, lab_here: Lab, tmp_path: Path
) -> None:
    folder = small_class(tmp_path / "class")
    done = lab_here("grade", folder, "--out", tmp_path / "out", "--task", "postprocess", *options)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
