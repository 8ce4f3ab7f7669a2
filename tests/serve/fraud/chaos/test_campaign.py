"""Two experiments on the whole system: one that it survives, one that it does not."""

from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.serve.fraud.chaos.campaign import Hypothesis, books, campaign, report, spells
from lab_utils.serve.fraud.chaos.stage import prepared
from lab_utils.serve.fraud.chaos.system import FraudSystem
from tests.scraped import needs_prometheus

WINDOW_S = 1.0
PATIENT_S = 1.0
"""What is tested is no speed."""


@needs_prometheus
@pytest.mark.alone
def test_a_killed_replica_is_survived_and_a_wrong_clock_is_not(tmp_path: Path) -> None:
    stage = prepared(tmp_path, deadline_s=PATIENT_S)
    with (
        FraudSystem(stage, tmp_path, rate_rps=40, repaired=False) as system,
        system.watched(WINDOW_S) as prometheus,
    ):
        hypothesis = Hypothesis(in_time=0.9, flagged=0.2)
        with pytest.raises(LabError, match="The fault full_disk cannot be had here"):
            campaign(system, prometheus, ["full_disk"], hypothesis, window_s=WINDOW_S)
        survived, missed = campaign(
            system, prometheus, ["replica_killed", "clock_skew"], hypothesis, window_s=WINDOW_S
        )
        assert system.payers is not None
        audit = books(system.payers.paid, system.audit)
    assert survived.noticed_by == ""
    assert missed.noticed_by == "answered in time"
    assert set(missed.causes) == {"status 422"}
    assert 0.2 < missed.in_time.median < 0.8
    assert (audit.lost, audit.doubled) == (0, 0)
    assert audit.answers > 100
    text = report([survived, missed])
    assert "| A replica is killed |" in text
    assert "**missed**: answered in time" in text
    first, second = spells([survived, missed])
    assert first[1] < first[2] < second[1]
