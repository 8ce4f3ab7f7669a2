"""The process that writes a gateway's audit log: a few megabytes, so that it is gone at once when
it is killed, and with it its turn to write.

Started by `AuditLog` with the file, the reserve's bytes and a socket. It hears entries and says
what `AuditFile.record` returns, or what kept it from writing. It ends when it hears nothing any
more, and not before: signals are for its gateway, which may have answers to write until its end.
"""

from __future__ import annotations

import signal
import sys
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.serve.fraud.audit_file import AuditError, AuditFile


def write(line: Connection, path: Path, reserve_bytes: int) -> None:
    """Until the line is closed."""
    try:
        file = AuditFile(path, reserve_bytes=reserve_bytes)
    except LabError as error:
        line.send(error)
        return
    with closing(file):
        line.send([])
        while True:
            entries = line.recv()
            try:
                earlier = file.record(entries)
            except AuditError as error:
                line.send(error)
            else:
                line.send(earlier)


def main(path: str, reserve_bytes: str, line: str) -> None:
    """The process."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    with Connection(int(line)) as connection:
        try:
            write(connection, Path(path), int(reserve_bytes))
        except (EOFError, ConnectionError):
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
