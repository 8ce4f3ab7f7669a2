import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab_utils.components.fork_server import Launch
from lab_utils.components.forked import ForkedProcess, ForkServer, fork
from lab_utils.errors import LabError
from tests.started import GONE_WITHIN_S, assert_gone

PROBE = """
import json, os, sys
import numpy, torch, threadpoolctl
print(json.dumps({
    "argv": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ),
    "session": os.getsid(0) == os.getpid(), "path": sys.path[0],
    "torch": torch.get_num_threads(),
    "pools": [pool["num_threads"] for pool in threadpoolctl.threadpool_info()],
    "drawn": [numpy.random.rand(), torch.rand(1).item()],
    "descriptors": [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
                    if os.path.exists(f"/proc/self/fd/{n}")],
}))
"""
SERVER = [sys.executable, "-m", "lab_utils.components.fork_server"]
SLEEP = "import subprocess, time\nsubprocess.Popen(['sleep', '600'])\ntime.sleep(600)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    modules = ["numpy", "torch", "threadpoolctl"]
    with ForkServer(tmp_path_factory.mktemp("server"), modules) as started:
        started.wait_until_ready()
        yield started


def launch(
    server: ForkServer, folder: Path, source: str, threads: int | None = None
) -> tuple[ForkedProcess, Path]:
    (folder / "probe.py").write_text(source)
    output = folder / "output"
    environment = {"PATH": os.environ["PATH"], "PROBE": "yes"}
    described = Launch("probe", ["a", "b c"], environment, str(folder), threads, str(output))
    return fork(server.address, described), output


def probe(server: ForkServer, folder: Path, threads: int | None = None) -> Any:
    process, output = launch(server, folder, PROBE, threads)
    assert process.wait(60) == 0, output.read_text()
    return json.loads(output.read_text().splitlines()[-1])


def test_a_child_is_what_its_launch_describes(server: ForkServer, tmp_path: Path) -> None:
    said = probe(server, tmp_path, threads=2)
    assert said["argv"] == ["a", "b c"]
    assert said["cwd"] == said["path"] == str(tmp_path)
    assert said["environment"].keys() - {"LC_CTYPE"} == {"PATH", "PROBE"}
    assert said["session"]
    assert said["torch"] == 2
    assert set(said["pools"]) == {2}


def test_a_child_holds_none_of_the_servers_sockets(server: ForkServer, tmp_path: Path) -> None:
    other, _ = launch(server, tmp_path, SLEEP)
    said = probe(server, tmp_path)
    other.kill()
    assert [d for d in said["descriptors"] if d.startswith(("socket:", "pipe:"))] == []


def test_two_children_draw_different_numbers(server: ForkServer, tmp_path: Path) -> None:
    first, second = probe(server, tmp_path)["drawn"], probe(server, tmp_path)["drawn"]
    assert first[0] != second[0]
    assert first[1] != second[1]


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("import sys; sys.exit(3)", 3),
        ("1 / 0", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV),
        ("import atexit, os; atexit.register(os._exit, 9)", 9),
    ],
)
def test_the_exit_status_comes_back(
    server: ForkServer, tmp_path: Path, source: str, status: int
) -> None:
    process, _ = launch(server, tmp_path, source)
    assert process.wait(60) == status


def test_waiting_has_a_limit(server: ForkServer, tmp_path: Path) -> None:
    process, _ = launch(server, tmp_path, SLEEP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.1)
    process.kill()
    assert process.wait(GONE_WITHIN_S) == -signal.SIGKILL


def test_a_child_and_its_own_child_end_with_its_client(server: ForkServer, tmp_path: Path) -> None:
    process, _ = launch(server, tmp_path, SLEEP)
    while not (children := psutil.Process(process.pid).children()):
        time.sleep(0.02)
    process._connection.close()  # as when the worker that asked for it is killed
    assert_gone([process.pid, children[0].pid])


@pytest.mark.parametrize("how", ["leaves", "is killed"])
def test_children_end_with_the_server(tmp_path: Path, how: str) -> None:
    address = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        server = subprocess.Popen(
            [*SERVER, str(listener.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )
    assert server.stdin is not None
    assert server.stdout is not None
    assert json.loads(server.stdout.readline()) == {"ready": True}
    described = Launch("timeit", [], dict(os.environ), str(tmp_path), None, os.devnull)
    process = fork(address, described)
    if how == "leaves":
        server.stdin.close()
        assert server.wait(GONE_WITHIN_S) == 0
    else:
        server.kill()
        server.wait()
    assert_gone([process.pid])
    assert process.poll() == -signal.SIGKILL
    server.stdout.close()


def test_a_server_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    described = Launch("probe", [], {}, str(tmp_path), None, "/dev/null")
    with pytest.raises(LabError, match=r"did not answer .*; run again\."):
        fork(str(tmp_path / "nothing.sock"), described)


def test_an_import_that_starts_a_thread_is_refused(tmp_path: Path) -> None:
    (tmp_path / "starter.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    said = subprocess.run(
        [*SERVER, "0", "no_such_module", "starter"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert "started 1 threads" in json.loads(said.stdout)["refused"]
    assert "no_such_module was not imported" in said.stderr


def test_a_child_gets_the_descriptors_that_are_sent_along(
    server: ForkServer, tmp_path: Path
) -> None:
    source = "import os, sys\nos.write(int(sys.argv[1]), b'said')"
    (tmp_path / "writes.py").write_text(source)
    read_end, write_end = os.pipe()
    environment = dict(os.environ) | {"PADDING": "x" * 300_000}  # more than one reading of a socket
    described = Launch("writes", [], environment, str(tmp_path), None, os.devnull)
    process = fork(server.address, described, [write_end])
    os.close(write_end)
    assert process.wait(60) == 0
    assert os.read(read_end, 10) == b"said"
    assert os.read(read_end, 10) == b""  # the server keeps no copy
    os.close(read_end)


def test_what_a_child_leaves_behind_stays_with_a_server_that_adopts(tmp_path: Path) -> None:
    source = (
        "import subprocess, sys\n"
        "left = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "open(sys.argv[1], 'w').write(str(left.pid))\n"
    )
    (tmp_path / "leaves.py").write_text(source)
    said = tmp_path / "pid"
    with ForkServer(tmp_path, [], adopt=True) as server:
        server.wait_until_ready()
        described = Launch("leaves", [str(said)], dict(os.environ), str(tmp_path), None, os.devnull)
        assert fork(server.address, described).wait(60) == 0
        left = int(said.read_text())
        assert server.pid is not None
        assert left in {p.pid for p in psutil.Process(server.pid).children()}
    assert_gone([left])
