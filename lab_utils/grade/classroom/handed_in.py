"""What a class handed in: notebooks in folders and archives, whatever else lies beside them.

SUBMISSIONS/                    also as one archive, SUBMISSIONS.zip
    anna.ipynb                  a learner is a notebook,
    ben/…/lab.ipynb             a folder with one somewhere in it,
    cem.zip                     or an archive of either

Nothing is unpacked and no link is followed: what is read is bounded and stays in memory.
"""

from __future__ import annotations

import hashlib
import stat
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath

from lab_utils.errors import LabError
from lab_utils.grade import submission as submissions

NOTEBOOK, ARCHIVE = ".ipynb", ".zip"
SKIPPED = ("__MACOSX", ".ipynb_checkpoints")
MOST_FILES = 2000
"""In one learner's folder or archive: more are a mistake, or meant to stop the grader."""
MOST_BYTES = 4 * submissions.MAX_BYTES
"""In one learner's notebooks together."""
ARCHIVE_BYTES = 100 * 2**20
WHOLE_CLASS_BYTES = 8 * 2**30
USUAL = "lab.ipynb"


@dataclass(frozen=True)
class HandedIn:
    """One learner's answer to one unit.

    source: where it was found, for a person. content: the notebook, or None with the `problem`.
    """

    learner: str
    unit: str
    source: str
    content: bytes | None
    problem: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the notebook; of the problem, where none could be read."""
        content = self.problem.encode() if self.content is None else self.content
        return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class _File:
    """A notebook that was found, or why it may not be read."""

    name: str
    content: bytes | None = None
    problem: str = ""


def handed_in(path: Path, unit: str | None) -> Iterator[HandedIn]:
    """Every learner's submissions below a folder, in an archive, or in one notebook.

    unit: what notebooks belong to that do not say so themselves. A learner whose notebook cannot
    be read is there with the problem. Raises LabError where nothing at all was handed in.
    """
    count = 0
    for learner, files in _learners(path):
        for found in _of_learner(learner, files, unit):
            count += 1
            yield replace(
                found,
                learner=_text(found.learner),
                source=_text(found.source).replace(_text(f"{path}/"), ""),
                problem=_text(found.problem).replace(_text(f"{path}/"), ""),
            )
    if not count:
        raise LabError(
            f"{path} holds no submissions; expected a notebook, folder or zip archive for each "
            "learner, as in submissions/anna.ipynb."
        )


def one_learner(folder: Path, unit: str) -> HandedIn:
    """What one learner handed in for a unit: everything in the folder is theirs."""
    found = next(_of_learner("the submission", _in_folder(folder), unit))
    names = (found.source, found.problem)
    source, problem = (_text(name).replace(_text(f"{folder}/"), "") for name in names)
    return replace(found, source=source, problem=problem)


def _learners(path: Path) -> Iterator[tuple[str, Iterable[_File]]]:
    if path.is_dir():
        learners: dict[str, list[Iterable[_File]]] = {}
        for entry in sorted(path.iterdir()):
            if _ignored(entry.name):
                continue
            if entry.is_dir() and not entry.is_symlink():
                learners.setdefault(entry.name, []).append(_in_folder(entry))
            elif entry.suffix.lower() in (NOTEBOOK, ARCHIVE):
                learners.setdefault(entry.stem, []).append(_in_file(entry))
        for learner, files in learners.items():
            yield learner, chain.from_iterable(files)
    elif path.suffix.lower() == ARCHIVE:
        yield from _class_archive(path)
    else:
        yield path.stem, _in_file(path)


_COPY = "hand in the file itself."


def _text(name: str) -> str:
    """A file's name as text that can be stored, whatever its bytes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _ignored(name: str) -> bool:
    return name.startswith(".") or name in SKIPPED


def _in_folder(folder: Path) -> Iterator[_File]:
    """The notebooks below a learner's folder."""
    waiting, seen = [folder], 0
    while waiting:
        here = waiting.pop()
        try:
            entries = sorted(here.iterdir())
        except OSError as error:
            yield _File(str(here), problem=f"{here} could not be read ({error.strerror}).")
            continue
        for entry in entries:
            seen += 1
            if seen > MOST_FILES:
                yield _File(str(folder), problem=f"{folder} holds more than {MOST_FILES} files.")
                return
            if _ignored(entry.name):
                continue
            if entry.is_symlink():
                if entry.suffix.lower() == NOTEBOOK:
                    yield _File(str(entry), problem=f"{entry} is a link; {_COPY}")
            elif entry.is_dir():
                waiting.append(entry)
            elif entry.suffix.lower() in (NOTEBOOK, ARCHIVE):
                yield from _in_file(entry)


def _in_file(path: Path) -> Iterator[_File]:
    name = str(path)
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode):
            yield _File(name, problem=f"{name} is not a regular file; {_COPY}")
        elif path.suffix.lower() == ARCHIVE:
            yield from _in_archive(path, facts.st_size)
        elif facts.st_size > submissions.MAX_BYTES:
            yield _File(name, problem=str(submissions.too_large(name, facts.st_size)))
        else:
            yield _File(name, path.read_bytes())
    except OSError as error:
        yield _File(name, problem=f"{name} could not be read ({error.strerror}).")


def _in_archive(path: Path, size: int) -> Iterator[_File]:
    """The notebooks in one learner's archive."""
    if size > ARCHIVE_BYTES:
        yield _File(
            str(path),
            problem=f"{path} has {size / 2**20:.0f} MB; an archive has at most "
            f"{ARCHIVE_BYTES // 2**20}: hand in the notebook alone.",
        )
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_FILES:
                problem = f"{path} holds more than {MOST_FILES} files: hand in the notebook alone."
                yield _File(str(path), problem=problem)
                return
            if problem := next(filter(None, map(_problem_of, members)), ""):
                yield _File(str(path), problem=f"{path} holds {problem}")
                return
            for member in members:
                if _is_notebook(member):
                    yield _read(archive, member, f"{path}: {member.filename}")
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError) as error:
        yield _File(str(path), problem=f"{path} is not a zip archive that can be read ({error}).")


