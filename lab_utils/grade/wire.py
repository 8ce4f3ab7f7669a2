"""How values cross between the grader and an answer: JSON and raw frames, never pickle.

A message is one JSON document, in which bytes, arrays and tensors are references to the frames
that follow it and functions are numbers. Reading it can build nothing but plain values, so an
answer cannot make the grader run code, and an object "that equals everything" arrives as what it
is made of, or not at all.

On the socket: the number of frames and each one's length (unsigned, 8 bytes, big-endian), then
the frames themselves, the JSON document first.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

MAX_BYTES = 256 * 2**20
MAX_ANSWER_BYTES = 128 * 2**20
"""From an answer: what it becomes in the grader's memory (a list of numbers) is many times more."""
MAX_DOCUMENT_BYTES, MAX_CONTAINERS = 32 * 2**20, 2**20
MAX_FRAMES = 4096
MAX_DEPTH = 20
MAX_DTYPE = 8
MAX_ROWS_OF_NOTHING = 2**20
NUMBER = struct.Struct(">Q")

Function: TypeAlias = Callable[..., Any]
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError,
             MemoryError)  # fmt: skip
"""What reading a message raises that `pack` has not written."""


class WireError(Exception):
    """A value that cannot cross, or a message that is not one."""


class TimeUp(Exception):  # noqa: N818  it says what happened
    """The other side did not answer before the deadline."""


class Closed(Exception):  # noqa: N818  it says what happened
    """The other side has gone."""


def pack(value: Any, register: Callable[[Function], int]) -> list[bytes]:
    """The frames of a value; `register` gives a function its number.

    Raises WireError, naming the type, for what is not a plain value.
    """
    frames: list[bytes] = [b""]
    frames[0] = json.dumps(_plain(value, frames, register, 0), allow_nan=False).encode()
    return frames


def unpack(frames: Sequence[bytes], function: Callable[[int], Function]) -> Any:
    """The value of `pack`; `function` makes the stand-in of a number.

    Raises WireError for anything that `pack` would not have written.
    """
    document = frames[0]
    if len(document) > MAX_DOCUMENT_BYTES:
        raise WireError(f"a value that takes {len(document)} bytes without its arrays")
    if document.count(b"[") + document.count(b"{") > MAX_CONTAINERS:
        raise WireError("a value of more than a million lists or dicts")
    try:
        plain = json.loads(document, parse_constant=_not_json)
        return _value(plain, dict(enumerate(frames[1:], 1)), function, 0)
    except MALFORMED as error:
        raise WireError(f"malformed message ({type(error).__name__})") from None


def send(channel: socket.socket, frames: Sequence[bytes], deadline: float | None = None) -> None:
    """Write one message; raises Closed where its reader has gone, TimeUp where it does not read."""
    send_joined(channel, joined(frames), deadline)


def joined(frames: Sequence[bytes]) -> bytes:
    """One message as it goes over the socket."""
    head = NUMBER.pack(len(frames)) + b"".join(NUMBER.pack(len(frame)) for frame in frames)
    return head + b"".join(frames)


def send_joined(channel: socket.socket, message: bytes, deadline: float | None = None) -> None:
    """Write a message that `joined` made; `deadline` and errors as in `send`."""
    left_s = None if deadline is None else deadline - time.monotonic()
    if left_s is not None and left_s <= 0:
        raise TimeUp
    try:
        channel.settimeout(left_s)
        channel.sendall(message)
    except TimeoutError:
        raise TimeUp from None
    except OSError:
        raise Closed from None


def receive(
    channel: socket.socket, deadline: float | None = None, most_bytes: int = MAX_BYTES
) -> list[bytes]:
    """Read one message; `deadline` is a `time.monotonic()`. Raises TimeUp, Closed, WireError."""
    count = NUMBER.unpack(_exactly(channel, NUMBER.size, deadline))[0]
    if not 1 <= count <= MAX_FRAMES:
        raise WireError("malformed message (number of frames)")
    lengths = [NUMBER.unpack(_exactly(channel, NUMBER.size, deadline))[0] for _ in range(count)]
    if sum(lengths) > most_bytes:
        raise WireError(f"a value of {sum(lengths)} bytes; at most {most_bytes} may cross")
    return [_exactly(channel, length, deadline) for length in lengths]


