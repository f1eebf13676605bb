"""The even server of run.py: streams chats in OpenAI's form, word after word by the clock, each with the moment it was sent.

    python words.py WORDS FIRST GAP        prints its port; milliseconds to the first word and from word to word

It reads nothing of a request but its length. Moments are of CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(text: str) -> bytes:
    """An event of the stream, as one chunk of the answer."""
    event = f"data: {text}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(event), event)


def word(number: int) -> bytes:
    """One word, sent now."""
    choice = {"index": 0, "delta": {"content": f"word{number} "}}
    return chunk(json.dumps({"model": "words", "sent": time.monotonic(), "choices": [choice]}))


async def serve(words: int, first: float, gap: float) -> None:
    """Until the process is ended. Times in seconds."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0))
                began = time.monotonic()
                writer.write(HEAD)
                for number in range(words):
                    await asyncio.sleep(began + first + number * gap - time.monotonic())
                    writer.write(word(number))
                writer.write(chunk("[DONE]") + b"0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000, float(sys.argv[3]) / 1000))
