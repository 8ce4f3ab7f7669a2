"""A forked kernel: `ipykernel_launcher`, after what imports would have read from its environment.

python -m lab_utils.course.run.kernel -f CONNECTION_FILE
"""

from __future__ import annotations

import os
import runpy
import sys

import matplotlib

LAUNCHER = "ipykernel_launcher"
INLINE_BACKEND = "module://matplotlib_inline.backend_inline"


def main() -> None:
    """Go on as the kernel."""
    # A kernel names this backend in a variable that matplotlib reads when imported.
    matplotlib.rcParams["backend"] = os.environ.setdefault("MPLBACKEND", INLINE_BACKEND)
    # Likewise; this also starts the thread with which a plain kernel watches its parent.
    sys.argv.append(f"--IPKernelApp.parent_handle={os.getppid()}")
    # The launcher takes the folder off the path and leaves it to IPython to put it back, which does
    # not where Python was started with -P, as the fork server is.
    sys.path.insert(0, os.getcwd())
    runpy.run_module(LAUNCHER, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