def _exactly(channel: socket.socket, size: int, deadline: float | None) -> bytes:
    parts = []
    while size:
        left_s = None if deadline is None else deadline - time.monotonic()
        if left_s is not None and left_s <= 0:
            raise TimeUp
        try:
            channel.settimeout(left_s)
            part = channel.recv(min(size, 2**20))
        except TimeoutError:
            raise TimeUp from None
        except OSError:
            raise Closed from None
        if not part:
            raise Closed
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _plain(value: Any, frames: list[bytes], register: Callable[[Function], int], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise WireError(f"a value nested more than {MAX_DEPTH} deep")
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        value = value.item()  # np.float32(…) and its like are numbers to their author
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, int):  # a subclass of a plain type crosses as that type
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray | memoryview):
        frames.append(bytes(value))
        return {"$bytes": len(frames) - 1}
    if isinstance(value, list | tuple):
        return [_plain(item, frames, register, depth + 1) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise WireError("a dict with keys that are not strings")
        items = {str(k): _plain(v, frames, register, depth + 1) for k, v in value.items()}
        return {"$dict": items} if any(key.startswith("$") for key in items) else items
    if type(value).__module__.split(".")[0] == "torch" and hasattr(value, "detach"):
        return _array(_numpy(value), frames) | {"tensor": True}
    if isinstance(value, np.ndarray):
        return _array(value, frames)
    if callable(value):
        return {"$function": register(value)}
    raise WireError(f"a {type(value).__name__}")


def _numpy(tensor: Any) -> np.ndarray:
    try:
        array: np.ndarray = tensor.detach().cpu().contiguous().numpy()
    except (TypeError, RuntimeError):
        raise WireError(f"a tensor of {tensor.dtype}") from None
    return array


def _array(array: np.ndarray, frames: list[bytes]) -> dict[str, Any]:
    if array.dtype.kind not in "biuf":
        raise WireError(f"an array of {array.dtype}")
    frames.append(np.ascontiguousarray(array).tobytes())
    return {"$array": len(frames) - 1, "dtype": array.dtype.str, "shape": list(array.shape)}


def _value(
    plain: Any, frames: dict[int, bytes], function: Callable[[int], Function], depth: int
) -> Any:
    if depth > 3 * MAX_DEPTH:
        raise WireError(f"a value nested more than {MAX_DEPTH} deep")
    if isinstance(plain, str):
        return _text(plain)
    if isinstance(plain, list):
        return [_value(item, frames, function, depth + 1) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if "$float" in plain:
        return float(plain["$float"])
    if "$bytes" in plain:
        return _taken(plain["$bytes"], frames)
    if "$function" in plain:
        return function(int(plain["$function"]))
    if "$array" in plain:
        return _read_array(plain, frames)
    items = plain.get("$dict", plain)
    return {_text(k): _value(v, frames, function, depth + 1) for k, v in items.items()}


def _read_array(plain: dict[str, Any], frames: dict[int, bytes]) -> Any:
    name, shape = plain["dtype"], [int(n) for n in plain["shape"]]
    dtype = np.dtype(str(name)[:MAX_DTYPE])
    if dtype.kind not in "biuf":
        raise WireError(f"an array of {dtype}")
    if math.prod(n for n in shape if n) > MAX_ROWS_OF_NOTHING and 0 in shape:
        raise WireError("an array of more than a million rows of nothing")
    array = np.frombuffer(_taken(plain["$array"], frames), dtype).reshape(shape).copy()
    if not plain.get("tensor"):
        return array
    import torch  # a tensor crosses only where both sides use torch

    return torch.from_numpy(array)


def _taken(number: Any, frames: dict[int, bytes]) -> bytes:
    """A frame. There is one for each value: who names it twice would have it copied twice."""
    return frames.pop(int(number))


def _text(text: str) -> str:
    """Text that can be written, printed and stored: half a character becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _not_json(constant: str) -> None:
    raise ValueError(constant)
