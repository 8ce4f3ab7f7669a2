"""English text that every Python carries: the language reference and the library's own words.

`pydoc_data.topics` holds chapters of the Python Language Reference, and the standard library's
modules, classes and functions describe themselves. About two million characters of plain technical
English under the Python Software Foundation's licence. Another version of Python has other words,
so what a model was judged on is kept beside it (`data/language`).
"""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from pydoc_data import topics

SHORTEST = 60
"""Characters; below that a description is mostly the name of what it describes."""
LEFT_OUT = {"site-packages", "test", "tests", "idlelib", "lib2to3", "pydoc_data", "__phello__"}
HELD_OUT_OF_256 = 13
"""Of 256 documents so many, about five per cent, are never trained on."""
_HOLDERS = (ast.stmt, ast.excepthandler, ast.match_case)


def documents() -> list[str]:
    """All of them, in an order that does not depend on the machine; no two alike."""
    texts = [text for _, text in sorted(topics.topics.items())]
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if not LEFT_OUT & set(path.relative_to(library).parts):
            texts += _descriptions(path)
    return list(dict.fromkeys(text.strip() for text in texts))


def split(texts: list[str]) -> tuple[list[str], list[str]]:
    """Those to train on, and those held out. A document's side depends on its own text alone."""
    held_out = [hashlib.sha256(text.encode()).digest()[0] < HELD_OUT_OF_256 for text in texts]
    pairs = list(zip(texts, held_out, strict=True))
    return [text for text, out in pairs if not out], [text for text, out in pairs if out]


def _descriptions(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):  # some files are broken on purpose
        return
    for node in _blocks(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text and len(text) >= SHORTEST:
                yield text


def _blocks(tree: ast.Module) -> Iterator[ast.AST]:
    """What may hold a definition, in the order of `ast.walk`, which also visits all expressions."""
    found: list[ast.AST] = [tree]
    for node in found:  # it grows
        yield node
        found += (child for child in ast.iter_child_nodes(node) if isinstance(child, _HOLDERS))
