import platform

import pytest

from lab_utils.machine.cores import available_cores
from lab_utils.optimize.onednn import implementations, primitives, total_s
from lab_utils.optimize.variant import Floats
from lab_utils.optimize.worker import VariantProcess
from tests.optimize.saved import artefact

pytestmark = pytest.mark.alone  # it computes with all cores

LOG = """onednn_verbose,v1,info,oneDNN v3.11.0 (commit 0)
onednn_verbose,v1,primitive,create:cache_miss,cpu,convolution,jit:avx512_core,forward_training,,3.5
onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32::blocked:abcd::f0 \
dst:f32::blocked:aBcd16b::f0,attr-scratchpad:user,,1x512x7x7,0.25
onednn_verbose,v1,primitive,exec,cpu,convolution,jit_bf16_1x1:avx512_core_bf16,forward_training,\
src:bf16:a:blocked:acdb::f0 wei:bf16:a:blocked:Acdb16a::f0,,alg:convolution_direct,mb1_ic3,1.5
onednn_verbose,v1,primitive,exec,cpu,convolution,jit:avx512_core,forward_training,\
src:f32:a:blocked:acdb::f0,,alg:convolution_direct,mb1_ic3,2
a line of the program's own, and one that was cu
onednn_verbose,v1,primitive,exec,cpu,convolution,jit:avx512_core,forw
"""


def test_executions_are_read_with_kind_kernel_type_and_time() -> None:
    done = primitives(LOG)
    assert [p.kind for p in done] == ["reorder", "convolution", "convolution"]
    assert [p.source for p in done] == ["f32", "bf16", "f32"]
    assert done[1].implementation == "jit_bf16_1x1:avx512_core_bf16"
    assert total_s(done, "convolution") == pytest.approx(0.0035)
    assert total_s(done, "matmul") == 0
    assert implementations(done + done[2:], "convolution") == {
        "jit:avx512_core": 2,
        "jit_bf16_1x1:avx512_core_bf16": 1,
    }


def test_a_log_without_reports_holds_none() -> None:
    assert primitives("") == []


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN computes on x86")
@pytest.mark.skipif(available_cores() < 2, reason="one thread alone sends it only large inputs")
def test_a_picture_in_eager_mode_is_fifty_three_convolutions(inputs: Floats) -> None:
    with VariantProcess("eager", artefact("eager"), threads=2) as worker:
        done = worker.primitives(inputs[:2])
        assert sum(p.kind == "convolution" for p in done) == 2 * 53
        assert total_s(done, "convolution") > 0
        assert worker.primitives(inputs[:1]) != []
        assert len(worker.answer(inputs[:1]).durations_s) == 1
