"""The model server of the reconcile benchmark: `server.py PORT ANSWER`. Neighbour: world.py starts it."""

from __future__ import annotations

import asyncio
import sys


async def serve(port: int, answer: bytes) -> None:
    """Say `answer` to every request, on connections that stay open."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (int(w.split(b":")[1]) for w in line.lower().splitlines() if w.startswith(b"content-length:")), 0
                )
                await reader.readexactly(length)
                writer.write(head + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the caller has gone
        finally:
            writer.close()

    async with await asyncio.start_server(client, "127.0.0.1", port, backlog=1024) as listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2].encode()))
