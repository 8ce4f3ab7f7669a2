"""The reader against a real recording (nsight_rows.sql says how it was made).

The runner is tested on programs that behave as nsys does, and on the real one where there is one.
"""

import sqlite3
import sys
from pathlib import Path

import pytest

from lab_utils.components.catalogue import program
from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.measure.profile import nsight

SCHEMA = ROOT / "data" / "nsight_request.sql"
ROWS = Path(__file__).with_name("nsight_rows.sql")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "recording.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(SCHEMA.read_text())
        for table in ("NVTX_EVENTS", "OSRT_API", "StringIds"):
            database.execute(f"DELETE FROM {table}")
        database.executescript(ROWS.read_text())
    database.close()
    return path


def test_it_names_the_wait_that_no_sampler_shows(export: Path) -> None:
    profile = nsight.read(export)
    assert profile.tool == "Nsight Systems 2022.4.2.1"
    assert profile.top(1)[0].name == "clock_nanosleep (operating system)"
    rows = {row.name: row for row in profile.rows}
    assert rows["compute"].total_s == pytest.approx(4 * 0.03, rel=0.02)
    assert rows["decode"].total_s == pytest.approx(4 * 0.005, rel=0.02)
    assert rows["lookup"].total_s == pytest.approx(4 * 0.06, rel=0.05)
    assert rows["lookup"].self_s < 0.01
    assert {rows[name].calls for name in ("request", "decode", "compute", "lookup")} == {4}


def test_ranges_account_for_themselves_and_nothing_twice(export: Path) -> None:
    profile = nsight.read(export)
    request = next(row for row in profile.rows if row.name == "request")
    assert profile.total_s == pytest.approx(request.total_s)
    assert profile.share_of("lookup") == pytest.approx(0.63, abs=0.01)
    assert ("request", "lookup", "clock_nanosleep (operating system)") in profile.stacks
    assert 0.9 < profile.seen <= 1


def test_without_ranges_the_calls_remain(export: Path) -> None:
    with sqlite3.connect(export) as database:
        database.execute("DROP TABLE NVTX_EVENTS")
    database.close()
    assert all("(operating system)" in row.name for row in nsight.read(export).rows)


def test_gpu_kernels_are_rows(export: Path) -> None:
    """Columns as in the tool's documented schema (exporter, CUPTI_ACTIVITY_KIND_KERNEL)."""
    with sqlite3.connect(export) as database:
        database.executescript("""
            CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (
                start INTEGER NOT NULL, end INTEGER NOT NULL, deviceId INTEGER NOT NULL,
                contextId INTEGER NOT NULL, streamId INTEGER NOT NULL, correlationId INTEGER,
                globalPid INTEGER, demangledName INTEGER NOT NULL, shortName INTEGER NOT NULL);
            INSERT INTO StringIds VALUES (9000, 'implicit_gemm');
            INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (0, 900000000, 0, 1, 7, 1, 1, 9000, 9000);
        """)
    database.close()
    top = nsight.read(export).top(1)[0]
    assert (top.name, top.self_s, top.calls) == ("implicit_gemm (GPU)", 0.9, 1)


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"There is no file .*nothing\.sqlite; expected"):
        nsight.read(tmp_path / "nothing.sqlite")
    wrong = tmp_path / "wrong.sqlite"
    wrong.write_text("this is text, not a database at all")
    with pytest.raises(LabError, match=r"wrong\.sqlite is no sqlite export of nsys"):
        nsight.read(wrong)
    sqlite3.connect(empty := tmp_path / "empty.sqlite").close()
    with pytest.raises(LabError, match=r"empty\.sqlite is no sqlite export of nsys"):
        nsight.read(empty)


def fake(tmp_path: Path, body: str) -> Path:
    program = tmp_path / "bin" / "nsys"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return program


def test_a_recording_that_nsys_left_raw_is_imported_from_here(tmp_path: Path, export: Path) -> None:
    """As Debian's package does: the importer lies where nsys does not look for it."""
    fake(
        tmp_path,
        'for last; do :; done\ncase "$1" in profile) shift 6; touch "$2.qdstrm";; '
        f'export) cp {export} "$5";; esac',
    )
    importer = tmp_path / "host-linux-x64" / "QdstrmImporter"
    importer.parent.mkdir()
    importer.write_text('#!/bin/sh\ncp "$2" "$4"\n')
    importer.chmod(0o755)
    link = tmp_path / "nsys"
    link.symlink_to("bin/nsys")
    report = tmp_path / "kept" / "request.nsys-rep"
    profile = nsight.run(link, ["anything"], report=report)
    assert profile.top(1)[0].name.startswith("clock_nanosleep")
    assert report.exists()
    importer.unlink()
    with pytest.raises(LabError, match="but its importer is not"):
        nsight.run(link, ["anything"])


@pytest.mark.skipif(program("nsys") is None, reason="nsys is not on this machine")
def test_the_real_tool_names_a_planted_wait(tmp_path: Path) -> None:
    code = "import time, torch\nwith torch.cuda.nvtx.range('planted'):\n    time.sleep(0.2)\n"
    nsys = program("nsys")
    assert nsys is not None
    report = tmp_path / "planted.nsys-rep"
    profile = nsight.run(nsys, [sys.executable, "-c", code], report=report)
    assert profile.top(1)[0].name.endswith("nanosleep (operating system)")
    assert profile.share_of("planted") > 0.99
    assert report.stat().st_size > 0


def test_one_that_makes_no_report_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="made no report of anything; it said: unknown option"):
        nsight.run(fake(tmp_path, "echo unknown option; exit 1"), ["anything"])


def test_one_that_hangs_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"nsys did not end in 0\.3 s"):
        nsight.run(fake(tmp_path, "exec sleep 60"), ["anything"], may_take_s=0.3)


def test_nonsense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="No command was given"):
        nsight.run(Path("nsys"), [])
    with pytest.raises(LabError, match="cannot be run: No such file"):
        nsight.run(tmp_path / "nsys", [sys.executable])
