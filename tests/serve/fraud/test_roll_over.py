"""The whole way: a real model server, a gateway, payments that go on, and versions that change."""

import json
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from lab_utils.components.model_servers.mlserver import MLServer
from lab_utils.errors import LabError
from lab_utils.serve.fraud.audit_file import replayed
from lab_utils.serve.fraud.paying import paying
from lab_utils.serve.fraud.roll_over import roll_over
from lab_utils.serve.fraud.service import FraudService
from tests.serve.fraud.made import GENEROUS, RULES, audit, constant

SWITCHES = 6


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two scorers that say 0.25 and 0.75, and one of no use."""
    folder = tmp_path_factory.mktemp("models")
    return [constant(folder / f"{value}.onnx", value) for value in (0.25, 0.75, 7.5)]


@pytest.fixture(scope="module")
def server(files: list[Path]) -> Iterator[MLServer]:
    with MLServer({"fraud-0": files[0]}) as server:
        yield server


def gateway(server: MLServer, model: str, folder: Path) -> FraudService:
    return FraudService(
        {"model": server.source(model)}, RULES, GENEROUS, audit=audit(folder), model="0"
    )


def bodies() -> Iterator[bytes]:
    usual = {"time_s": 5e6, "customer": 1, "terminal": 2, "amount": 9.5}
    return (json.dumps({"transaction_id": number} | usual).encode() for number in count())


def test_payments_go_on_while_versions_change(
    server: MLServer, files: list[Path], tmp_path: Path
) -> None:
    with (
        gateway(server, "fraud-0", tmp_path) as one,
        paying(one.url, bodies(), rate_rps=50) as paid,
    ):
        for number in range(1, SWITCHES + 1):
            names = {"old": f"fraud-{number - 1}", "new": f"fraud-{number}"}
            roll_over(
                [one], server, tier="model", file=files[number % 2], version=str(number), **names
            )
            enough, until_s = len(paid.answers) + 5, time.monotonic() + 20
            while len(paid.answers) < enough and time.monotonic() < until_s:
                time.sleep(0.01)
        assert server.loaded() == [f"fraud-{SWITCHES}"]
    assert not paid.failures
    assert set(paid.versions) == {str(number) for number in range(SWITCHES + 1)}
    log = [json.loads(entry.answered) for entry in replayed(tmp_path / "audit")]
    assert len(log) == paid.payments == len(paid.answers) == len(paid.latencies_s)
    assert all(said["fraud"] == (0.25, 0.75)[int(said["model"]) % 2] for said in log)
    server.load("fraud-0", files[0])
    server.unload(f"fraud-{SWITCHES}")


def test_a_version_of_no_use_leaves_everything_as_it_was(
    server: MLServer, files: list[Path], tmp_path: Path
) -> None:
    with gateway(server, "fraud-0", tmp_path) as one:
        with pytest.raises(LabError, match="expected one probability"):
            roll_over(
                [one],
                server,
                tier="model",
                old="fraud-0",
                new="fraud-x",
                file=files[2],
                version="x",
            )
        assert (one.versions(), server.loaded()) == ({"model": "0"}, ["fraud-0"])


def test_a_gateway_that_had_switched_is_switched_back(
    server: MLServer, files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with (
        gateway(server, "fraud-0", tmp_path) as one,
        gateway(server, "fraud-0", tmp_path / "other") as two,
    ):
        two.switch = _refuses  # type: ignore[method-assign]
        with pytest.raises(LabError, match="not now"):
            roll_over(
                [one, two],
                server,
                tier="model",
                old="fraud-0",
                new="fraud-y",
                file=files[1],
                version="y",
            )
        assert (one.versions(), server.loaded()) == ({"model": "0"}, ["fraud-0"])


def test_a_gateway_that_has_ended_is_told(server: MLServer, tmp_path: Path) -> None:
    with gateway(server, "fraud-0", tmp_path) as one:
        one.stop()
        with pytest.raises(LabError, match="gateway gave no answer"):
            one.switch("model", server.source("fraud-0"), "2")


def _refuses(tier: str, to: Path | str, version: str) -> None:
    raise LabError("not now")
