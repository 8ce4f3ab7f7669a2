"""Chaos Toolkit: the real `chaos run` on an experiment's file, and what its journal says.

    journal = run_experiment(EXPERIMENTS / "slow_redis.yaml", {"CONTROL": url, "HOLD_S": 2})
    journal.deviated, journal.missed

An experiment is a file: a hypothesis that holds before (or nothing is done), the method that breaks
something, the same hypothesis once more while it is broken, and rollbacks. The toolkit plays the
rollbacks only where the hypothesis held, unless it is told otherwise; here it is told `always`.

It runs in an environment of its own and reaches what it breaks by HTTP alone.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab_utils.command import completed, last_words
from lab_utils.components import environments
from lab_utils.components.environments import Waiting, silently
from lab_utils.errors import LabError

LIMIT_S = 300.0
BAD_STATUS = 400


@dataclass(frozen=True)
class Journal:
    """What became of an experiment.

    held_before: the hypothesis held before; where not, nothing was broken. deviated: it did not
    hold while something was. missed: the probe that said so. begun_s, mended_s, ended_s: when the
    first action began, the first rollback began, and the last one ended, in Unix seconds. document:
    the journal as the toolkit writes it.
    """

    title: str
    held_before: bool
    deviated: bool
    missed: str
    begun_s: float
    mended_s: float
    ended_s: float
    document: Mapping[str, Any]


def prepare(waiting: Waiting = silently) -> None:
    """Make its environment, where it is not there yet; raises LabError as `environments` does."""
    environments.python("chaos", waiting)


def run_experiment(
    file: Path, variables: Mapping[str, object], *, limit_s: float = LIMIT_S
) -> Journal:
    """Run an experiment to its end. variables: those of the environment that it reads. limit_s:
    after which it is given up.

    Raises LabError where there is no such file, where the toolkit does not take it, and where an
    action or a rollback could not be done.
    """
    if not file.is_file():
        raise LabError(f"There is no experiment {file}; expected a file of Chaos Toolkit's.")
    chaos = environments.python("chaos").with_name("chaos")
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        journal = Path(folder) / "journal.json"
        command = [str(chaos), "--no-version-check", "--log-file", str(Path(folder) / "log")]
        command += ["--settings", str(Path(folder) / "none.yaml"), "run"]
        command += ["--rollback-strategy", "always", "--journal-path", str(journal)]
        told = {name: str(value) for name, value in variables.items()}
        done = completed(
            [*command, str(file.resolve())],
            limit_s=limit_s,
            late=f"The experiment {file.name} had not ended after {limit_s:g} s.",
            folder=Path(folder),
            environment=os.environ
            | {"HOME": folder, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
            | told,
        )
        if not journal.exists():
            said = last_words(done.stderr) if done.stderr.strip() else last_words(done.stdout)
            raise LabError(f"Chaos Toolkit did not run {file.name}: {said}")
        return read(json.loads(journal.read_text()))


def read(document: Mapping[str, Any]) -> Journal:
    """A journal of the toolkit's. Raises LabError where something was to be done and failed."""
    title = document["experiment"]["title"]
    before, after = (document["steady_states"][when] for when in ("before", "after"))
    missed = [
        probe["activity"]["name"]
        for state in (before, after)
        for probe in (state or {"probes": []})["probes"]
        if not probe["tolerance_met"]
    ]
    held_before = bool(before and before["steady_state_met"])
    if held_before:
        for one in (*document["run"], *document["rollbacks"]):
            _check(one, title)
    begun, ended = document["start"], document["end"]
    mended = ended
    if document["run"]:
        begun = document["run"][0]["start"]
    if document["rollbacks"]:
        mended, ended = document["rollbacks"][0]["start"], document["rollbacks"][-1]["end"]
    return Journal(
        title,
        held_before,
        bool(document["deviated"]),
        missed[0] if missed else "",
        _unix(begun),
        _unix(mended),
        _unix(ended),
        document,
    )


def _check(activity: Mapping[str, Any], title: str) -> None:
    """An HTTP action that is told of an error has "succeeded", to the toolkit."""
    output = activity["output"]
    status = output.get("status", 0) if isinstance(output, dict) else 0
    if activity["status"] != "succeeded" or status >= BAD_STATUS:
        why = output["body"] if status else " ".join(activity.get("exception") or []).strip()
        raise LabError(f"{title}: {activity['activity']['name']} failed: {why}")


def _unix(text: str) -> float:
    """The toolkit writes UTC, with or without saying so."""
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
