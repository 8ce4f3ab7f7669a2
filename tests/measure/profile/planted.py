"""What the profilers are to find: pure Python that burns, a call into C, and a wait."""

import sys
import time
import zlib

NOISE = bytes(range(256)) * 2000


def burn_in_python(seconds: float) -> int:
    deadline, steps = time.perf_counter() + seconds, 0
    while time.perf_counter() < deadline:
        steps += sum(number * number for number in range(2000))
    return steps


def burn_in_c(seconds: float) -> None:
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        zlib.compress(NOISE, 9)


def wait_for_somebody(seconds: float) -> None:
    time.sleep(seconds)


def tiny(number: int) -> int:
    return number + 1


def many_small_calls(count: int) -> int:
    number = 0
    for _ in range(count):
        number = tiny(number)
    return number


if __name__ == "__main__":
    print("started", flush=True)
    for name, duration_s in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        globals()[name](float(duration_s))
