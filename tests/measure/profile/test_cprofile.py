import cProfile
import sys
import threading
import time
from types import ModuleType

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.profile import cprofile

pytestmark = pytest.mark.alone


def test_it_names_python_that_burns(planted: ModuleType) -> None:
    def request() -> None:
        planted.burn_in_python(0.2)
        planted.burn_in_c(0.02)

    profile = cprofile.profile(request)
    assert profile.top(1)[0].name.startswith(("<genexpr> (profile/planted", "burn_in_python"))
    assert profile.share_of("burn_in_python") > 0.7
    assert profile.seen == pytest.approx(1, abs=0.1)


def test_it_names_a_call_into_c_as_one_row(planted: ModuleType) -> None:
    profile = cprofile.profile(lambda: planted.burn_in_c(0.1))
    assert profile.top(1)[0].name == "zlib.compress (built-in)"
    assert profile.top(1)[0].calls is not None


def test_it_shows_a_wait_as_if_it_were_work(planted: ModuleType) -> None:
    profile = cprofile.profile(lambda: planted.wait_for_somebody(0.1))
    assert profile.top(1)[0].name == "time.sleep (built-in)"
    assert profile.share(profile.top(1)[0]) > 0.8


def test_it_does_not_see_another_thread(planted: ModuleType) -> None:
    def request() -> None:
        thread = threading.Thread(target=planted.burn_in_c, args=(0.1,))
        thread.start()
        thread.join()

    profile = cprofile.profile(request)
    assert not any("burn_in_c" in row.name for row in profile.rows)
    assert any("other threads" in blind for blind in profile.blind_to)


def test_its_price_falls_on_small_calls(planted: ModuleType) -> None:
    planted.many_small_calls(1000)
    start_s = time.perf_counter()
    planted.many_small_calls(300_000)
    plain_s = time.perf_counter() - start_s
    profile = cprofile.profile(lambda: planted.many_small_calls(300_000))
    assert profile.total_s > plain_s
    assert next(row for row in profile.rows if row.name.startswith("tiny")).calls == 300_000


def test_the_profiler_ends_with_the_work() -> None:
    def fail() -> None:
        raise RuntimeError("in the request")

    with pytest.raises(RuntimeError):
        cprofile.profile(fail)
    cprofile.profile(lambda: None)  # refused where the first still ran


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 lets a second one in")
def test_a_second_profiler_is_refused() -> None:
    outer = cProfile.Profile()
    outer.enable()
    try:
        with pytest.raises(LabError, match="another profiler"):
            cprofile.profile(lambda: None)
    finally:
        outer.disable()
