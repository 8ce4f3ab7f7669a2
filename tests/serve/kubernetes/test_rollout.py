"""One plan, three systems: each step's manifests hold, and each fault of a person is found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab_utils.errors import LabError
from lab_utils.resilience.rollout import Plan
from lab_utils.serve.kubernetes.check import check
from lab_utils.serve.kubernetes.manifests import Document
from lab_utils.serve.kubernetes.rollout import EXAMPLE, SYSTEMS, faults, manifests, steps
from lab_utils.serve.kubernetes.traffic import weight_of_new
from tests.conftest import Lab

SHADOWING = ("istio", "seldon")
PATH = Path("any.yaml")


@pytest.mark.parametrize("percent", steps(Plan()))
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_step_holds_and_says_its_weight(system: str, percent: int, tmp_path: Path) -> None:
    documents = manifests(system, EXAMPLE, percent)
    assert faults(system, EXAMPLE, percent, documents) == []
    weights = [weight_of_new(Document(PATH, document), "new") for document in documents]
    assert [weight for weight in weights if weight is not None] == [percent]
    written = tmp_path / "rollout.yaml"
    written.write_text(yaml.safe_dump_all(documents))
    assert check([written]) == []


@pytest.mark.parametrize("system", SHADOWING)
def test_a_shadow_copies_everything_and_answers_nobody(system: str) -> None:
    documents = manifests(system, EXAMPLE, 0, shadow=True)
    assert faults(system, EXAMPLE, 0, documents) == []
    (found,) = [d["spec"] for d in documents if d["kind"] in ("VirtualService", "Experiment")]
    if system == "istio":
        (route,) = found["http"]
        assert route["mirror"]["subset"] == "new"
        assert route["mirrorPercentage"] == {"value": 100}
    else:
        assert found["mirror"] == {"name": "fraud-new", "percent": 100}


def the(documents: list[Any], kind: str) -> Any:
    return next(document for document in documents if document["kind"] == kind)["spec"]


FAULTS: dict[str, tuple[str, Callable[[list[Any]], object], str]] = {
    "weights beyond 100": (
        "istio",
        lambda d: the(d, "VirtualService")["http"][0]["route"][0].update(weight=99),
        "together 104; expected 100",
    ),
    "a field in another place": (
        "istio",
        lambda d: the(d, "VirtualService").update(weight=5),
        "'weight' was unexpected",
    ),
    "a subset of nobody": (
        "istio",
        lambda d: the(d, "DestinationRule")["subsets"].pop(),
        "names the subset new of fraud.inference-lab.svc.cluster.local; no DestinationRule",
    ),
    "a weight as text": (
        "istio",
        lambda d: the(d, "VirtualService")["http"][0]["route"][0].update(weight="95"),
        "'95' is not of type 'integer'",
    ),
    "another step": (
        "istio",
        lambda d: [
            route.update(weight=50) for route in the(d, "VirtualService")["http"][0]["route"]
        ],
        "the new version gets [50] %; the step says 5",
    ),
    "more than all": (
        "kserve",
        lambda d: the(d, "InferenceService")["predictor"].update(canaryTrafficPercent=105),
        "the new version gets [105] %; the step says 5",
    ),
    "a mode without revisions": (
        "kserve",
        lambda d: d[0]["metadata"].update(
            annotations={"serving.kserve.io/deploymentMode": "Standard"}
        ),
        "so it would be ignored",
    ),
    "the percentage beside the predictor": (
        "kserve",
        lambda d: the(d, "InferenceService").update(canaryTrafficPercent=5),
        "'canaryTrafficPercent' was unexpected",
    ),
    "a candidate without a model": (
        "seldon",
        lambda d: d.pop(1),
        "it names fraud-new; no Model is called that",
    ),
    "candidates beyond 100": (
        "seldon",
        lambda d: the(d, "Experiment")["candidates"][0].update(weight=5),
        "together 10; expected 100",
    ),
    "a default that is none": (
        "seldon",
        lambda d: the(d, "Experiment").update(default="fraud"),
        "the default fraud is not one of the candidates",
    ),
    "a mirror that answers": (
        "seldon",
        lambda d: the(d, "Experiment").update(mirror={"name": "fraud-new", "percent": 100}),
        "it would get payments twice",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str) -> None:
    system, spoil, told = FAULTS[name]
    documents = manifests(system, EXAMPLE, 5)
    spoil(documents)
    assert any(told in fault for fault in faults(system, EXAMPLE, 5, documents))


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda: manifests("linkerd", EXAMPLE, 5), "expected one of istio, kserve, seldon"),
        (lambda: manifests("istio", EXAMPLE, 101), "expected 0 to 100"),
        (lambda: manifests("istio", EXAMPLE, 5, shadow=True), "answers nobody"),
        (lambda: manifests("kserve", EXAMPLE, 0, shadow=True), "has no shadow"),
    ],
)
def test_what_cannot_be_said_is_refused(ask: Callable[[], object], told: str) -> None:
    with pytest.raises(LabError, match=told):
        ask()


def test_the_command_prints_manifests_that_hold(lab_here: Lab, tmp_path: Path) -> None:
    done = lab_here("k8s", "rollout", "istio", 5)
    (tmp_path / "made.yaml").write_text(done.stdout)
    assert check([tmp_path / "made.yaml"]) == []
    refused = lab_here("k8s", "rollout", "istio")
    assert refused.returncode == 1
    assert "./lab k8s rollout istio 5" in refused.stderr
