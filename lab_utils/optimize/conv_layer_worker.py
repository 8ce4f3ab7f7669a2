"""One convolution layer, run by PyTorch or by TVM in a process that answers one question at a time.

    python -I conv_layer_worker.py torch FOLDER THREADS SOCKET
    python -I conv_layer_worker.py tvm FOLDER THREADS SOCKET
    python -I conv_layer_worker.py tune FOLDER TRIALS SEED

Run by its path, in the course's environment or in TVM's own, so it imports nothing of lab_utils.
`conv_layer.py` starts it and puts into FOLDER the layer's arrays, a search (`kept_search.py`) and
perhaps, in FOLDER/other, the search for older processors. `components/asked.py` is the other end
of SOCKET.

The layer is a convolution, batch norm and ReLU. All programs take and give channels-last pictures
(pictures, height, width, channels), the order that suits each of them.
"""

import json
import math
import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP_CALLS = 3
EPSILON = 1e-5
TRIALS_A_ROUND = 32
REPEATS = 10
GIVE_UP_S = 30
ORIGIN, OTHER = "origin.json", "other"
Arrays = dict[str, Any]
Loaded = tuple[dict[str, Callable[[], Any]], dict[str, Any], Callable[[Any], Any]]
"""Programs by name, what is told of them, and how what they give becomes an array."""


# ---- PyTorch -------------------------------------------------------------------------------------


