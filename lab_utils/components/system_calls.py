"""System calls that nothing in a sandbox may make, as the filter that bubblewrap installs.

    bwrap --seccomp 9 … 9< system_calls.filter_file()

A sandbox has its own files, processes and network, but some of what the kernel keeps belongs to
none of these: keyrings, shared memory and queues by number (left there, they would be found by the
next answer), the hypervisor's sockets, namespaces within this one, and the priority, cores and
limits of process 1, from which the next answer is forked. These calls fail with "operation not
permitted", and so does every call of another architecture than this machine's own.

The filter is a classic BPF program over `struct seccomp_data`, seccomp(2); the numbers are those of
the kernel's system call tables.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_utils.files import cache_folder, write_bytes

NEVER = ("add_key", "request_key", "keyctl", "shmget", "semget", "msgget", "mq_open", "bpf",
         "perf_event_open", "userfaultfd", "io_uring_setup", "ioprio_set",
         "setpriority", "unshare", "setns")  # fmt: skip
ON_PROCESS_1 = ("prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam",
                "sched_setattr")  # fmt: skip
"""With 1 as their first argument."""
SOCKETS = (1, 2, 10, 16)
"""The families that there are: Unix, IPv4, IPv6, netlink."""
COMMON = {"io_uring_setup": 425, "clone3": 435}
NEW_USER = 0x10000000
"""The flag that asks for a namespace in which one has all rights, and may mount what one likes."""


@dataclass(frozen=True)
class Architecture:
    """audit: its number in `seccomp_data`. beyond: the first call number of a second table."""

    audit: int
    numbers: Mapping[str, int]
    beyond: int = 2**30


ARCHITECTURES = {
    "x86_64": Architecture(
        0xC000003E,
        {"add_key": 248, "request_key": 249, "keyctl": 250, "shmget": 29, "semget": 64,
         "msgget": 68, "mq_open": 240, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
         "ioprio_set": 251, "setpriority": 141, "prlimit64": 302, "sched_setaffinity": 203,
         "sched_setscheduler": 144, "sched_setparam": 142, "sched_setattr": 314, "socket": 41,
         "unshare": 272, "setns": 308, "clone": 56},
    ),
    "aarch64": Architecture(
        0xC00000B7,
        {"add_key": 217, "request_key": 218, "keyctl": 219, "shmget": 194, "semget": 190,
         "msgget": 186, "mq_open": 180, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282,
         "ioprio_set": 30, "setpriority": 140, "prlimit64": 261, "sched_setaffinity": 122,
         "sched_setscheduler": 119, "sched_setparam": 118, "sched_setattr": 274, "socket": 198,
         "unshare": 97, "setns": 268, "clone": 220},
    ),
}  # fmt: skip

LOAD, EQUALS, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
"""Offsets in `struct seccomp_data`; of an argument its lower half, little-endian."""
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
NOT_THERE = 0x00050000 | errno.ENOSYS
"""For clone3, whose flags no filter can read: libraries use clone then."""


def filter_file() -> Path | None:
    """The filter for this machine, as a file; None for an architecture without a table here."""
    machine = ARCHITECTURES.get(platform.machine())
    if machine is None:
        return None
    content = program(machine)
    path = cache_folder() / f"system-calls-{platform.machine()}.bpf"
    if not path.exists() or path.read_bytes() != content:
        write_bytes(path, content)
    return path


def program(machine: Architecture) -> bytes:
    """The filter's instructions, 8 bytes each."""
    numbers = {**machine.numbers, **COMMON}
    code = [(LOAD, 0, 0, ARCHITECTURE_AT), (EQUALS, 1, 0, machine.audit), (RETURN, 0, 0, REFUSE)]
    code += [(LOAD, 0, 0, NUMBER_AT), (AT_LEAST, 0, 1, machine.beyond), (RETURN, 0, 0, REFUSE)]
    for name in NEVER:
        code += [(EQUALS, 0, 1, numbers[name]), (RETURN, 0, 0, REFUSE)]
    for name in ON_PROCESS_1:
        code += _on_first_argument(numbers[name], [1], REFUSE, ALLOW)
    code += _on_first_argument(numbers["socket"], SOCKETS, ALLOW, REFUSE)
    code += [(EQUALS, 0, 1, numbers["clone3"]), (RETURN, 0, 0, NOT_THERE)]
    code += [(EQUALS, 0, 3, numbers["clone"]), (LOAD, 0, 0, FIRST_ARGUMENT_AT)]
    code += [(ANY_BIT, 0, 1, NEW_USER), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


Instruction = tuple[int, int, int, int]


def _on_first_argument(
    number: int, arguments: Sequence[int], then: int, otherwise: int
) -> list[Instruction]:
    """For one call: what follows where its first argument is one of these, and where not."""
    tests = [(EQUALS, len(arguments) - i, 0, a) for i, a in enumerate(arguments)]
    block = [(LOAD, 0, 0, FIRST_ARGUMENT_AT), *tests]
    block += [(RETURN, 0, 0, otherwise), (RETURN, 0, 0, then)]
    return [(EQUALS, 0, len(block), number), *block]
