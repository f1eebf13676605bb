"""HTTP/2 as bytes: frames that no client library would send, for requests that mean harm. Neighbour: test_gateway_http2.py.

RFC 9113 (frames) and RFC 7541 (header fields): literals without an index, no Huffman code.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4

Fields = Sequence[tuple[bytes, bytes]]


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def fields(pairs: Fields) -> bytes:
    """A header block. Names and values of at most 126 bytes."""
    return b"".join(b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in pairs)


def request(path: bytes, *more: tuple[bytes, bytes], method: bytes = b"POST") -> Fields:
    """The fields of a sound request, and those given."""
    sound = (b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", b"a")
    return (*sound, *more)


def exchange(port: int, head: Fields, *bodies: bytes) -> tuple[bytes | None, int | None]:
    """Send one request on stream 1; the first byte of the answer's header block, or the code by which it was refused.

    The byte tells the status by HPACK's static table: 0x88 is 200, 0x8c 400, 0x8d 404; 0x48 any other. None and None: closed.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        end = 0 if bodies else END_STREAM
        sent = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS | end, 1, fields(head))
        for number, body in enumerate(bodies):
            sent += frame(DATA, END_STREAM if number == len(bodies) - 1 else 0, 1, body)
        client.sendall(sent)
        for kind, stream, content in _frames(client):
            if kind == HEADERS and stream == 1:
                return content[:1], None
            if kind == RESET and stream == 1:
                return None, int(struct.unpack(">I", content)[0])
            if kind == GOAWAY:
                return None, int(struct.unpack(">II", content[:8])[1])
    return None, None


def _frames(client: socket.socket) -> Iterable[tuple[int, int, bytes]]:
    buffer = b""
    while True:
        while len(buffer) >= 9 and len(buffer) >= 9 + (size := int.from_bytes(buffer[:3], "big")):
            yield buffer[3], int.from_bytes(buffer[5:9], "big"), buffer[9 : 9 + size]
            buffer = buffer[9 + size :]
        try:
            more = client.recv(65536)
        except ConnectionResetError:
            return
        if not more:
            return
        buffer += more
