"""Runs one command, and ends it and all its children when the starter goes away.

Not imported: `components.process` runs this file with the plain interpreter, so it costs a few
milliseconds and needs only the standard library. Standard input is a pipe that nobody writes to;
it ends when the starter closes it or dies, by whatever cause (a killed kernel included). The
command runs in a process group of its own, so that its workers end with it.

    python supervisor.py GRACE_S COMMAND [ARGUMENT …]
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

POLL_S = 0.05
PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the command until it ends or the starter does; gives the exit status."""
    grace_s = float(sys.argv[1])
    starter = os.getppid()
    adopt_orphans()
    # The starter alone decides when to stop: Ctrl-C in a terminal reaches it too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    child = subprocess.Popen(
        sys.argv[2:],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        close_fds=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        while child.poll() is None:
            readable, _, _ = select.select([0], [], [], POLL_S)
            # A fork of the starter may hold the pipe open after its death: hence the second test.
            if (readable and not os.read(0, 1)) or os.getppid() != starter:
                return 0
        return child.returncode
    finally:
        end(child, grace_s)
        end_strays()


def end(child: "subprocess.Popen[bytes]", grace_s: float) -> None:
    """Ask the whole group to stop, then make it."""
    deadline = time.monotonic() + grace_s
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, signum)
        except ProcessLookupError:
            return
        while time.monotonic() < deadline:
            child.poll()
            if not alive(child.pid):
                break
            time.sleep(0.01)


def end_strays() -> None:
    """Kill what has left the group, by a session of its own: orphans become this process's."""
    while True:
        reap()
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                strays = file.read().split()
        except OSError:  # not Linux
            return
        if not strays:
            return
        for pid in strays:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)


def alive(group: int) -> bool:
    """Whether any process of the group is left."""
    reap()
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose own parent ends first (Linux only).

    Elsewhere process 1 takes them; where that one does not reap, as in many containers, they
    would stay in the group as zombies and look alive.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap() -> None:
    """Take note of every child that has ended, so that none stays a zombie."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    sys.exit(main())
