import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from lab_utils.cli import app

# A shell ignores Ctrl-C in what a script starts in the background, and every process beneath it
# would inherit that; tests that send it need it heard.
signal.signal(signal.SIGINT, signal.default_int_handler)

Lab = Callable[..., "subprocess.CompletedProcess[str]"]


FIRST = "tests/test_instructors.py"
"""The module that takes longest: begun last, one process would wait minutes for the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


@pytest.fixture
def lab_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lab:
    """`./lab` with these arguments, in this process, where its imports have been paid for.

    `tests.started.lab` starts it as a person does.
    """

    def lab(*arguments: object) -> "subprocess.CompletedProcess[str]":
        command = ["./lab", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app.main()  # it ends with an exit status, whatever becomes of the verb
        said = capsys.readouterr()
        return subprocess.CompletedProcess(command, int(ended.value.code or 0), said.out, said.err)

    return lab