def _class_archive(path: Path) -> Iterator[tuple[str, Iterable[_File]]]:
    """A class in one archive: its learners are what lies at the top, or in the one folder there."""
    try:
        if path.stat().st_size > WHOLE_CLASS_BYTES:
            raise LabError(f"{path} is too large for a class; unpack it and name the folder.")
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            members = [m for m in members if not any(map(_ignored, _parts(m)))]
            tops = {_parts(member)[0] for member in members}
            wrapped = len(tops) == 1 and all(len(_parts(m)) > 1 for m in members)
            learners: dict[str, list[zipfile.ZipInfo]] = {}
            for member in members:
                parts = _parts(member)[1 if wrapped else 0 :]
                if len(parts) > 1:
                    learners.setdefault(parts[0], []).append(member)
                elif PurePosixPath(parts[0]).suffix.lower() == NOTEBOOK:
                    learners.setdefault(PurePosixPath(parts[0]).stem, []).append(member)
            for learner, own in sorted(learners.items()):
                yield learner, _members(archive, own, path)
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise LabError(f"{path} is not a zip archive that can be read ({error}).") from None


def _members(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], path: Path
) -> Iterator[_File]:
    for member in members:
        name = f"{path}: {member.filename}"
        if problem := _problem_of(member):
            yield _File(name, problem=f"{path} holds {problem}")
        elif _is_notebook(member):
            yield _read(archive, member, name)


def _parts(member: zipfile.ZipInfo) -> tuple[str, ...]:
    return PurePosixPath(member.filename.replace("\\", "/")).parts or ("",)


def _problem_of(member: zipfile.ZipInfo) -> str:
    """Why an archive with this member is refused, "" where it is not."""
    parts = _parts(member)
    if ".." in parts or parts[0].startswith("/") or parts[0].endswith(":"):
        return f"a path that leads out of it ({member.filename!r}): pack the folder again."
    if stat.S_ISLNK(member.external_attr >> 16):
        return f"a link ({member.filename!r}): pack the files themselves."
    if member.flag_bits & 1:
        return f"an encrypted file ({member.filename!r}): pack it without a password."
    return ""


def _is_notebook(member: zipfile.ZipInfo) -> bool:
    parts = _parts(member)
    return parts[-1].lower().endswith(NOTEBOOK) and not any(map(_ignored, parts))


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> _File:
    """One member; never more of it than a notebook may have, whatever its header says."""
    if member.file_size > submissions.MAX_BYTES:
        return _File(name, problem=str(submissions.too_large(name, member.file_size)))
    try:
        with archive.open(member) as stream:
            content = stream.read(submissions.MAX_BYTES + 1)
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, RuntimeError) as error:
        return _File(name, problem=f"{name} could not be unpacked ({error}).")
    except Exception as error:  # zlib's and lzma's own, for damaged data
        return _File(name, problem=f"{name} is damaged ({error}).")
    return _File(name, content)


def _of_learner(learner: str, files: Iterable[_File], unit: str | None) -> Iterator[HandedIn]:
    """One submission for each unit among a learner's files, or one problem."""
    named: dict[str, list[_File]] = {}
    nameless: list[_File] = []
    problems: list[_File] = []
    size = 0
    for file in files:
        size += len(file.content or b"")
        if size > MOST_BYTES:
            problems = [
                _File(
                    learner,
                    problem=f"{learner} handed in notebooks of more than "
                    f"{MOST_BYTES // 2**20} MB together; hand in one, its outputs cleared.",
                )
            ]
            named, nameless = {}, []
            break
        if file.content is None:
            problems.append(file)
            continue
        try:
            own = submissions.named_unit(submissions.document(file.content, file.name))
        except LabError as error:
            problems.append(_File(file.name, problem=str(error)))
            continue
        if own is None:
            nameless.append(file)
        else:
            named.setdefault(own, []).append(file)
    if unit is not None and unit not in named and nameless:
        named[unit] = nameless
    if unit is not None:
        named = {name: files for name, files in named.items() if name == unit}
    for name, found in sorted(named.items()):
        yield _chosen(learner, name, found)
    if not named:
        yield _none_chosen(learner, unit, nameless, problems)


def _chosen(learner: str, unit: str, files: list[_File]) -> HandedIn:
    """The one that counts: the only one, or the one that has a lab's usual name."""
    usual = [f for f in files if f.name.replace(": ", "/").rsplit("/", 1)[-1] == USUAL]
    different = {file.content for file in files}
    for candidates in (files, usual):
        if len(candidates) == 1 or (candidates and len(different) == 1):
            return HandedIn(learner, unit, candidates[0].name, candidates[0].content)
    names = ", ".join(file.name for file in files[:5])
    problem = f"{learner} handed in {len(files)} notebooks for {unit} ({names}); leave one."
    return HandedIn(learner, unit, files[0].name, None, problem)


def _none_chosen(
    learner: str, unit: str | None, nameless: list[_File], problems: list[_File]
) -> HandedIn:
    if problems:
        return HandedIn(learner, unit or "", problems[0].name, None, problems[0].problem)
    if nameless:
        name = nameless[0].name
        problem = f"{name} does not say which unit it belongs to; add --unit NAME."
        return HandedIn(learner, "", name, None, problem)
    wanted = f" for {unit}" if unit else ""
    return HandedIn(learner, unit or "", learner, None, f"{learner} holds no notebook{wanted}.")
