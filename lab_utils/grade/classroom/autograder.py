"""What Gradescope's `run_autograder` starts: one submission graded, `results.json` written.

    python -m lab_utils.grade.classroom.autograder prepare|grade ROOT

ROOT is /autograder there: ROOT/source/order.json names the unit and its tasks, ROOT/submission is
what the learner handed in, and ROOT/results/results.json gets the marks. Every run draws inputs of
its own: no key is in the archive, where an answer that is not isolated could read it. `prepare`
makes what grading needs (weights), once, when the image is built.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.files import write_json
from lab_utils.grade import submission as submissions
from lab_utils.grade.classroom.gradescope import results, unread
from lab_utils.grade.classroom.handed_in import one_learner
from lab_utils.grade.engine import grade
from lab_utils.grade.spec import load_lab


def prepare(root: Path) -> None:
    """Make what the unit's answers read."""
    lab, _ = _order(root)
    load_lab(lab).prepare()


def grade_submission(root: Path) -> None:
    """Grade what lies in ROOT/submission.

    Raises LabError where the archive's own part is not in order; then there are no results, and
    Gradescope says that the autograder failed.
    """
    unit, tasks = _order(root)
    lab = load_lab(unit)
    found = one_learner(root / "submission", lab.unit)
    if found.content is None:
        document = unread(found.problem)
    else:
        submission = submissions.parse(found.content, found.source)
        marks = grade(submission, lab, tasks or None)
        document = results([verdict.as_dict() for verdict in marks.verdicts])
    write_json(root / "results" / "results.json", document)


def _order(root: Path) -> tuple[str, list[str]]:
    path = root / "source" / "order.json"
    try:
        order = json.loads(path.read_text())
        return str(order["unit"]), [str(name) for name in order["tasks"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise LabError(
            f"{path} is not an autograder's order; make the archive with "
            "./lab release --gradescope UNIT and upload it as it is."
        ) from None


def main() -> None:
    """Do what the first argument says."""
    what, root = sys.argv[1], Path(sys.argv[2])
    try:
        {"prepare": prepare, "grade": grade_submission}[what](root)
    except LabError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
