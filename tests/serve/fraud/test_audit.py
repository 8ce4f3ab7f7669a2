"""Nothing that was answered is lost or doubled, whatever ends the process."""

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from lab_utils.components.small_disk import SmallDisk
from lab_utils.errors import LabError
from lab_utils.serve.fraud.audit import AuditLog
from lab_utils.serve.fraud.audit_file import AuditError, Entry, replayed

WRITER = """
import asyncio, sys
from pathlib import Path
from lab_utils.serve.fraud.audit import AuditLog
from lab_utils.serve.fraud.audit_file import Entry

async def client(log, first):
    for number in range(first, 10**6, 8):
        await log.record(Entry(number, "asked", f"answer {number}"))
        print(number, flush=True)

async def main():
    async with AuditLog(Path(sys.argv[1])) as log:
        await asyncio.gather(*(client(log, first) for first in range(8)))

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.sqlite"


def entry(number: int, said: str = "approve") -> Entry:
    return Entry(number, f'{{"transaction_id": {number}}}', said)


def test_what_is_recorded_is_replayed_in_order(path: Path) -> None:
    async def main() -> None:
        async with AuditLog(path) as log:
            for number in (3, 1, 2):
                assert await log.record(entry(number)) == entry(number)

    asyncio.run(main())
    assert list(replayed(path)) == [entry(3), entry(1), entry(2)]


def test_the_first_answer_counts_for_everybody_who_asks(path: Path) -> None:
    async def main() -> list[Entry]:
        async with AuditLog(path) as log:
            said = (log.record(entry(7, word)) for word in ("approve", "decline", "review"))
            return await asyncio.gather(*said)

    assert asyncio.run(main()) == 3 * [entry(7, "approve")]
    assert list(replayed(path)) == [entry(7, "approve")]


def test_it_is_remembered_by_the_next_process(path: Path) -> None:
    async def once(said: str) -> Entry:
        async with AuditLog(path) as log:
            return await log.record(entry(7, said))

    assert asyncio.run(once("approve")) == asyncio.run(once("decline")) == entry(7, "approve")


def test_those_who_wait_together_share_a_commit(path: Path) -> None:
    async def main() -> int:
        async with AuditLog(path) as log:
            await asyncio.gather(*(log.record(entry(number)) for number in range(300)))
            return log.commits

    assert asyncio.run(main()) < 100
    assert sum(1 for _ in replayed(path)) == 300


def test_a_killed_process_has_lost_nothing_that_it_answered(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        answered = [int(process.stdout.readline()) for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        # The last line may have been cut.
        answered += [int(line) for line in process.stdout.readlines() if line.endswith("\n")]
    found = [one.transaction_id for one in replayed(path)]
    assert set(answered) <= set(found)
    assert len(found) == len(set(found))
    assert all(one.answered == f"answer {one.transaction_id}" for one in replayed(path))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process: Linux")
def test_a_full_disk_is_an_error_for_each_and_the_log_goes_on_when_there_is_room(
    path: Path,
) -> None:
    """As on a disk with no more room for the writer, whose limit this is."""
    big = "x" * 400_000

    async def main() -> None:
        async with AuditLog(path) as log:
            await log.record(entry(1))
            writer = log._process.pid
            was = resource.prlimit(writer, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
            said = (log.record(Entry(number, big, "approve")) for number in (2, 3))
            for outcome in await asyncio.gather(*said, return_exceptions=True):
                assert isinstance(outcome, AuditError)
                assert "No answer is sent unrecorded" in str(outcome)
            resource.prlimit(writer, resource.RLIMIT_FSIZE, was)
            await log.record(entry(4))

    asyncio.run(main())
    assert list(replayed(path)) == [entry(1), entry(4)]


def test_a_caller_who_gives_up_leaves_the_entry(path: Path) -> None:
    async def main() -> None:
        async with AuditLog(path) as log:
            waiting = asyncio.create_task(log.record(entry(1)))
            await asyncio.sleep(0)
            waiting.cancel()
            assert await log.record(entry(1, "decline")) == entry(1)

    asyncio.run(main())


def test_what_is_no_log_is_refused(path: Path, tmp_path: Path) -> None:
    async def opened(path: Path) -> None:
        async with AuditLog(path):
            pass

    path.write_bytes(b"something else entirely, and long enough to have a header" * 20)
    with pytest.raises(LabError, match="is no audit log"):
        asyncio.run(opened(path))
    with pytest.raises(LabError, match="cannot be read as an audit log"):
        list(replayed(tmp_path / "missing.sqlite"))
    with pytest.raises(AuditError, match="cannot be written"):
        asyncio.run(opened(tmp_path / "no such folder" / "audit.sqlite"))


def test_a_closed_log_takes_nothing_and_has_written_what_waited(path: Path) -> None:
    async def main() -> None:
        async with AuditLog(path) as log:
            waiting = [asyncio.ensure_future(log.record(entry(number))) for number in range(5)]
            await asyncio.sleep(0)
        assert [one.result() for one in waiting] == [entry(number) for number in range(5)]
        with pytest.raises(AuditError, match="is closed"):
            await log.record(entry(6))

    asyncio.run(main())
    assert list(replayed(path)) == [entry(number) for number in range(5)]


@pytest.mark.skipif(not SmallDisk.possible(), reason="only root may mount a small disk")
@pytest.mark.parametrize("reserve_mb", [0, 1])
def test_with_a_reserve_a_full_disk_stops_nobody(reserve_mb: int) -> None:
    async def main(disk: SmallDisk) -> int:
        path = disk.folder / "audit.sqlite"
        answered = 0
        async with AuditLog(path, reserve_bytes=reserve_mb * 2**20) as log:
            await log.record(entry(0))
            assert log.reserve_left == bool(reserve_mb)
            disk.fill()
            for number in range(1, 40):
                try:
                    await log.record(entry(number))
                except AuditError:
                    break
                answered += 1
            assert not log.reserve_left
            disk.clear()
            await log.record(entry(100))
        assert len(list(replayed(path))) == answered + 2
        async with AuditLog(path, reserve_bytes=reserve_mb * 2**20) as log:
            assert log.reserve_left == bool(reserve_mb)  # made again
        return answered

    with SmallDisk(4) as disk:
        answered = asyncio.run(main(disk))
    assert answered == 39 if reserve_mb else answered < 39


def test_its_writer_is_small_and_ends_with_it(path: Path) -> None:
    """What it holds is what its end takes, and as long nobody else can write."""

    async def main() -> psutil.Process:
        async with AuditLog(path) as log:
            writer = psutil.Process(log._process.pid)
            assert writer.memory_info().rss < 40e6
            writer.send_signal(signal.SIGINT)
            writer.send_signal(signal.SIGTERM)  # not its business: its gateway may have more
            assert await log.record(entry(1)) == entry(1)
        return writer

    assert not asyncio.run(main()).is_running()


def test_a_writer_that_was_killed_is_followed_by_another(path: Path) -> None:
    async def main() -> None:
        async with AuditLog(path) as log:
            await log.record(entry(1))
            log._process.kill()
            log._process.wait()
            said = (log.record(entry(number)) for number in (2, 3))
            assert await asyncio.gather(*said) == [entry(2), entry(3)]

    asyncio.run(main())
    assert list(replayed(path)) == [entry(1), entry(2), entry(3)]


def test_a_writer_that_cannot_be_followed_is_an_error_for_each(tmp_path: Path) -> None:
    folder, away = tmp_path / "here", tmp_path / "away"
    folder.mkdir()

    async def main() -> None:
        async with AuditLog(folder / "audit.sqlite") as log:
            await log.record(entry(1))
            log._process.kill()
            log._process.wait()
            folder.rename(away)
            said = (log.record(entry(number)) for number in (2, 3))
            for outcome in await asyncio.gather(*said, return_exceptions=True):
                assert isinstance(outcome, AuditError)
                assert "cannot be written" in str(outcome)
            away.rename(folder)
            assert await log.record(entry(4)) == entry(4)

    asyncio.run(main())
    assert list(replayed(folder / "audit.sqlite")) == [entry(1), entry(4)]


def test_a_writer_that_is_killed_at_its_work_leaves_nobody_waiting(path: Path) -> None:
    async def main() -> None:
        async with AuditLog(path) as log:
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                writing = asyncio.ensure_future(log.record(entry(1)))
                await asyncio.sleep(0.1)
                log._process.kill()
                with pytest.raises(AuditError, match=r"has ended\. No answer is sent"):
                    await writing
                other.execute("ROLLBACK")
                assert await log.record(entry(1)) == entry(1)

    asyncio.run(main())
    assert list(replayed(path)) == [entry(1)]


def test_a_writer_ends_with_a_gateway_that_was_killed(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        [writer] = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs([writer], timeout=10)
    assert not writer.is_running()