def torch_programs(folder: Path, layer: Arrays, threads: int) -> Loaded:
    """Eager: three operators. oneDNN: its weights in its own order, all three in one call."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    given = {name: torch.from_numpy(values) for name, values in layer.items()}
    inputs = given["inputs"].permute(0, 3, 1, 2)  # a view: the values stay where they are
    weight, padding = given["weight"], layer["weight"].shape[2] // 2

    def eager() -> Any:
        made = nn.functional.conv2d(inputs, weight, padding=padding)
        statistics = (given["mean"], given["variance"], given["scale"], given["shift"])
        return nn.functional.relu(nn.functional.batch_norm(made, *statistics, eps=EPSILON))

    programs = {"eager": eager}
    if torch.backends.mkldnn.is_available():
        folded, bias = given["folded_weight"], given["folded_bias"]
        same = ([padding] * 2, [1, 1], [1, 1], 1)
        shape = list(inputs.shape)
        ready = torch.ops.mkldnn._reorder_convolution_weight(folded, *same, shape)
        programs["oneDNN"] = lambda: torch.ops.mkldnn._convolution_pointwise(
            inputs, ready, bias, *same, "relu", [], ""
        )
    return programs, {}, lambda made: made.permute(0, 2, 3, 1).contiguous().numpy()


# ---- TVM -----------------------------------------------------------------------------------------


def target_of(origin: dict[str, Any]) -> Any:
    """The processor for which code is generated, as TVM names it."""
    import tvm

    return tvm.target.Target(origin["target"])


def described(inputs_shape: tuple[int, ...], weight_shape: tuple[int, ...]) -> Any:
    """The layer as TVM's graph: what is computed, not how. Weights are arguments."""
    from tvm import relax

    out_channels, in_channels, height, width = weight_shape
    builder = relax.BlockBuilder()
    inputs = relax.Var("inputs", relax.TensorType(inputs_shape, "float32"))
    kernel = (height, width, in_channels, out_channels)
    weight = relax.Var("weight", relax.TensorType(kernel, "float32"))
    bias = relax.Var("bias", relax.TensorType((1, 1, 1, out_channels), "float32"))
    with builder.function("main", [inputs, weight, bias], attrs={"num_input": 1}):
        with builder.dataflow():
            layouts = {"data_layout": "NHWC", "kernel_layout": "HWIO"}
            conv = relax.op.nn.conv2d(inputs, weight, padding=height // 2, **layouts)
            made = builder.emit(conv)
            made = builder.emit(relax.op.add(made, bias))
            made = builder.emit_output(builder.emit(relax.op.nn.relu(made)))
        builder.emit_func_output(made)
    return builder.get()


def fused(module: Any) -> Any:
    """Its operators as one nest of loops, whose weights may be stored in any order."""
    import tvm
    from tvm.relax import transform

    passes = [transform.LegalizeOps(), transform.AnnotateTIROpPattern(), transform.FoldConstant()]
    passes += [transform.FuseOps(), transform.FuseTIR(), transform.AttachAttrLayoutFreeBuffers()]
    return tvm.transform.Sequential(passes)(module)


def loops_of(module: Any) -> Any:
    """The one function that computes, in this module."""
    import tvm

    [function] = [
        f
        for name, f in module.functions_items()
        if isinstance(f, tvm.tirx.PrimFunc) and not name.name_hint.endswith("_weight_prepack")
    ]
    return function


def compiled(
    inputs_shape: tuple[int, ...], weight_shape: tuple[int, ...], target: Any, database: Any = None
) -> tuple[Any, Any]:
    """The layer as a library, and its loops: as the database says, else as described."""
    import tvm
    from tvm.relax import transform

    with target, tvm.transform.PassContext(opt_level=3):
        module = fused(described(inputs_shape, weight_shape))
        if database is not None:
            with database:
                module = transform.MetaScheduleApplyDatabase()(module)
        passes = [transform.SplitLayoutRewritePreproc(), transform.LiftTransformParams()]
        module = tvm.transform.Sequential(passes)(module)
        return tvm.compile(module, target=target), loops_of(module)


def around_the_arithmetic(function: Any) -> list[tuple[str, int]]:
    """The loops around the statement that runs most often, from the outside: (kind, turns)."""
    from tvm.s_tir.stmt import SBlock, SBlockRealize
    from tvm.tirx.stmt import For, ForKind, SeqStmt

    nests: list[list[tuple[str, int]]] = []

    def visit(node: Any, around: list[tuple[str, int]]) -> None:
        if isinstance(node, For):
            visit(node.body, [*around, (ForKind(node.kind).name.lower(), int(node.extent))])
        elif isinstance(node, SeqStmt):
            for part in node.seq:
                visit(part, around)
        elif isinstance(node, SBlockRealize):
            visit(node.block, around)
        elif isinstance(node, SBlock) and node.name_hint == "root":
            visit(node.body, around)
        else:
            nests.append(around)

    visit(function.body, [])
    return max(nests, key=lambda around: math.prod(turns for _, turns in around))


def database_in(folder: Path) -> Any:
    """The records that a search has left in a folder."""
    from tvm.s_tir import meta_schedule

    return meta_schedule.database.JSONDatabase(work_dir=str(folder), allow_missing=False)


def tvm_programs(folder: Path, layer: Arrays, threads: int) -> Loaded:
    """Untuned, tuned, what the same database does for two pictures, what another one does."""
    import tvm
    from tvm import relax

    warnings.simplefilter("ignore")
    target, kept = target_of(json.loads((folder / ORIGIN).read_text())), database_in(folder)
    wanted = [
        ("TVM, untuned", 1, None),
        ("TVM, tuned", 1, kept),
        ("TVM, two pictures", 2, kept),
    ]
    other = folder / OTHER
    if other.exists():
        needs = json.loads((other / ORIGIN).read_text())["needs"]
        wanted.append((f"TVM, sought for {needs}", 1, database_in(other)))
    kernel = np.ascontiguousarray(layer["folded_weight"].transpose(2, 3, 1, 0))
    bias = layer["folded_bias"].reshape(1, 1, 1, -1)
    programs: dict[str, Callable[[], Any]] = {}
    built: dict[str, Any] = {}
    for name, pictures, database in wanted:
        inputs = np.repeat(layer["inputs"], pictures, axis=0)
        start_s = time.perf_counter()
        library, loops = compiled(inputs.shape, layer["weight"].shape, target, database)
        machine = relax.VirtualMachine(library, tvm.cpu())
        constants = [tvm.runtime.tensor(kernel), tvm.runtime.tensor(bias)]
        prepared = list(machine["main_transform_params"](constants))
        built[name] = {
            "build_s": round(time.perf_counter() - start_s, 3),
            "from_database": bool((loops.attrs or {}).get("tirx.is_scheduled", False)),
            "loops": around_the_arithmetic(loops),
            "weight_shape": max((list(part.shape) for part in prepared), key=len),
        }
        arguments = [tvm.runtime.tensor(inputs), *prepared]
        programs[name] = partial(machine["main"], *arguments)
    return programs, {"version": tvm.__version__, "built": built}, lambda made: made.numpy()


def tune(folder: Path, trials: int, seed: int) -> None:
    """Search on: `trials` more programs, added to the database in the folder."""
    from tvm.s_tir import meta_schedule

    origin = json.loads((folder / ORIGIN).read_text())
    target = target_of(origin)
    with target:
        shapes = (tuple(origin[name]) for name in ("inputs_shape", "weight_shape"))
        function = loops_of(fused(described(*shapes)))
    once = meta_schedule.runner.EvaluatorConfig(number=1, repeat=REPEATS, min_repeat_ms=0)
    meta_schedule.tune_tir(
        function,
        target,
        str(folder),
        max_trials_global=trials,
        num_trials_per_iter=TRIALS_A_ROUND,
        num_tuning_cores=len(os.sched_getaffinity(0)),
        seed=seed,
        runner=meta_schedule.runner.LocalRunner(GIVE_UP_S, once),
    )


# ---- questions and answers -----------------------------------------------------------------------


def serve(kind: str, folder: Path, threads: int, line: Connection) -> None:
    """Load, say so, then answer {"program": name, "calls": n} until the line is closed."""
    layer = dict(np.load(folder / "layer.npz"))
    make = {"torch": torch_programs, "tvm": tvm_programs}[kind]
    programs, facts, as_array = make(folder, layer, threads)
    line.send({"programs": list(programs)} | facts)
    while True:
        try:
            question = line.recv()
        except EOFError:
            os._exit(0)
        call, durations_s = programs[question["program"]], []
        for _ in range(question["warm_up"]):
            call()
        for _ in range(question["calls"]):
            start_s = time.perf_counter()
            made = call()
            durations_s.append(time.perf_counter() - start_s)
        values = as_array(made)
        line.send({"durations_s": durations_s, "shape": values.shape, "values": values.tobytes()})


if __name__ == "__main__":
    what, where, first, second = sys.argv[1:]
    if what == "tune":
        tune(Path(where), int(first), int(second))
    else:
        serve(what, Path(where), int(first), Connection(int(second)))
