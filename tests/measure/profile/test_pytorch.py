import gzip
import json
import threading
from pathlib import Path
from types import ModuleType

import pytest
import torch

from lab_utils.errors import LabError
from lab_utils.measure.profile import pytorch

pytestmark = pytest.mark.alone


def planted_operator() -> torch.Tensor:
    matrix = torch.ones(700, 700)
    return torch.relu(matrix @ matrix)


def test_it_names_the_heavy_operator_and_who_called_it() -> None:
    planted_operator()
    profile = pytorch.profile(planted_operator)
    assert profile.top(1)[0].name == "aten::mm"
    heaviest = max(profile.stacks, key=lambda stack: profile.stacks[stack])
    assert any(name.startswith("planted_operator (") for name in heaviest)
    assert profile.share_of("planted_operator (") > 0.9


def test_it_knows_what_an_operator_allocates() -> None:
    profile = pytorch.profile(lambda: torch.empty(1000, 1000))
    row = next(row for row in profile.rows if row.name == "aten::empty")
    assert row.memory_bytes == 4_000_000
    assert pytorch.profile(planted_operator, memory=False).top(1)[0].memory_bytes is None


def test_with_stacks_it_sees_python_and_without_it_does_not(planted: ModuleType) -> None:
    def request() -> None:
        planted.many_small_calls(3000)
        torch.ones(2)

    assert pytorch.profile(request).share_of("many_small_calls") > 0.5
    without = pytorch.profile(request, stacks=False)
    assert not any("many_small_calls" in row.name for row in without.rows)
    assert any("plain Python" in blind for blind in without.blind_to)


def test_a_thread_that_waits_beside_the_work_does_not_count(planted: ModuleType) -> None:
    thread = threading.Thread(target=planted.wait_for_somebody, args=(0.5,))
    thread.start()
    profile = pytorch.profile(planted_operator)
    thread.join()
    assert profile.seen < 1.1
    assert not any("wait_for_somebody" in row.name for row in profile.rows)


def test_operators_are_told_from_python() -> None:
    grouped = pytorch.profile(planted_operator).grouped(pytorch.operator)
    assert {"Python", "aten::mm", "aten::relu"} <= {row.name for row in grouped.rows}


def test_a_viewer_gets_a_trace(tmp_path: Path) -> None:
    path = pytorch.tensorboard_trace(tmp_path, "one request")
    profile = pytorch.profile(planted_operator, trace=path)
    assert profile.trace == path
    events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    assert any(event.get("name") == "aten::mm" for event in events)


def test_a_trace_that_no_viewer_opens_is_refused() -> None:
    with pytest.raises(LabError, match=r"trace\.txt; expected a name in \.json"):
        pytorch.profile(planted_operator, trace=Path("trace.txt"))


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("torch/nn/modules/conv.py(546): forward", "forward (modules/conv.py:546)"),
        ("<built-in method conv2d of type object at 0x7f28>", "conv2d (built-in)"),
        ("<built-in method get of dict object at 0x7f28>", "dict.get (built-in)"),
        ("<built-in function hash>", "hash (built-in)"),
        ("nn.Module: Conv2d_44", "nn.Module: Conv2d_44"),
    ],
)
def test_names_are_those_of_the_other_profilers(name: str, frame: str) -> None:
    assert pytorch._frame(name) == frame
