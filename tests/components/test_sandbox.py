"""What a sandboxed process can see, change and reach."""

import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lab_utils.components.sandbox import PRIVATE_BYTES, Sandbox, refusal
from lab_utils.components.system_calls import ARCHITECTURES
from lab_utils.errors import LabError
from lab_utils.files import ROOT

BARE = Sandbox()
pytestmark = pytest.mark.skipif(bool(refusal()), reason=refusal() or "there is a sandbox")


def run(source: str, sandbox: Sandbox = BARE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        sandbox.command([sys.executable, "-c", source]),
        env=sandbox.environment(os.environ | {"SECRET_TOKEN": "x", "INFERENCE_LAB_KEY": "x"}),
        capture_output=True,
        text=True,
        timeout=60,
    )


def said(source: str, sandbox: Sandbox = BARE) -> str:
    done = run(source, sandbox)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_neither_the_course_sources_nor_a_home_are_there() -> None:
    looked = f"import os; print(*(n for n in os.listdir({str(ROOT)!r}) if n != '.venv'))"
    assert sorted(said(looked).split()) == ["data", "lab_utils"]
    assert said("import os; print(os.path.expanduser('~'), os.listdir('/tmp'))") == "/tmp []"
    assert said("import os; print(os.path.exists('/etc/shadow'))") == "False"


def test_keys_in_the_environment_do_not_pass() -> None:
    assert said("import os; print([n for n in os.environ if 'KEY' in n or 'TOKEN' in n])") == "[]"


def test_nothing_can_be_written_but_the_private_folders_up_to_their_size(tmp_path: Path) -> None:
    for place in (ROOT / "lab_utils", Path(sys.prefix), Path("/usr"), Path("/dev")):
        done = run(f"open({str(place / 'x')!r}, 'w')")
        assert "Read-only file system" in done.stderr
    block = 2**20
    filler = (
        "import errno\n"
        "written = 0\n"
        "try:\n"
        "    for number in range(100):\n"
        "        with open(f'/tmp/{number}', 'wb') as file:\n"
        f"            for _ in range(64): written += file.write(bytes({block}))\n"
        "except OSError as error:\n"
        "    print(error.errno == errno.ENOSPC, written)"
    )
    full, written = said(filler).split()
    assert full == "True"
    assert int(written) <= PRIVATE_BYTES
    own = Sandbox(readable=(tmp_path,), writable=())
    assert "Read-only" in run(f"open({str(tmp_path / 'x')!r}, 'w')", own).stderr
    said(f"open({str(tmp_path / 'x')!r}, 'w').write('x')", Sandbox(writable=(tmp_path,)))
    assert (tmp_path / "x").read_text() == "x"


def test_there_is_no_network_but_an_inherited_socket_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        refused = run(f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)")
        assert "Connection refused" in refused.stderr  # its own loopback, on which nobody listens
        source = (
            "import socket, sys\n"
            f"listener = socket.socket(fileno={listener.fileno()})\n"
            "connection, _ = listener.accept()\n"
            "connection.sendall(b'hello')"
        )
        command = Sandbox().command([sys.executable, "-c", source])
        with subprocess.Popen(command, pass_fds=(listener.fileno(),)) as process:
            with socket.create_connection(("127.0.0.1", port), 20) as client:
                assert client.recv(5) == b"hello"
            assert process.wait(20) == 0


def test_other_processes_are_neither_seen_nor_reached() -> None:
    assert int(said("import os; print(sum(n.isdigit() for n in os.listdir('/proc')))")) <= 2
    assert "ProcessLookupError" in run(f"import os; os.kill({os.getpid()}, 9)").stderr


def test_there_are_no_rights_to_get() -> None:
    status = said("print(open('/proc/self/status').read())")
    held = dict(line.split(":", 1) for line in status.splitlines() if line.startswith("Cap"))
    assert {int(held[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {0}
    assert "NoNewPrivs:\t1" in status


def test_all_ends_with_the_first_process() -> None:
    source = "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(60)\nprint('x')"
    command = Sandbox(first=True).command([sys.executable, "-c", source])
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.stdout == "x\n"  # and the pipe was closed: nobody is left who holds it


KERNEL = (
    "import os\n"
    "for folder, folders, names in os.walk('/proc'):\n"
    "    folders[:] = [n for n in folders if not n.isdigit() and 'self' not in n]\n"
    "    for path in (os.path.join(folder, name) for name in names):\n"
    "        try: os.close(os.open(path, os.O_WRONLY))\n"
    "        except OSError: continue\n"
    "        print(path)"
)


def test_settings_of_the_machine_cannot_be_changed() -> None:
    """By root, who may write them without any capability: a core pattern is a program to run."""
    assert said(KERNEL) in ("", "/proc/mtrr")  # that one asks for a capability when it is written


REFUSED = {
    "a key in the keyring of the session": "c.syscall(ADD_KEY, b'user', b'x', b'left', 4, -3)",
    "shared memory by number": "c.shmget(7, 4096, 0o1666)",
    "a message queue by number": "c.msgget(7, 0o1666)",
    "semaphores by number": "c.semget(7, 1, 0o1666)",
    "a named message queue": "c.mq_open(b'/x', 0o102, 0o666, None)",
    "the priority of process 1": "c.setpriority(0, 1, 19)",
    "the priority of all of this user": "c.setpriority(2, 0, 19)",
    "the cores of process 1": "c.sched_setaffinity(1, 8, b'\\x01' + bytes(7))",
    "a limit of process 1": "c.prlimit(1, 1, (ctypes.c_long * 2)(0, 0), None)",
    "the hypervisor's socket": "c.socket(40, 1, 0)",
    "a namespace of its own": "c.unshare(0x10000000)",
    "a process in a namespace of its own": "c.syscall(CLONE, 0x10000000 | 17, 0, 0, 0, 0)",
    "another table of system calls": "c.syscall(2**30 + 39)",
}


@pytest.mark.skipif(platform.machine() not in ARCHITECTURES, reason="there is no filter for it")
@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_what_reaches_past_the_sandbox_is_refused(call: str) -> None:
    numbers = ARCHITECTURES[platform.machine()].numbers
    source = (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        f"ADD_KEY, CLONE = {numbers['add_key']}, {numbers['clone']}\n"
        f"print({call}, ctypes.get_errno())"
    )
    assert said(source, Sandbox(first=True)) == "-1 1"


def test_ordinary_calls_are_not_refused() -> None:
    source = (
        "import multiprocessing.shared_memory, os, resource, socket, threading\n"
        "print(os.getpid(), len(os.listdir('/proc/self/fd')))\n"
        "socket.socketpair(); socket.socket(); resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "os.sched_setaffinity(0, os.sched_getaffinity(0)); threading.Thread(target=int).start()\n"
        "multiprocessing.shared_memory.SharedMemory('x', True, 99).unlink()"
    )
    assert said(source, Sandbox(first=True)).split() == ["1", "4"]  # the filter itself is closed


def test_a_link_is_no_folder_to_write_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(LabError, match=r"link is a link; expected a folder"):
        Sandbox(writable=(tmp_path / "link",)).command(["true"])
