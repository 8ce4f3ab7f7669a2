"""Two real regions: what one has answered the other hears of; what a kill or a freeze leaves."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import httpx
import numpy as np
import pytest

from lab_utils.components.envoy import Cluster, Envoy, Route
from lab_utils.components.together import Together
from lab_utils.errors import LabError
from lab_utils.features.memory_store import MemoryStore
from lab_utils.features.payment import Payment
from lab_utils.measure.load.arrivals import constant
from lab_utils.serve.fraud.load import Paid, at_once, paying
from lab_utils.serve.fraud.region import Region
from lab_utils.serve.fraud.replication import Replication, paid, twice
from lab_utils.serve.fraud.scorers import small_scorers

UNTIL_S = 30.0
NEXT = iter(range(10**9))


def payment(customer: int = 1, **change: float) -> Payment:
    number = next(NEXT)
    return replace(Payment(number, 5e6 + number, customer, 2, 9.5), **change)  # type: ignore[arg-type]


def ask(url: str, one: Payment) -> dict[str, object]:
    answer = httpx.post(f"{url}/score", json=asdict(one), trust_env=False, timeout=30)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + UNTIL_S
    while not holds():
        assert time.monotonic() < deadline_s, "it never came so"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together[Region]]:
    folder = tmp_path_factory.mktemp("regions")
    scorers = small_scorers()
    # What is tested here is no speed, and a busy machine must not make a tier late.
    policy = replace(scorers.policy, deadline_s=8, features_s=2, model_s=4)
    running = Together(
        {
            name: Region(name, scorers.models(folder), scorers.rules, policy, folder)
            for name in ("west", "east")
        }
    )
    yield running
    running.stop()


def test_both_stores_end_up_with_the_same_payments(regions: Together[Region]) -> None:
    west, east = regions["west"], regions["east"]
    with Replication(west, east, 0.05) as there, Replication(east, west, 0.0) as back:
        for number in range(6):
            said = ask((west, east)[number % 2].url, payment(customer=7))
            assert said["model"] == f"1 in {('west', 'east')[number % 2]}"
            assert (said["tier"], said["degraded"]) == ("cpu", False)
        there.until_done()
        back.until_done()
        assert west.store.transactions() == east.store.transactions()
        last = payment(customer=7)
        seen = [len(region.store.observe(last).customer) for region in (west, east)]
        assert seen == [7, 7]
        there.cut()
        ask(west.url, payment(customer=8))
        with pytest.raises(LabError, match=r"of .* payments were copied in 0.3 s"):
            there.until_done(within_s=0.3)
        there.mend()
        there.until_done()
    assert west.store.transactions() == east.store.transactions()


def test_a_killed_region_loses_nobody_and_comes_back_empty(regions: Together[Region]) -> None:
    west, east = regions["west"], regions["east"]
    servers = Cluster([[west.url], [east.url]], health="/health", check_within_s=5)
    stream = [payment(customer=number % 20) for number in range(120)]
    with Envoy({"both": servers}, {"score": Route({"both": 1}, retries=2)}) as edge:
        load = paying(edge.url("score"), stream, constant(60, 2.0), timeout_s=30)
        found = at_once({"west": load}, [(1.0, west.kill)])["west"]
        assert found.load.failures == {}
        by = found.said("model")
        assert (by[0], by[-1]) == ("1 in west", "1 in east")
        with pytest.raises(LabError, match="The region west does not run"):
            west.store  # noqa: B018
        west.restart()
        said = ask(west.url, payment())
        assert (said["tier"], said["degraded"]) == ("rules", True)
        until(lambda: all(edge.healthy("both").values()))
    with pytest.raises(LabError, match="The region west runs already"):
        west.restart()
    logs = [west.audit, east.audit]
    everything = {one.transaction_id for log in logs for one in paid(log)}
    assert {one.transaction_id for one in stream} <= everything
    assert west.refill(logs) == len(everything)
    assert everything <= west.store.transactions()
    assert ask(west.url, payment())["tier"] == "cpu"


def test_what_a_frozen_region_was_sent_it_answers_later_a_second_time(
    regions: Together[Region],
) -> None:
    west, east = regions["west"], regions["east"]
    logs = [west.audit, east.audit]
    before, _ = twice(logs)
    servers = Cluster([[west.url], [east.url]])
    route = Route({"both": 1}, retries=1, try_s=2.0)
    one = payment()
    with Envoy({"both": servers}, {"score": route}) as edge:
        west.freeze()
        assert not west.up
        assert ask(edge.url("score"), one)["model"] == "1 in east"
        west.go_on()
        until(lambda: twice(logs)[0] == before + 1)


def test_a_load_tells_of_each_payment_what_became_of_it(regions: Together[Region]) -> None:
    good, bad = payment(), replace(payment(), time_s=0.0)
    object.__setattr__(bad, "amount", -1.0)  # no Payment would be made of it
    found = paying(regions["east"].url, [good, bad], constant(50, 0.04), timeout_s=30)()
    assert found.answered.tolist() == [True, False]
    assert found.in_time(30).tolist() == [True, False]
    assert found.share_in_time(30).median == 0.5
    assert found.said("transaction_id").tolist() == [good.transaction_id, None]
    assert found.load.failures == {"status 422": 1}
    assert np.isinf(found.latency_s[1])


def test_a_load_needs_a_payment_for_each_arrival() -> None:
    with pytest.raises(LabError, match="2 payments fall due and 1 were given"):
        paying("http://127.0.0.1:9", [payment()], constant(50, 0.04))


def test_what_happens_meanwhile_may_fail_loudly() -> None:
    def nothing() -> Paid:
        raise AssertionError("no load")

    def broken() -> None:
        raise LabError("It could not be killed.")

    with pytest.raises(LabError, match="could not be killed"):
        at_once({"load": nothing}, [(0.0, broken)])


class _Log:
    """A region whose log a test writes, and that keeps what it hears."""

    def __init__(self, audit: Path) -> None:
        self.audit, self.up, self.store = audit, True, MemoryStore()


def test_a_region_that_is_down_sends_nothing(regions: Together[Region]) -> None:
    log = _Log(regions["east"].audit)
    target = _Log(Path("nowhere.sqlite"))
    log.up = False
    wanted = len(paid(log.audit))
    assert wanted > 0
    with Replication(log, target, 0.0) as copying:
        with pytest.raises(LabError, match=f"0 of {wanted} payments were copied"):
            copying.until_done(within_s=0.2)
        log.up = True
        assert copying.until_done() == wanted


def test_a_delay_that_is_none_is_told() -> None:
    log = _Log(Path("nowhere.sqlite"))
    with pytest.raises(LabError, match="delay_s is -1"):
        Replication(log, log, -1)
    with pytest.raises(LabError, match="cannot be read as an audit log"):
        paid(log.audit)


def test_scorers_are_the_same_each_time(tmp_path: Path) -> None:
    scorers = small_scorers()
    assert scorers is small_scorers()
    (path,) = scorers.models(tmp_path).values()
    assert path.read_bytes() == scorers.trees
    assert set(scorers.rules.features) <= {"amount", "is_weekend", "is_night"}
    assert json.loads(json.dumps(asdict(scorers.policy)))["deadline_s"] == 0.05
