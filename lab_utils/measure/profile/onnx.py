"""ONNX Runtime's own profile: the time of each node of the optimised graph.

    profile = onnx.profile(Path("resnet50.onnx"), {"input": pictures})
    profile.top(3)                       # three nodes
    profile.grouped(onnx.operator)       # Conv, Add, …

`SessionOptions.enable_profiling` makes a session write a JSON file in Chrome's Trace Event Format.
Names are those of the graph *after* fusion: a node `conv1/Relu` has swallowed its neighbour.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.files import write_bytes
from lab_utils.measure.profile.result import Profile, Row, largest_first, positive

KERNEL = "_kernel_time"
BLIND_TO = (
    "everything outside the session: decoding, Python, the network's input and output",
    "time between nodes: handing work to threads is in the run's time and in no node's",
    "which nodes of the exported model a fused node was made of, beyond its name",
    "waiting for a core: a node's clock runs on when the processor is given to somebody else",
)


def profile(
    model: Path | bytes,
    feeds: Mapping[str, NDArray[Any]],
    *,
    runs: int = 5,
    warmups: int = 2,
    compute_threads: int | None = None,
    trace: Path | None = None,
) -> Profile:
    """Run a model on the CPU, first `warmups` times unseen, then `runs` times under its profiler.

    feeds: the inputs by name. compute_threads: None leaves the default, one a core. trace: where
    to keep the timeline of all runs, for a viewer.
    """
    import onnxruntime

    positive("runs", runs)
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.log_severity_level = 3
    if compute_threads is not None:
        positive("compute_threads", compute_threads)
        options.intra_op_num_threads = compute_threads
    with tempfile.TemporaryDirectory(prefix="inference-lab-onnx-") as folder:
        options.profile_file_prefix = str(Path(folder, "profile"))
        content = str(model) if isinstance(model, Path) else model
        try:
            session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise LabError(
                f"ONNX Runtime cannot load the model ({_first_line(error)}); expected a whole "
                "ONNX file."
            ) from None
        try:
            for _ in range(warmups + runs):
                session.run(None, dict(feeds))
        except Exception as error:
            raise LabError(
                f"ONNX Runtime cannot run the model on these inputs ({_first_line(error)}); "
                f"it expects {', '.join(i.name for i in session.get_inputs())}."
            ) from None
        finally:
            content = Path(session.end_profiling()).read_text()
    if trace is not None:
        write_trace(trace, content)
    return read(content, skip=warmups, trace=trace)


def read(content: str, *, skip: int = 0, trace: Path | None = None) -> Profile:
    """The profile in the text of a session's JSON file, without the first `skip` runs."""
    import onnxruntime

    try:
        events = json.loads(content)
        runs = sorted(
            (e for e in events if e["cat"] == "Session" and e["name"] == "model_run"),
            key=lambda e: e["ts"],
        )[skip:]
        nodes = [e for e in events if e["cat"] == "Node" and e["name"].endswith(KERNEL)]
    except (ValueError, KeyError, TypeError):
        raise LabError(
            "This is no profile of ONNX Runtime; expected the JSON file that end_profiling() names."
        ) from None
    if not runs:
        raise LabError(f"The profile holds no run after the first {skip}; run the session more.")
    durations_us: dict[str, list[int]] = defaultdict(list)
    for event in nodes:
        if event["ts"] >= runs[0]["ts"]:
            name = f"{event['name'].removesuffix(KERNEL)} [{event['args']['op_name']}]"
            durations_us[name].append(event["dur"])
    rows = [Row(n, sum(us) / 1e6, sum(us) / 1e6, len(us)) for n, us in durations_us.items()]
    return Profile(
        tool=f"ONNX Runtime {onnxruntime.__version__}",
        counts="wall-clock time of each node of the optimised graph",
        rows=largest_first(rows),
        blind_to=BLIND_TO,
        elapsed_s=sum(run["dur"] for run in runs) / 1e6,
        stacks={(row.name,): row.self_s for row in rows},
        trace=trace,
    )


def operator(name: str) -> str:
    """For `Profile.grouped`: the operator of a node.

    >>> operator("layer1/conv2/Conv [Conv]")
    'Conv'
    """
    return name.rpartition("[")[2].rstrip("]")


def write_trace(path: Path, content: str) -> None:
    """Keep a timeline (Trace Event Format) for a viewer, compressed where the name ends in .gz."""
    import gzip

    if not path.name.endswith((".json", ".json.gz")):
        raise LabError(f"The trace is to be {path.name}; expected a name in .json or .json.gz.")
    plain = content.encode()
    write_bytes(path, gzip.compress(plain) if path.suffix == ".gz" else plain)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
