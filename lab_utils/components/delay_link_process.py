"""Passes on what comes to a port, later: each byte, in either direction, DELAY_S after it was sent.

Not imported: `delay_link` runs this file with the plain interpreter, so it starts in milliseconds.

    python delay_link_process.py FD HOST PORT DELAY_S
"""

import asyncio
import contextlib
import socket
import sys

PIECE = 64 * 1024
UNDER_WAY, BACKLOG = 1024, 2048
BROKEN = (OSError, asyncio.IncompleteReadError)


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


async def main(descriptor: int, host: str, port: int, delay_s: float) -> None:
    """Carry until killed."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*BROKEN, ExceptionGroup):
            # The handshake goes there and back before the first byte may be sent.
            await asyncio.sleep(2 * delay_s)
            there, back = await asyncio.open_connection(host, port)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(carry(reader, back, delay_s))
                    tasks.create_task(carry(there, writer, delay_s))
            finally:
                back.close()
        writer.close()

    listener = socket.socket(fileno=descriptor)
    async with await asyncio.start_server(connected, sock=listener, backlog=BACKLOG) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
