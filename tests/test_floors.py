"""A module of lab_utils imports only from its own folder and from floors beneath it."""

import ast
from pathlib import Path

import lab_utils

PACKAGE = Path(lab_utils.__file__).parent
FLOORS = {
    "cli": 8,  # the verbs call the folders beneath
    "bench": 7,  # it measures the grader and the runner, too
    "course": 6,
    "grade": 6,
    "serve": 5,
    "simulate": 5,
    "resilience": 4,  # a gateway of serve is built of it
    "optimize": 4,  # it converts models and runs them as components do
    "features": 4,  # of payments, kept in stores that are components
    "models": 3,
    "components": 3,
    "show": 3,  # it draws what measure and machine give
    "machine": 2,  # its ceilings are intervals of measure
    "cost": 2,
    "measure": 1,
}


def floor(module: str) -> int:
    parts = module.split(".")
    return FLOORS.get(parts[1], 0) if len(parts) > 1 else 0


def imports(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in names if name.startswith("lab_utils")]


def test_floors_hold() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(("lab_utils", *path.relative_to(PACKAGE).with_suffix("").parts))
        here = floor(module)
        for name in imports(path):
            same_folder = name.split(".")[1:2] == module.split(".")[1:2]
            if not same_folder and floor(name) >= max(here, 1):
                wrong.append(f"{module} (floor {here}) imports {name} (floor {floor(name)})")
    assert wrong == []


def test_every_folder_has_a_floor() -> None:
    folders = {p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders <= set(FLOORS)
