"""Messages between grader and answer: what comes back is what was sent, or an error."""

import math
import random
import socket
import threading
import time

import numpy as np
import pytest
import torch

from lab_utils.grade import wire

VALUES = [
    None,
    True,
    -(2**70),
    1.5,
    "naïve \u2028 text",
    b"\x00\xff",
    [],
    [1, [2.0, {"a": b"x", "$bytes": 1, "$dict": {}}]],
    {"": {"$array": 3}},
]


def fail(_: object) -> int:
    raise AssertionError("no function was sent")


def crossed(value: object) -> object:
    return wire.unpack(wire.pack(value, fail), fail)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values_come_back(value: object) -> None:
    assert crossed(value) == value
    assert type(crossed(value)) is type(value)


def test_arrays_and_tensors_come_back() -> None:
    array = np.arange(6, dtype=">i4").reshape(2, 3)[:, ::-1]
    assert np.array_equal(crossed(array), array)  # type: ignore[arg-type]
    tensor = torch.randn(3, 4).T
    assert torch.equal(crossed(tensor), tensor)  # type: ignore[arg-type]
    assert crossed(np.float32(0.5)) == 0.5
    assert crossed(np.bool_(True)) is True
    for number in (math.inf, -math.inf):
        assert crossed(number) == number
    assert crossed((1, 2)) == [1, 2]
    for nothing in (np.zeros(0), np.zeros((0, 224), dtype=np.uint8), torch.zeros(3, 0)):
        assert tuple(crossed(nothing).shape) == tuple(nothing.shape)  # type: ignore[attr-defined]
    assert crossed(torch.tensor(2.5)) == 2.5


def test_text_that_no_file_can_hold_is_made_whole() -> None:
    assert crossed({"\ud800": "a\udfff"}) == {"?": "a?"}
    assert crossed("𝄞") == "𝄞"


@pytest.mark.parametrize(
    "value",
    [object(), {1: 2}, {1, 2}, 1j, np.array([object()]), torch.ones(1, dtype=torch.bfloat16)],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_plain_is_refused(value: object) -> None:
    with pytest.raises(wire.WireError):
        wire.pack(value, fail)


@pytest.mark.parametrize(
    "frames",
    [
        [b"{"],
        [b'{"$bytes": 1}'],
        [b'{"$bytes": 0}'],
        [b'{"$bytes": "x"}'],
        [b'{"$array": 1, "dtype": "O", "shape": [1]}', b"12345678"],
        [b'{"$array": 1, "dtype": "<f8", "shape": [9]}', b"12345678"],
        [b'{"$array": 1, "dtype": "<f8", "shape": [-1, 0]}', b""],
        [b'{"$array": 1, "dtype": "nonsense", "shape": [1]}', b"1"],
        [b"\xff\xff"],
        [b"[" * 50_000],
        [b"[" * 100 + b"]" * 100],
        [b"[" + b"[]," * 2**20 + b"[]]"],
        [b'"' + b"x" * 2**25 + b'"'],
        [b"NaN"],
        [b'{"$bytes": 1e999}', b"x"],
        [b'{"$dict": []}'],
        [b'{"$dict": null}'],
        [b'[{"$bytes": 1}, {"$bytes": 1}]', b"x"],  # one frame many times: a bomb
        [b'{"$array": 1, "dtype": "<f8", "shape": [1099511627776, 0]}', b""],
        [b'{"$array": 1, "dtype": "<f8,<f8", "shape": [1]}', bytes(16)],
        [b'{"$array": 1, "dtype": "(9,)f8", "shape": [1]}', bytes(72)],
        [b'{"$array": 1, "dtype": "<f16", "shape": [1], "tensor": true}', bytes(16)],
        [b'{"$array": 1, "dtype": "<f8", "shape": 3}', bytes(24)],
        [b'{"$function": "x"}'],
        [b"9" * 5000],
    ],
)
def test_forged_frames_are_errors(frames: list[bytes]) -> None:
    with pytest.raises(wire.WireError):
        wire.unpack(frames, fail)  # type: ignore[arg-type]


def test_random_bytes_never_do_more_than_raise() -> None:
    chance = random.Random(0)
    for _ in range(300):
        here, there = socket.socketpair()
        with here, there:
            there.sendall(chance.randbytes(chance.randint(0, 200)))
            there.close()
            with pytest.raises((wire.WireError, wire.Closed)):
                wire.unpack(wire.receive(here), fail)  # type: ignore[arg-type]


def test_a_large_message_crosses_a_socket() -> None:
    value = {"pixels": np.random.default_rng(0).integers(0, 255, 3_000_000, dtype=np.uint8)}
    here, there = socket.socketpair()
    with here, there:
        sender = threading.Thread(target=wire.send, args=(there, wire.pack(value, fail)))
        sender.start()
        got = wire.unpack(wire.receive(here), fail)  # type: ignore[arg-type]
        sender.join()
    assert np.array_equal(got["pixels"], value["pixels"])


def test_silence_ends_at_the_deadline_and_a_gone_sender_at_once() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"\x00")  # a first byte, then nothing
        with pytest.raises(wire.TimeUp):
            wire.receive(here, time.monotonic() + 0.05)
        there.close()
        with pytest.raises(wire.Closed):
            wire.receive(here)
