"""Passes on what comes to a port, later: in either direction, DELAY_S after it was sent.

Not imported: `delay_link` runs this file with the plain interpreter, so it starts in milliseconds.

    python delay_link_process.py proxy FD HOST PORT DELAY_S
    python delay_link_process.py namespaces FD HOST PORT DELAY_S
    python delay_link_process.py namespaces          # may this user? ends with 0

As a *proxy* it keeps each byte for so long, and a new connection for a handshake. With *namespaces*
it makes two network namespaces and a cable between them, whose ends are TUN devices [1]: who
connects to FD is connected from the near one with the far one, by a TCP connection of its own, each
of whose packets is so long under way. That takes root, or its capabilities NET_ADMIN and SYS_ADMIN.

[1] https://docs.kernel.org/networking/tuntap.html
"""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator

PIECE = 64 * 1024
UNDER_WAY, BACKLOG = 1024, 2048
BROKEN = (OSError, asyncio.IncompleteReadError)
NEAR, FAR, FAR_PORT = "10.0.0.1", "10.0.0.2", 1  # seen by nobody outside
NEW_NAMESPACE = 0x40000000  # CLONE_NEWNET
TUNSETIFF, TUN_WITHOUT_HEADER = 0x400454CA, 0x1001
SET_ADDRESS, SET_PEER, SET_FLAGS, UP = 0x8916, 0x8918, 0x8914, 0x1

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """One direction, until its end has been passed on, too."""
    clock = asyncio.get_running_loop().time
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(UNDER_WAY)

    async def arrive() -> None:
        piece = b" "
        while piece:
            due_s, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due_s - clock()))
            if piece:
                writer.write(piece)
                await writer.drain()
        with contextlib.suppress(*BROKEN):
            writer.write_eof()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(arrive())
        piece = b" "
        while piece:
            with contextlib.suppress(*BROKEN):
                piece = b""
                piece = await reader.read(PIECE)
            await pieces.put((clock() + delay_s, piece))


async def serve(
    listener: socket.socket, onward: Callable[[], Awaitable[Streams]], delay_s: float
) -> None:
    """Each connection goes on by one of its own, until killed."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*BROKEN, ExceptionGroup):
            there, back = await onward()
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(carry(reader, back, delay_s))
                    tasks.create_task(carry(there, writer, delay_s))
            finally:
                back.close()
        writer.close()

    async with await asyncio.start_server(connected, sock=listener, backlog=BACKLOG) as server:
        await server.serve_forever()


async def proxy(listener: socket.socket, host: str, port: int, delay_s: float) -> None:
    """The delay is this program's."""

    async def onward() -> Streams:
        # The handshake goes there and back before the first byte may be sent.
        await asyncio.sleep(2 * delay_s)
        return await asyncio.open_connection(host, port)

    await serve(listener, onward, delay_s)


def checked(result: int) -> None:
    """What a function of libc gives, which says no by -1."""
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Namespace:
    """A network namespace of its own, with one end of the cable in it."""

    def __init__(self, address: str, peer: str) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        checked(self._libc.unshare(NEW_NAMESPACE))
        try:
            self._inside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            self.cable = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.cable, TUNSETIFF, struct.pack("16sH22x", b"cable", TUN_WITHOUT_HEADER))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                for what, number in ((SET_ADDRESS, address), (SET_PEER, peer)):
                    host = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(number))
                    fcntl.ioctl(control, what, struct.pack("16s16s8x", b"cable", host))
                fcntl.ioctl(control, SET_FLAGS, struct.pack("16sH22x", b"cable", UP))
        finally:
            checked(self._libc.setns(self._outside, NEW_NAMESPACE))

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets made meanwhile belong to this namespace, and stay in it."""
        checked(self._libc.setns(self._inside, NEW_NAMESPACE))
        try:
            yield
        finally:
            checked(self._libc.setns(self._outside, NEW_NAMESPACE))


def join(one: int, other: int, delay_s: float) -> None:
    """Each packet that enters the cable at one end leaves it at the other, later."""
    loop = asyncio.get_running_loop()

    def arrives(packet: bytes, end: int) -> None:
        with contextlib.suppress(OSError):  # an end that is full loses it; TCP sends it again
            os.write(end, packet)

    def sent(begin: int, end: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                loop.call_later(delay_s, arrives, os.read(begin, PIECE), end)

    loop.add_reader(one, sent, one, other)
    loop.add_reader(other, sent, other, one)


async def namespaces(listener: socket.socket, host: str, port: int, delay_s: float) -> None:
    """The delay is the cable's: handshakes, packets and acknowledgements are all under way."""
    near, far = Namespace(NEAR, FAR), Namespace(FAR, NEAR)
    join(near.cable, far.cable, delay_s)

    async def through_the_cable() -> Streams:
        with near.entered():
            sender = socket.socket()
        try:
            sender.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sender, (FAR, FAR_PORT))
            return await asyncio.open_connection(sock=sender)
        except OSError:
            sender.close()
            raise

    with far.entered():
        arrivals = socket.create_server((FAR, FAR_PORT), backlog=BACKLOG)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(arrivals, lambda: asyncio.open_connection(host, port), 0.0))
        tasks.create_task(serve(listener, through_the_cable, 0.0))


WAYS = {"proxy": proxy, "namespaces": namespaces}

if __name__ == "__main__":
    if len(sys.argv) > 2:
        way, descriptor, host, port, delay_s = sys.argv[1:]
        accepts = socket.socket(fileno=int(descriptor))
        asyncio.run(WAYS[way](accepts, host, int(port), float(delay_s)))
    else:
        Namespace(NEAR, FAR)
