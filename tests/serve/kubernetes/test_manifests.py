"""The manifests hold, and each fault that a person makes is found, by a schema or by agreement."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab_utils.components.catalogue import program
from lab_utils.course.lock import pins
from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.serve.kubernetes.check import check
from lab_utils.serve.kubernetes.manifests import FOLDER, VARIANTS, read, variant
from lab_utils.serve.kubernetes.schema_check import adapter_rules
from lab_utils.serve.llm.messages import Settings
from lab_utils.simulate.hpa_manifest import of_manifest
from tests.conftest import Lab

DOCKERFILE = FOLDER / "Dockerfile"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., list[str]]:
    """The faults of a variant in which one document has been changed."""

    def faults(name: str, kind: str, change: Change) -> list[str]:
        paths = [Path(shutil.copy(path, tmp_path)) for path in variant(name)]
        for path in paths:
            documents = list(yaml.safe_load_all(path.read_text()))
            for document in documents:
                if document["kind"] == kind and document["metadata"]["name"] == "llm":
                    change(document)
            path.write_text(yaml.safe_dump_all(documents))
        return check(paths)

    return faults


def container(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_the_manifests_hold(name: str) -> None:
    assert check(variant(name)) == []


def test_every_file_is_in_a_variant() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")}
    assert files == {file for files in VARIANTS.values() for file in files}


def test_schemas_of_others_say_where_they_are_from() -> None:
    for path in (FOLDER / "schemas").iterdir():
        assert re.search(
            r"github\.com/.* \(commit [0-9a-f]{8,40}\), Apache-2\.0|https://.* written by hand",
            path.read_text()[:700],
        )
        assert path.stat().st_size < 300_000


# ---- faults that a schema finds


def set_in(*path: Any, to: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        *steps, last = path
        place: Any = document
        for step in steps:
            place = place[step]
        if to is None:
            del place[last]
        else:
            place[last] = to

    return change


EXTERNAL = ("spec", "metrics", 0, "external")
TRIGGER = ("spec", "triggers", 0)
PREDICTOR = ("spec", "predictor")


@pytest.mark.parametrize(
    ("name", "kind", "change", "message"),
    [
        ("hpa", "HorizontalPodAutoscaler", set_in("spec", "maxReplica", to=3), "maxReplica"),
        ("hpa", "HorizontalPodAutoscaler", set_in("spec", "maxReplicas", to=None), "maxReplicas"),
        ("hpa", "HorizontalPodAutoscaler", set_in("spec", "maxReplicas", to="ten"), "'ten'"),
        (
            "hpa",
            "HorizontalPodAutoscaler",
            set_in(*EXTERNAL, "target", to={"averageValue": "4"}),
            "'type' is a required property",
        ),
        (
            "hpa",
            "HorizontalPodAutoscaler",
            set_in("spec", "behavior", "scaleDown", "stabilisationWindowSeconds", to=300),
            "stabilisationWindowSeconds",
        ),
        ("hpa", "Deployment", set_in("spec", "selector", to=None), "selector"),
        ("hpa", "Service", set_in("spec", "ports", 0, "port", to="eighty"), "'eighty'"),
        ("hpa", "Service", set_in("kind", to="Servise"), "Servise of v1 is not known"),
        ("keda", "ScaledObject", set_in("spec", "maxReplicas", to=3), "maxReplicas"),
        ("keda", "ScaledObject", set_in("spec", "triggers", to=[]), "spec.triggers"),
        ("keda", "ScaledObject", set_in(*TRIGGER, "metadata", "threshold", to=4), "4 is not of"),
        ("kserve", "InferenceService", set_in(*PREDICTOR, "replicas", to=3), "replicas"),
        (
            "kserve",
            "InferenceService",
            set_in(*PREDICTOR, "autoScaling", "metrics", 0, "type", to="Queue"),
            "'Queue' is not one of",
        ),
        (
            "kserve",
            "InferenceService",
            set_in(*PREDICTOR, "containers", 0, "ports", 0, "containerport", to=1),
            "containerport",
        ),
    ],
)
def test_a_schema_finds_it(
    changed: Callable[..., list[str]], name: str, kind: str, change: Change, message: str
) -> None:
    faults = changed(name, kind, change)
    assert any(message in fault for fault in faults), faults


# ---- faults that pass every schema


def argument(**changes: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        settings = Settings.read(container(document)["args"][0])
        container(document)["args"] = [Settings(**{**settings.__dict__, **changes}).json()]

    return change


@pytest.mark.parametrize(
    ("name", "kind", "change", "message"),
    [
        (
            "hpa",
            "HorizontalPodAutoscaler",
            set_in("spec", "scaleTargetRef", "name", to="lllm"),
            "it scales lllm, which is not here; expected llm",
        ),
        (
            "hpa",
            "HorizontalPodAutoscaler",
            set_in(*EXTERNAL, "metric", "name", to="queue_depth"),
            "no rule of the adapter gives queue_depth; there is llm_in_flight, llm_queue_depth",
        ),
        (
            "hpa",
            "HorizontalPodAutoscaler",
            set_in("spec", "minReplicas", to=20),
            "at least 20 and at most 10 replicas",
        ),
        (
            "hpa",
            "HorizontalPodAutoscaler",
            set_in("spec", "behavior", "scaleDown", "stabilizationWindowSeconds", to=7200),
            "a window of 7200 s",
        ),
        (
            "hpa",
            "HorizontalPodAutoscaler",
            set_in("spec", "behavior", "scaleUp", "policies", 0, "periodSeconds", to=3000),
            "100 in 3000 s",
        ),
        ("hpa", "Deployment", set_in("spec", "replicas", to=2), "llm says `replicas`, too"),
        (
            "hpa",
            "Deployment",
            set_in("spec", "template", "spec", "terminationGracePeriodSeconds", to=30),
            "killed after 30 s, and draining may take 30 s",
        ),
        ("hpa", "Deployment", argument(port=9000), "on port 9000; the container names 8000"),
        ("hpa", "Deployment", argument(host="127.0.0.1"), "which nobody outside the pod reaches"),
        (
            "hpa",
            "Deployment",
            lambda d: container(d).update(args=['{"threads": 2}']),
            "no Settings of the service",
        ),
        (
            "hpa",
            "Deployment",
            lambda d: container(d)["readinessProbe"]["httpGet"].update(path="/healthz"),
            "asks for /healthz; the service answers at /health",
        ),
        ("hpa", "Service", set_in("spec", "selector", to={"app": "lm"}), "no Deployment's pods"),
        (
            "hpa",
            "Service",
            set_in("spec", "ports", 0, "targetPort", to=8080),
            "it sends to port 8080, which llm's pods do not name",
        ),
        (
            "keda",
            "ScaledObject",
            set_in(*TRIGGER, "metadata", "query", to="sum(llm_queue_length)"),
            "the service counts no llm_queue_length",
        ),
        ("keda", "ScaledObject", set_in("spec", "minReplicaCount", to=11), "at least 11"),
        (
            "kserve",
            "InferenceService",
            set_in(
                *PREDICTOR, "autoScaling", "metrics", 0, "external", "target",
                to={"type": "AverageValue", "averageValue": "6"},
            ),
            "KServe hands on only `value`",
        ),
    ],
)  # fmt: skip
def test_agreement_finds_it(
    changed: Callable[..., list[str]], name: str, kind: str, change: Change, message: str
) -> None:
    faults = changed(name, kind, change)
    assert any(message in fault for fault in faults), faults


# ---- the adapter's rules


def test_a_rule_with_an_unknown_field_is_found(tmp_path: Path) -> None:
    for wrong, message in (
        (("metricsQuery:", "metricQuery:"), "metricQuery"),
        (("{as: llm_queue_depth}", "{is: llm_queue_depth}"), "is"),
    ):
        path = tmp_path / "adapter.yaml"
        path.write_text((FOLDER / "adapter.yaml").read_text().replace(*wrong, 1))
        assert any(message in fault for fault in check([path]))


def test_a_rule_about_a_series_that_the_service_does_not_count_is_found(tmp_path: Path) -> None:
    path = tmp_path / "adapter.yaml"
    path.write_text((FOLDER / "adapter.yaml").read_text().replace("llm_running", "llm_active"))
    assert any("counts no llm_active" in fault for fault in check([path]))


RULE_TEST = """
rule_files: []
tests:
  - interval: 15s
    input_series:
      - {series: 'llm_queue_depth{namespace="inference-lab", pod="a", priority="0"}', values: "3 3"}
      - {series: 'llm_queue_depth{namespace="inference-lab", pod="b", priority="0"}', values: "4 4"}
      - {series: 'llm_queue_depth{namespace="inference-lab", pod="b", priority="1"}', values: "1 1"}
      - {series: 'llm_queue_depth{namespace="other", pod="c", priority="0"}', values: "50 50"}
      - {series: 'llm_running{namespace="inference-lab", pod="a"}', values: "8 8"}
      - {series: 'llm_running{namespace="inference-lab", pod="b"}', values: "7 7"}
    promql_expr_test:
"""


@pytest.mark.skipif(program("promtool") is None, reason="promtool comes with Debian's prometheus")
def test_the_rules_give_the_sum_of_all_pods(tmp_path: Path) -> None:
    """What the adapter would ask Prometheus for the autoscaler's two metrics, asked of promtool."""
    (config,) = (d for d in read(variant("hpa")) if d.kind == "ConfigMap")
    expected = {"llm_queue_depth": 8, "llm_in_flight": 23}
    lines = RULE_TEST
    for rule in adapter_rules(config):
        query = rule["metricsQuery"].replace("<<.Series>>", rule["seriesQuery"].partition("{")[0])
        query = query.replace("<<.LabelMatchers>>", 'namespace="inference-lab"')
        value = expected.pop(rule["name"]["as"])
        lines += f"      - {{expr: '{query}', eval_time: 15s, exp_samples: [{{value: {value}}}]}}\n"
    assert not expected
    path = tmp_path / "test.yaml"
    path.write_text(lines)
    done = subprocess.run(
        [str(program("promtool")), "test", "rules", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


# ---- what is simulated is what is applied


def test_the_autoscaler_of_the_manifest_can_be_simulated() -> None:
    (hpa,) = (d for d in read(variant("hpa")) if d.kind == "HorizontalPodAutoscaler")
    autoscaler = of_manifest(hpa.content)
    assert autoscaler.decide(0, 2, {"llm_queue_depth": 20, "llm_in_flight": 36}).replicas == 6
    assert autoscaler.decide(200, 6, {"llm_queue_depth": 0, "llm_in_flight": 17}).replicas == 6
    assert autoscaler.decide(501, 6, {"llm_queue_depth": 0, "llm_in_flight": 17}).replicas == 3


# ---- the image


def imported(module: str, seen: set[str]) -> set[str]:
    """The top names of what a module of ours imports when it is loaded, ours followed."""
    path = ROOT / (module.replace(".", "/") + ".py")
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    if module in seen or not path.exists():
        return set()
    seen.add(module)
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.startswith("lab_utils"):
                found |= imported(name, seen)
            else:
                found.add(name.partition(".")[0])
    return found


def test_the_image_has_what_the_service_imports() -> None:
    modules = ("lab_utils.serve.llm.app", "lab_utils.serve.llm.worker")
    needed = set().union(*(imported(module, set()) for module in modules))
    needed -= set(sys.stdlib_module_names)
    (line,) = re.findall(r"--constraints requirements\.lock \\\n\s+(.*)", DOCKERFILE.read_text())
    assert {name.replace("-", "_") for name in line.split()} == needed


def test_the_image_is_made_with_the_locks_uv() -> None:
    (uv,) = (
        pin for pin in pins((ROOT / "requirements.lock").read_text()) if pin.startswith("uv==")
    )
    assert f'"{uv}"' in DOCKERFILE.read_text()


def test_the_dockerfile_passes_hadolint() -> None:
    hadolint = program("hadolint")
    assert hadolint is not None, "it comes with ./lab"

    def faults(text: str) -> str:
        done = subprocess.run(
            [str(hadolint), "--no-fail", "-"], input=text, capture_output=True, text=True
        )
        return done.stdout

    assert faults(DOCKERFILE.read_text()) == ""
    assert "DL3006" in faults(DOCKERFILE.read_text().replace("python:3.12-slim", "python"))


# ---- what is no manifest, and the verb


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no document"),
        ("a: [", "is no YAML"),
        ("- 1", "is no object of Kubernetes"),
        ("kind: Deployment", "is no object of Kubernetes"),
    ],
)
def test_what_is_no_manifest_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(LabError, match=message):
        check([path])


