"""The committed *_pb2.py are what their *.proto gives."""

from pathlib import Path

import pytest
from grpc_tools import protoc

from lab_utils.files import ROOT

PROTOS = sorted((ROOT / "lab_utils").rglob("*.proto"))


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.name)
def test_generated_code_is_its_sources(proto: Path, tmp_path: Path) -> None:
    command = ["protoc", f"-I{proto.parent}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    assert protoc.main([*command, proto.name]) == 0
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == [f"{proto.stem}_pb2.py", f"{proto.stem}_pb2.pyi"]
    for name in made:
        assert (tmp_path / name).read_text() == (proto.parent / name).read_text(), (
            "run the command in the .proto's first lines, in its folder"
        )


def test_there_are_some() -> None:
    assert len(PROTOS) == 2
