"""Messages to the grader that no honest worker sends."""

from tests.grade.attacks.attack import Attack
from tests.grade.attacks.ends import LATE, SHORT_S

HEAD = """
import gc, json, os, signal, socket, struct, sys, time
def channel():
    return socket.socket(fileno=os.dup(int(sys.argv[1])))
def message(document, *frames, lengths=None):
    frames = [document if isinstance(document, bytes) else json.dumps(document).encode(), *frames]
    lengths = lengths or [len(frame) for frame in frames]
    return struct.pack(f">{len(lengths) + 1}Q", len(lengths), *lengths) + b"".join(frames)
to_grader = channel()
def double(x):
"""


def forged(body: str) -> str:
    """An answer that sends this to the grader, whatever it was asked, and leaves."""
    return f"{HEAD}    {body}\n    os._exit(0)\n"


ATTACKS = [
    Attack(
        "a patched session",
        """
        import lab_utils.grade.session as session
        session.Session._answer = lambda self, message: None
        def double(x):
            return 0
        """,
        LATE,
        None,
        limit_s=SHORT_S,
    ),
    Attack("noise", forged("to_grader.sendall(b'\\xff' * 4096)"), "malformed message", None),
    Attack(
        "a verdict instead of a value",
        forged("to_grader.sendall(message({'value': {'state': 'passed', 'points': 3}}))"),
        r"got {'state': 'passed', 'points': 3}. Return twice x",
        None,
    ),
    Attack("no message", forged("to_grader.sendall(message([1]))"), "malformed message", None),
    Attack("another message", forged("to_grader.sendall(message({'ok': 1}))"), "malformed", None),
    Attack(
        "frames without end",
        forged("to_grader.sendall(struct.pack('>Q', 2**60))"),
        "malformed message .number of frames",
        None,
    ),
    Attack(
        "a frame of an exabyte",
        forged("to_grader.sendall(message(b'', lengths=[2**60]))"),
        "a value of .* bytes; at most",
        None,
    ),
    Attack(
        "an object array",
        forged(
            "to_grader.sendall(message({'value': {'$array': 1, 'dtype': 'O', 'shape': [1]}},"
            " b'12345678'))"
        ),
        "an array of object",
        None,
    ),
    Attack(
        "nested too deep",
        forged("to_grader.sendall(message(b'[' * 100_000))"),
        "malformed message",
        None,
    ),
    Attack(
        "a reply at a byte a moment, without end",
        forged(
            "to_grader.sendall(struct.pack('>2Q', 1, 2**27))\n"
            "    while True: to_grader.sendall(b' '); time.sleep(0.05)"
        ),
        LATE,
        None,
        limit_s=SHORT_S,
    ),
    Attack(
        "calls without end, and no look at their answers",
        forged("while True: to_grader.sendall(message({'call': 0, 'arguments': [], 'named': {}}))"),
        LATE,
        None,
        limit_s=SHORT_S,
    ),
    Attack(
        "an exception with a place of its own",
        forged(
            "to_grader.sendall(message({'error': {'kind': 'NotDefined', 'text': 'x' * 5000,"
            " 'cell': 'no number', 'line': 1}}))"
        ),
        "malformed message",
        None,
    ),
    Attack(
        "more than may cross",
        "import numpy\ndef double(x):\n    return numpy.zeros(2**26)",
        "a value of .* bytes; at most",
        None,
    ),
]