def test_check_says_what_holds(lab_here: Lab) -> None:
    done = lab_here("k8s", "check")
    assert done.returncode == 0
    assert "hpa.yaml, HorizontalPodAutoscaler llm: holds" in done.stdout
    kinds = {document.kind for name in VARIANTS for document in read(variant(name))}
    assert all(kind in done.stdout for kind in kinds)


def test_check_says_what_does_not(lab_here: Lab, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text((FOLDER / "hpa.yaml").read_text().replace("minReplicas", "minreplicas"))
    done = lab_here("k8s", "check", path)
    assert done.returncode == 1
    assert "minreplicas" in done.stdout
    assert "could not be read" in lab_here("k8s", "check", tmp_path / "nowhere.yaml").stderr
    assert "expected check, apply or rollout" in lab_here("k8s", "delete").stderr


FAKE = """#!/bin/sh
echo "$@" >> "{log}"
case "$1" in
  get) [ "{cluster}" = yes ] || {{ echo "localhost:8080 was refused" >&2; exit 1; }} ;;
  apply) echo "applied $3" ;;
esac
"""


def kubectl(folder: Path, cluster: str) -> Path:
    """A program in kubectl's place that notes what it is asked; gives its log."""
    log, path = folder / "log", folder / "kubectl"
    path.write_text(FAKE.format(log=log, cluster=cluster))
    path.chmod(0o755)
    return log


def test_apply_without_kubectl_or_a_cluster_says_so(
    lab_here: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = lab_here("k8s", "apply")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "kubectl is not installed, so nothing was applied; the manifests were" in done.stderr
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    log = kubectl(tmp_path, cluster="no")
    done = lab_here("k8s", "apply")
    assert done.returncode == 1
    assert "No cluster answers kubectl (localhost:8080 was refused)" in done.stderr
    assert "apply" not in log.read_text()


def test_apply_sends_the_files_in_their_order(
    lab_here: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    log = kubectl(tmp_path, cluster="yes")
    assert lab_here("k8s", "apply").returncode == 0
    assert lab_here("k8s", "apply", "keda").returncode == 0
    applied = [line.split("/")[-1] for line in log.read_text().splitlines() if "apply" in line]
    assert applied == [*VARIANTS["hpa"], *VARIANTS["keda"]]
    assert "There is no variant 'istio'; expected" in lab_here("k8s", "apply", "istio").stderr
