"""Which answers resemble each other so much that a person should look at them.

Compared are the answers' tokens: comments, layout and the spelling of names do not count, and
cells left as they were handed out do not either. A correct answer to a small task looks like every
other one, so each pair is shown beside what is usual in the class. It is a reason to look, and
proves nothing.
"""

from __future__ import annotations

import builtins
import io
import keyword
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from rapidfuzz.distance import Indel

from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.grade.submission import Submission, parse, read

LEAST_TOKENS = 50
ALIKE = 0.9
MOST_PAIRS = 20
SILENT = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.DEDENT,
)
FIXED = {*keyword.kwlist, *dir(builtins)}


@dataclass(frozen=True)
class Pair:
    """Two learners and the share of their tokens that agree in order, 0 to 1."""

    one: str
    other: str
    likeness: float


@dataclass(frozen=True)
class Likeness:
    """What was found, and what is usual between any two of the `compared`.

    same: learners whose answers agree in every token. pairs: the likest others, each such group
    standing for its first learner.
    """

    same: tuple[tuple[str, ...], ...]
    pairs: tuple[Pair, ...]
    usual: float
    compared: int


def alike(answers: Mapping[str, Sequence[str]]) -> Likeness:
    """The answers that are alike, the likest first. answers: learner → the cells they wrote."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for learner, cells in sorted(answers.items()):
        stream = tuple(token for cell in cells for token in normalised(cell))
        if len(stream) >= LEAST_TOKENS:
            groups[stream].append(learner)
    pairs = [
        Pair(groups[one][0], groups[other][0], Indel.normalized_similarity(one, other))
        for one, other in combinations(groups, 2)
    ]
    likest = sorted((p for p in pairs if p.likeness >= ALIKE), key=lambda p: -p.likeness)
    usual = median(pair.likeness for pair in pairs) if pairs else 1.0
    return Likeness(
        tuple(tuple(group) for group in groups.values() if len(group) > 1),
        tuple(likest[:MOST_PAIRS]),
        usual,
        sum(map(len, groups.values())),
    )


def written(content: bytes, unit: str) -> list[str]:
    """The answers in a notebook: the task cells that are not as they were handed out.

    Where no cell has its metadata, all cells that are not as they were handed out.
    """
    try:
        submission = parse(content, "notebook")
        handed_out = read(ROOT / "labs" / unit / "lab.ipynb").cells
    except LabError:
        return []
    known = {tuple(normalised(cell.source)) for cell in handed_out}
    return [s for s in _answers(submission) if tuple(normalised(s)) not in known]


def normalised(source: str) -> Iterator[str]:
    """A cell's tokens; names are numbered as they appear, except after a dot and Python's own.

    >>> list(normalised("def f(x):  # twice\\n    return 2 * x"))
    ['def', 'n1', '(', 'n2', ')', ':', 'return', '2', '*', 'n2']
    """
    names: dict[str, str] = {}
    before = ""
    for kind, text in _tokens(source):
        if kind == tokenize.NAME and text not in FIXED and before != ".":
            yield names.setdefault(text, f"n{len(names) + 1}")
        elif kind == tokenize.STRING and before in ("", ":"):  # a docstring
            continue
        else:
            yield text
        before = text


def _answers(submission: Submission) -> list[str]:
    marked = [cell.source for cell in submission.cells if cell.task]
    return marked or [cell.source for cell in submission.cells]


def _tokens(source: str) -> Iterator[tuple[int, str]]:
    """As far as Python can read them."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type not in SILENT:
                yield token.type, token.string
    except (tokenize.TokenError, SyntaxError, RecursionError):
        return
