"""Is this pair of files a certificate with its key, and until when? Asked before Envoy gets them. Neighbour: renewal.py.

The standard library checks the pair but does not tell when a certificate ends: that is read from its bytes (RFC 5280, 4.1).
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"
_EXPLICIT_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17


def check_pair(chain: bytes, key: bytes) -> None:
    """Raises ValueError when the key (PEM) is not that of the first certificate in `chain` (PEM), or needs a password."""

    def no_password() -> str:
        raise ValueError("the key is encrypted: nobody is there to type its password")

    with tempfile.TemporaryDirectory(prefix="tidegate-tls-") as folder:  # of this user alone
        files = Path(folder, "certificate"), Path(folder, "key")
        for file, content in zip(files, (chain, key), strict=True):
            file.write_bytes(content)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files, password=no_password)
        except ssl.SSLError as error:
            raise ValueError(f"these are no certificate and its key: {error.reason or error}") from error


def ends(pem: bytes) -> float:
    """When the first of the certificates that stand in `pem` ends to be valid, in epoch seconds. Raises ValueError."""
    blocks = [block.partition(_END)[0] for block in pem.split(_BEGIN)[1:]]
    if not blocks:
        raise ValueError("there is no certificate in PEM")
    try:
        return min(_ends(ssl.PEM_cert_to_DER_cert((_BEGIN + block + _END).decode("ascii"))) for block in blocks)
    except (IndexError, UnicodeDecodeError, StopIteration) as error:
        raise ValueError("this is no certificate") from error


def _ends(der: bytes) -> float:
    """Certificate = {{[version], serial, algorithm, issuer, {not before, not after}, ...}, ...}."""
    (_, certificate), *_ = _values(der)
    (_, signed), *_ = _values(certificate)
    fields = [value for tag, value in _values(signed) if tag != _EXPLICIT_VERSION]
    _, (tag, text) = _values(fields[3])
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC).timestamp()


def _values(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each value, one after the other (DER, X.690)."""
    at = 0
    while at < len(der):
        tag, size, at = der[at], der[at + 1], at + 2
        if size & 0x80:
            digits = size & 0x7F
            size, at = int.from_bytes(der[at : at + digits], "big"), at + digits
        yield tag, der[at : at + size]
        at += size
