"""Both ends of the benchmark's traffic, each a process of its own: two model servers, and clients that never pause.

    python traffic.py serve NAME                 prints its port; answers every request with its name
    python traffic.py ask PORT CLIENTS FILE      until its standard input ends; then writes one line an answer

Times are of CLOCK_MONOTONIC, which all processes of a machine share. A request that was sent and got no answer is a failure,
also when the proxy closed a kept connection at that moment: a user would see it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path

REQUEST = b'POST /digits/infer HTTP/1.1\r\nhost: models\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"x": [1]}'
LOST = "-"


async def serve(name: str) -> None:
    """A server on a free port."""
    answer = (
        f"HTTP/1.1 200 OK\r\nx-served-by: {name}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
    ).encode()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                await reader.readexactly(length)
                writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await until_told()
    server.close()


async def ask(port: int, clients: int, file: Path) -> None:
    """Clients on kept connections, one request at a time each."""
    answers: list[tuple[float, str]] = []
    over = False

    async def client() -> None:
        writer = None
        while not over:
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(REQUEST)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                await reader.readexactly(length)
                served = head.partition(b"x-served-by: ")[2].split(b"\r\n")[0].decode()
                answers.append((time.monotonic(), served if head.startswith(b"http/1.1 200") else LOST))
                if b"connection: close" not in head:
                    continue
            except (OSError, asyncio.IncompleteReadError, ValueError):
                answers.append((time.monotonic(), LOST))
            if writer is not None:
                writer.close()
            writer = None

    running = [asyncio.create_task(client()) for _ in range(clients)]
    print("asking", flush=True)
    await until_told()
    over = True
    await asyncio.wait(running, timeout=2)
    file.write_text("".join(f"{came:.6f} {served}\n" for came, served in answers))


async def until_told() -> None:
    """Until standard input ends: whoever started us is done, or dead."""
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(sys.argv[2]))
    else:
        asyncio.run(ask(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
