"""The process that writes a gateway's audit log: a few megabytes, so that it is gone at once when
it is killed, and with it its turn to write.

Started by `AuditLog` with the file, the reserve's bytes and a socket. It hears pickled entries, and
says what `AuditFile.record` returns, or what kept it from writing, after the number of its bytes.
It ends when it hears nothing any more, and not before: signals are for its gateway, which may have
answers to write until its end.
"""

from __future__ import annotations

import pickle
import signal
import socket
import struct
import sys
from contextlib import closing
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.serve.fraud.audit_file import AuditError, AuditFile

LENGTH = struct.Struct(">I")


def write(line: socket.socket, path: Path, reserve_bytes: int) -> None:
    """Until the line is closed."""

    def say(what: object) -> None:
        said = pickle.dumps(what)
        line.sendall(LENGTH.pack(len(said)) + said)

    try:
        file = AuditFile(path, reserve_bytes=reserve_bytes)
    except LabError as error:
        say(error)
        return
    with closing(file), line.makefile("rb") as heard:
        say([])
        while True:
            entries = pickle.load(heard)
            try:
                say(file.record(entries))
            except AuditError as error:
                say(error)


def main(path: str, reserve_bytes: str, line: str) -> None:
    """The process."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    with socket.socket(fileno=int(line)) as connection:
        try:
            write(connection, Path(path), int(reserve_bytes))
        except (EOFError, pickle.UnpicklingError, ConnectionError):
            return  # in the middle of a sentence, too


if __name__ == "__main__":
    main(*sys.argv[1:])
