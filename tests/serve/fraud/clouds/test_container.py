"""The real container from outside, as each cloud sees it."""

import signal
from pathlib import Path

import httpx
import numpy as np
import pytest

from lab_utils.components.together import Together
from lab_utils.errors import LabError
from lab_utils.models.fraud.feature_names import FEATURES
from lab_utils.serve.fraud.clouds.body import instances, scores_of
from lab_utils.serve.fraud.clouds.checks import checked
from lab_utils.serve.fraud.clouds.container import Container
from lab_utils.serve.fraud.clouds.container_app import FILE
from lab_utils.serve.fraud.clouds.contract import CONTRACTS, SAGEMAKER
from tests.serve.fraud.clouds.conftest import SCORE
from tests.started import assert_gone

ROWS = np.zeros((3, len(FEATURES)), np.float32)


@pytest.mark.parametrize("cloud", CONTRACTS)
def test_it_keeps_each_clause(containers: Together[Container], cloud: str) -> None:
    clauses = checked(containers[cloud], ROWS)
    assert [str(clause) for clause in clauses if not clause.holds] == []
    assert len(clauses) >= 3


def test_both_clouds_get_the_same_answer(containers: Together[Container]) -> None:
    answers = [
        httpx.post(one.predict_url, content=instances(ROWS), trust_env=False).content
        for one in containers.values()
    ]
    assert answers[0] == answers[1]
    assert scores_of(answers[0]) == pytest.approx([SCORE] * len(ROWS))


@pytest.mark.parametrize("body", [b"", b"{", b'{"instances": []}', b'{"instances": [[1, 2]]}'])
def test_what_is_no_body_is_told_so(containers: Together[Container], body: bytes) -> None:
    answer = httpx.post(containers["SageMaker"].predict_url, content=body, trust_env=False)
    assert answer.status_code == 400
    assert f"[{len(FEATURES)} finite numbers]" in answer.json()["error"]


def test_the_other_clouds_routes_are_not_there(containers: Together[Container]) -> None:
    answer = httpx.get(f"{containers['Vertex AI'].url}/ping", trust_env=False)
    assert answer.status_code == 404


def test_it_counts_what_it_scored(containers: Together[Container]) -> None:
    def scored() -> float:
        page = httpx.get(f"{container.url}/metrics", trust_env=False).text
        (line,) = (one for one in page.splitlines() if one.startswith("container_scored_total"))
        return float(line.split()[1])

    container = containers["Vertex AI"]
    before = scored()
    httpx.post(container.predict_url, content=instances(ROWS), trust_env=False)
    assert scored() - before == len(ROWS)


def test_it_ends_when_it_is_told_to(folder: Path) -> None:
    with Container(SAGEMAKER, folder) as container:
        (process,) = container.processes()
        process.send_signal(signal.SIGTERM)
        assert_gone([process.pid])


def test_a_folder_without_a_scorer_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=rf"There is no {FILE} in .*expected a scorer's ONNX file"):
        Container(SAGEMAKER, tmp_path)


def test_a_scorer_that_is_none_is_quoted(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"nothing")
    with (
        pytest.raises(LabError, match="The SageMaker container stopped before it was ready"),
        Container(SAGEMAKER, tmp_path),
    ):
        pass
