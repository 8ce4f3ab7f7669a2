"""Those who take all there is. They are graded by workers with a small share."""

from lab_utils.components.watch import Share
from tests.grade.attacks.attack import Attack

SHARE = Share(processes=40, memory_bytes=3 * 2**28, written_bytes=2**26)

ATTACKS = [
    Attack(
        "fork bomb",
        "import os\ndef double(x):\n    while True: os.fork()",
        "started more than 40 processes",
        None,
    ),
    Attack(
        "memory bomb",
        "def double(x):\n    kept = []\n    while True: kept.append(b'x' * 2**24)",
        "took more than 0.75 GiB of memory",
        None,
    ),
    Attack(
        "memory bomb in many processes",
        """
        import os, time
        def double(x):
            for _ in range(5):
                if os.fork() == 0:
                    kept = b"x" * 2**28
                    time.sleep(60)
            time.sleep(60)
        """,
        "took more than 0.75 GiB of memory",
        None,
    ),
    Attack(
        "disk filler",
        """
        def double(x):
            with open("big", "wb") as file:
                while True: file.write(bytes(2**24))
        """,
        "OSError: .*(No space left|File too large)",
        None,
    ),
]
