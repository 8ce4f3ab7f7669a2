"""Endings, and no endings: the grader goes on, and says what happened."""

from tests.grade.attacks.attack import Attack

ENDED = "ended before it answered"
SHORT_S = 1.5
LATE = f"ended after {SHORT_S:g} s"

ATTACKS = [
    Attack("sys.exit", "import sys\ndef double(x):\n    sys.exit(0)", ENDED, None),
    Attack("os._exit", "import os\ndef double(x):\n    os._exit(0)", ENDED, "stopped"),
    Attack("os._exit while loading", "import os\nos._exit(0)", ENDED, "stopped"),
    Attack(
        "a crash",
        "import ctypes\ndef double(x):\n    ctypes.string_at(0)",
        ENDED,
        "stopped",
    ),
    Attack(
        "an endless loop", "def double(x):\n    while True: pass", LATE, "stopped", limit_s=SHORT_S
    ),
    Attack("an endless loop while loading", "while True: pass", LATE, "stopped", limit_s=SHORT_S),
    Attack(
        "a loop that ignores signals, and its children in sessions of their own",
        """
        import os, signal
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        def double(x):
            for new_session in (False, True):
                if os.fork() == 0:
                    if new_session:
                        os.setsid()
                        if os.fork(): os._exit(0)
                    break
            while True:
                pass
        """,
        LATE,
        "stopped",
        limit_s=SHORT_S,
    ),
    Attack(
        "stops itself with its last reply",
        """
        import os, signal, threading
        def double(x):
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGSTOP)).start()
            return 2 * x if x % 3 else __import__("time").sleep(60)
        """,
        LATE,
        "stopped",
        limit_s=SHORT_S,
    ),
    Attack("recurses", "def double(x):\n    return double(x)", "RecursionError", None),
    Attack(
        "an exception that cannot be printed",
        """
        class Rude(Exception):
            def __str__(self): raise self
        def double(x):
            raise Rude
        """,
        ENDED,
        None,
    ),
]
