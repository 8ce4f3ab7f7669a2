"""What the experiments are made of, each by itself."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

from lab_utils.components.promtool import check_rules
from lab_utils.features.payment import Payment
from lab_utils.models.fraud.feature_names import FEATURES
from lab_utils.models.onnx_file import onnx_file
from lab_utils.optimize.fraud_scorers import Scorer
from lab_utils.serve.fraud.audit_file import AuditFile, Entry
from lab_utils.serve.fraud.chaos.campaign import EXPERIMENTS, NAMES, books
from lab_utils.serve.fraud.chaos.control import Control, Fault
from lab_utils.serve.fraud.chaos.payers import Counts, Paid, Payers, Terms, pay
from lab_utils.serve.fraud.chaos.replica import Switches, SwitchFile
from lab_utils.serve.fraud.chaos.stage import swapped_classes
from lab_utils.serve.fraud.chaos.system import RULES
from tests.scraped import needs_prometheus

EU, US = 0, 1
FOR_ALL = 5.0
"""Seconds; nothing here is about speed."""


def test_each_experiment_has_the_same_hypothesis_and_breaks_and_mends_its_own_fault() -> None:
    files = {path.stem: yaml.safe_load(path.read_text()) for path in EXPERIMENTS.glob("*.yaml")}
    assert set(files) == set(NAMES)
    first = files[NAMES[0]]
    for name, file in files.items():
        for part in ("steady-state-hypothesis", "configuration"):
            assert file[part] == first[part]
        (broken,), (mended,) = file["method"], file["rollbacks"]
        assert broken["provider"]["url"] == f"${{control}}/break/{name}"
        assert mended["provider"]["url"] == f"${{control}}/mend/{name}"
    assert len({file["title"] for file in files.values()}) == len(files)


@needs_prometheus
def test_the_rules_are_rules() -> None:
    check_rules(RULES)


def test_a_replica_does_what_its_switches_say_and_changes_when_they_do(tmp_path: Path) -> None:
    path = tmp_path / "eu.json"
    file = SwitchFile(path)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def score(rows: NDArray[np.float32]) -> NDArray[Any]:
        return rows

    async def main() -> None:
        asked = file.around("gpu", score)
        for switches in (None, Switches({"gpu": 0.3}), Switches({"cpu": 0.4}), Switches()):
            if switches is not None:
                switches.write(path)
            await asked(np.zeros((1, 1), np.float32))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        asyncio.run(main())
    assert waited == [0.3]
    Switches(clock_s=-600).write(path)
    assert file.clock() == pytest.approx(time.time() - 600, abs=60)


def test_mixed_up_classes_give_the_other_probability() -> None:
    class Logistic(torch.nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(rows[:, :1])

    content = onnx_file(Logistic(), torch.zeros(2, len(FEATURES)))
    rows = np.random.default_rng(0).normal(size=(50, len(FEATURES))).astype(np.float32)
    right, wrong = Scorer(content)(rows), Scorer(swapped_classes(content))(rows)
    assert np.allclose(right + wrong, 1)
    assert np.ptp(right) > 0.5


def test_control_breaks_mends_and_says_what_is_wrong() -> None:
    done: list[str] = []

    def fails() -> None:
        raise RuntimeError("it would not")

    fault = Fault(lambda: done.append("broken"), lambda: done.append("mended"))
    with (
        Control({"one": fault, "two": Fault(fails, fails)}) as control,
        httpx.Client(base_url=control.url, trust_env=False) as client,
    ):
        assert client.post("/break/one").status_code == 200
        assert client.post("/mend/one").status_code == 200
        unknown, failed = client.post("/break/three"), client.post("/break/two")
    assert done == ["broken", "mended"]
    assert (unknown.status_code, failed.status_code) == (404, 500)
    assert "/break/one" in unknown.json()["said"]
    assert failed.json()["said"] == "RuntimeError: it would not"


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A region that always says the same; 200 with an approval."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            number = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = {"transaction_id": number["transaction_id"], "decision": "approve"}
            body = json.dumps(said | {"degraded": False, "repeated": False}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def paying(
    urls: list[str], customer: int, *, ask_elsewhere: bool = True
) -> tuple[list[Paid], Counts]:
    """Payments of one customer, until the first has come to its end."""
    terms = Terms(urls, 50.0, FOR_ALL, time.time() - 77, ask_elsewhere=ask_elsewhere)
    paid: list[Paid] = []
    counts = Counts()

    async def main() -> None:
        ended = asyncio.Event()

        def keep(one: Paid) -> None:
            paid.append(one)
            counts.add(one)
            ended.set()

        await pay(terms, [Payment(1, 1.0, customer, 1, 9.5)], keep, ended)

    asyncio.run(main())
    return paid, counts


def test_payers_ask_their_home_and_then_the_other() -> None:
    with answering(200) as well, answering(503) as ill:
        nowhere = "http://127.0.0.1:9"
        for urls in ([well, ill], [ill, well], [nowhere, well]):
            (first, *_), _ = paying(urls, customer=EU)
            assert (first.cause, first.number) == ("", 0)
            assert first.due_s == pytest.approx(time.time(), abs=60)
        (refused, *_), _ = paying([nowhere, ill], customer=EU)
        assert (refused.answer, refused.cause) == (None, "status 503")
        (alone, *_), _ = paying([nowhere, ill], customer=US)
        assert (alone.answer, alone.cause) == (None, "no connection")


def test_a_refusal_that_blames_the_payment_is_believed_or_not() -> None:
    with answering(200) as well, answering(422) as ill:
        (believed, *_), _ = paying([ill, well], customer=EU, ask_elsewhere=False)
        (doubted, *_), _ = paying([ill, well], customer=EU)
    assert (believed.cause, doubted.cause) == ("status 422", "")


def test_what_payers_saw_is_counted() -> None:
    with answering(200) as well:
        paid, counts = paying([well, well], customer=EU)
    counts.add(replace(paid[0], answer=None, cause="no connection"))
    declined = {"decision": "decline", "degraded": True}
    counts.add(replace(paid[0], answer=declined))
    counted = {
        sample.name: sample.value
        for family in counts.registry.collect()
        for sample in family.samples
    }
    assert counted["payers_asked_total"] == len(paid) + 2
    assert counted["payers_in_time_total"] == len(paid) + 1
    assert counted["payers_flagged_total"] == counted["payers_degraded_total"] == 1


def test_payers_in_their_own_process_keep_what_they_saw_and_say_it(tmp_path: Path) -> None:
    with answering(200) as well:
        terms = Terms([well, well], 50.0, FOR_ALL, time.time() - 77)
        with Payers(terms, [Payment(1, 1.0, EU, 1, 9.5)], tmp_path) as payers:
            while len(payers.paid) < 3:
                time.sleep(0.02)
            page = httpx.get(f"{payers.url}/metrics", trust_env=False).text
        paid = payers.paid
    assert "payers_in_time_total" in page
    assert sorted(one.number for one in paid) == list(range(len(paid)))
    assert not any(one.cause or one.flagged for one in paid)
    first, second, *_ = sorted(paid, key=lambda one: one.due_s)
    assert payers.between(first.due_s, second.due_s) == [first]


def test_an_answer_that_the_log_has_not_or_has_otherwise_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    said = {"transaction_id": 1, "decision": "approve"}

    with closing(AuditFile(path)) as file:
        for number in (1, 2, 3):
            file.record([Entry(number, "asked", json.dumps(said | {"transaction_id": number}))])
    one = Paid(1, 0.0, 0.01, said | {"repeated": True}, "")
    other = replace(one, number=2, answer={"transaction_id": 2, "decision": "decline"})
    gone = replace(one, number=4, answer={"transaction_id": 4, "decision": "approve"})
    none = replace(one, number=5, answer=None, cause="status 503")
    assert books([one, none], path).lost == 0
    found = books([one, other, gone, none], path)
    assert (found.answers, found.lost, found.doubled) == (3, 2, 0)
