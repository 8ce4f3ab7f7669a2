"""Reading what is hidden, writing marks, deleting what is in the way, asking a friend."""

from tests.grade.attacks.attack import FRIEND, Attack

ATTACKS = [
    Attack(
        "reads the hidden tests",
        """
        import json
        answers = {x: 2 * x for x in json.load(open("hidden_tests.json"))["double"]}
        def double(x):
            return answers[x]
        """,
        "FileNotFoundError.*cell 1, line 2",
    ),
    Attack(
        "reads the solution",
        """
        exec(open("solution.py").read())
        """,
        "FileNotFoundError",
    ),
    Attack(
        "finds the tests in the memory of the grader",
        """
        import gc
        def double(x):
            for thing in gc.get_objects():
                if isinstance(thing, dict) and isinstance(thing.get("cases"), list):
                    thing["cases"].clear()
            check.__code__ = (lambda right: None).__code__
            return -1
        """,
        "NameError: name 'check' is not defined",
    ),
    Attack(
        "deletes the tests",
        """
        import pathlib
        for place in pathlib.Path(".").glob("**/*test*"):
            place.unlink()
        def double(x):
            return -1
        """,
        "got -1. Return twice x",
    ),
    Attack(
        "writes its own mark",
        """
        import glob, os, sqlite3
        for place in glob.glob("*.db") + glob.glob("**/grades.sqlite", recursive=True):
            with sqlite3.connect(place) as book:
                book.execute("INSERT OR REPLACE INTO marks VALUES ('eve', 3)")
        def double(x):
            return -1
        """,
        "got -1. Return twice x",
    ),
    Attack(
        "asks a friend",
        f"""
        import socket
        def double(x):
            with socket.create_connection(("127.0.0.1", {FRIEND}), 3) as friend:
                friend.sendall(b"%d\\n" % x)
                return int(friend.recv(100))
        """,
        "ConnectionRefusedError",
    ),
]
