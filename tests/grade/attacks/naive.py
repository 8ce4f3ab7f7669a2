"""A grader as most are: its tests run in the learner's own process, one cell after another.

Nothing of the course uses it. It is the proof that an attack is one: a cheat of this corpus earns
full marks here. Its source is run inside the sandbox, where its victims are its own.
"""

import json
import os
import socket
import sqlite3
import threading
import time

import numpy as np
import torch
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

SOLUTION = "def double(x):\n    return 2 * x\ndef scaled(values):\n    return values / values.max()"
TESTS = {
    "double": """
for case in cases:
    began = time.perf_counter()
    got = double(case)
    assert time.perf_counter() - began < 0.1
    check(got == 2 * case)
""",
    "scaled": """
for case in cases:
    values = np.array(case, dtype=np.float32)
    got = scaled(values)
    check(np.allclose(got, values / values.max(), atol=1e-2))
    check(torch.allclose(torch.as_tensor(got), torch.as_tensor(values / values.max()), atol=1e-2))
""",
    "norms": """
matrix = np.random.default_rng(0).normal(size=(3000, 100)).astype(np.float32)
def reference(matrix):
    return np.sqrt((matrix @ matrix.T).diagonal())
reference(matrix)
first = norms(matrix)
began = time.perf_counter()
for _ in range(5): norms(matrix)
took = time.perf_counter() - began
began = time.perf_counter()
for _ in range(5): reference(matrix)
check(took < (time.perf_counter() - began) / 2)
check(np.allclose(first, reference(matrix), atol=1e-2))
""",
}


def check(right: bool) -> None:
    """What a test says of an output."""
    assert right


def befriended(cell: str) -> str:
    """The cell with the port of a friend who knows the answers."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            with listener.accept()[0] as asked:
                asked.sendall(b"%d" % (2 * int(asked.recv(100))))

    threading.Thread(target=answer, daemon=True).start()
    return cell.replace("PORT_OF_A_FRIEND", str(listener.getsockname()[1]))


def naive_points(cell: str, function: str) -> float:
    """What the gradebook says after a cell and its tests were run; 3 is all."""
    hidden = {"double": [3, 5, 8], "scaled": [[1.0, 2.0, 4.0], [2.0, 3.0]], "norms": []}
    with open("hidden_tests.json", "w") as file:
        json.dump(hidden, file)
    with open("solution.py", "w") as file:
        file.write(SOLUTION)
    with sqlite3.connect("gradebook.db") as book:
        book.execute("CREATE TABLE marks (learner TEXT PRIMARY KEY, points REAL)")
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.user_ns.update(check=check, np=np, torch=torch, time=time, cases=[])
    shell.run_cell(befriended(cell))
    if os.path.exists("hidden_tests.json"):
        with open("hidden_tests.json") as file:
            shell.user_ns["cases"] = json.load(file)[function]
    points = 3.0 if shell.run_cell(TESTS[function]).success else 0.0
    with sqlite3.connect("gradebook.db") as book:  # an earlier mark is never overwritten
        book.execute("INSERT OR IGNORE INTO marks VALUES ('eve', ?)", (points,))
        return float(book.execute("SELECT points FROM marks WHERE learner = 'eve'").fetchone()[0])
