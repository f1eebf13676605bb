"""Where artifacts come from: `file:` and `https:` addresses, read once, chunk by chunk, into a checked intake.

Neighbours: store.py keeps what arrives. Every way to fail is told apart here: who can mend it, and how.
"""

from __future__ import annotations

import errno
import hashlib
import io
import ipaddress
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError

SUPPORTED = "file:, https: (and http: to the loopback address)"
UPLOAD = "correct the uri, or upload the file again"
CHUNK = 1 << 20
CONNECT_TIMEOUT = 10.0
SILENCE_TIMEOUT = 30.0
"""Seconds to connect, and without a byte, until a server counts as gone. The whole has no limit: models are big.
`artifacts.stores: {https: {timeout: 60}}` sets the second one."""

Read = Callable[[str], bytes]


class Intake(io.RawIOBase):
    """Takes the bytes of one artifact: writes, counts and hashes them; stops at the first byte beyond `size`."""

    def __init__(self, descriptor: int, where: str, size: int | None) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._where = where
        self._size = size
        self._sha256 = hashlib.sha256()
        self.taken = 0

    def writable(self) -> bool:
        """Always: that is what it is for."""
        return True

    def write(self, data: Any) -> int:
        """Take the next bytes. Raises NeedsPerson for more than declared or a full disk."""
        chunk = memoryview(data).cast("B")
        if self._size is not None and self.taken + len(chunk) > self._size:
            raise NeedsPerson(
                f"the file is longer than the {self._size} bytes declared",
                where=self._where,
                fix="correct `size` and `sha256`, or the uri: this is another file",
            )
        self._sha256.update(chunk)
        self.taken += len(chunk)
        try:
            rest = chunk
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise local_fault(error, self._where, "the artifact cache") from error
        return len(chunk)

    @property
    def digest(self) -> str:
        """The sha256 of what was taken so far, 64 hex."""
        return self._sha256.hexdigest()


def local_fault(
    error: OSError, where: str, what: str, fix: str = "correct the uri, or put the file there"
) -> TidegateError:
    """What a failed read or write on this machine means: a full disk and missing rights need a person."""
    reason = f"{what}: {error.strerror or error}"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return NeedsPerson(
                f"no space left for {what}",
                where=where,
                fix="free some with `tidegate gc`, or move it: artifacts.cache",
            )
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return NeedsPerson(reason, where=where, fix="give the controller's user the right to it")
        case errno.ENOENT | errno.ENOTDIR | errno.EISDIR | errno.EEXIST | errno.ELOOP | errno.ENAMETOOLONG:
            return NeedsPerson(reason, where=where, fix=fix)
        case _:
            return RetryLater(reason, where=where, delay=5.0)


def file_name(uri: str) -> str:
    """A plain file name for the artifact, from the end of its uri: `model.onnx`. `artifact` where that has none."""
    name = unquote(PurePosixPath(urlsplit(uri).path).name)
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")[-128:] or "artifact"


def pour(uri: str, intake: Intake, base: Path, stores: Mapping[str, Mapping[str, Any]], read: Read | None) -> None:
    """Bring the bytes of `uri` into the intake. A relative `file:` path is read by `read`, or below `base` without one.

    Raises NeedsPerson when a person has to mend the uri or its source, RetryLater when it may pass by itself.
    """
    parts = urlsplit(uri)
    match parts.scheme:
        case "file":
            _pour_file(uri, parts, intake, base, read)
        case "http" | "https":
            _check_address(uri, parts)
            _pour_http(uri, intake, stores.get(parts.scheme, {}))
        case "":
            raise NeedsPerson("the uri has no scheme", where=uri, fix=f"write file:{uri} for a file of this repository")
        case other:
            raise NeedsPerson(f"'{other}:' is not supported", where=uri, fix=f"supported are {SUPPORTED}")


def _pour_file(uri: str, parts: SplitResult, intake: Intake, base: Path, read: Read | None) -> None:
    if parts.netloc not in ("", "localhost"):
        raise NeedsPerson(
            f"'{parts.netloc}' stands where a host name would",
            where=uri,
            fix=f"write file:{parts.netloc}{parts.path} (relative to the repository) or file:///... (absolute)",
        )
    path = unquote(parts.path)
    if not path.strip("/") or "\0" in path:
        raise NeedsPerson("the uri names no file", where=uri, fix="write file:PATH or file:///PATH")
    if path.startswith("/"):
        _copy(Path(path), intake, uri)
        return
    if ".." in PurePosixPath(path).parts:
        raise NeedsPerson("a relative path may not leave the repository", where=uri, fix="write it without '..'")
    plain = str(PurePosixPath(path))
    if read is None:
        whole = (base / plain).resolve()
        if not whole.is_relative_to(base.resolve()):
            raise NeedsPerson("a link leads out of the repository", where=uri, fix="name the file itself: file:///...")
        _copy(whole, intake, uri)
        return
    try:
        intake.write(read(plain))
    except (FileNotFoundError, KeyError) as error:
        raise NeedsPerson(
            f"there is no file '{plain}' at this commit", where=uri, fix="commit the file, or correct the uri"
        ) from error


def _copy(path: Path, intake: Intake, uri: str) -> None:
    try:
        # O_NONBLOCK: a pipe of that name must not make us wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise local_fault(error, uri, str(path)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NeedsPerson("this is no plain file", where=uri, fix="name one file; pack a folder into an archive")
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        while True:
            try:
                chunk = file.read(CHUNK)
            except OSError as error:
                raise local_fault(error, uri, str(path)) from error
            if not chunk:
                return
            intake.write(chunk)


def _check_address(uri: str, parts: SplitResult) -> None:
    if parts.username or parts.password:
        raise NeedsPerson(
            "a uri in git may not carry credentials",
            where=uri.replace(parts.netloc, parts.hostname or ""),
            fix="take them out of the uri, and give them in tidegate.yaml: artifacts.stores",
        )
    if not parts.hostname:
        raise NeedsPerson("the uri names no host", where=uri, fix="write https://HOST/PATH")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise NeedsPerson("plain http is for the loopback address only", where=uri, fix="write https://")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _pour_http(uri: str, intake: Intake, options: Mapping[str, Any]) -> None:
    # Imported here: `tidegate validate` knows this module's neighbours and must not pay for an HTTP client.
    import aiohttp
    import fsspec  # type: ignore[import-untyped]  # fsspec ships no types
    from fsspec.exceptions import FSTimeoutError  # type: ignore[import-untyped]  # as above

    silence = float(options.get("timeout", SILENCE_TIMEOUT))
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=silence)
    headers = {"Accept-Encoding": "identity", **options.get("headers", {})}  # the digest is of the bytes as stored
    client = {"timeout": timeout, **options.get("client_kwargs", {})}
    rest = {name: value for name, value in options.items() if name not in ("headers", "client_kwargs", "timeout")}
    files = fsspec.filesystem(
        "http", skip_instance_cache=True, encoded=True, headers=headers, client_kwargs=client, **rest
    )
    try:
        files.get_file(uri, intake, chunk_size=CHUNK)
    except TidegateError:
        raise
    except FileNotFoundError as error:
        raise NeedsPerson("is not there: HTTP 404", where=uri, fix=UPLOAD) from error
    except aiohttp.ClientResponseError as error:
        raise _status_fault(error.status, error.message, uri) from error
    except aiohttp.ClientPayloadError as error:
        raise RetryLater(f"the transfer broke off after {intake.taken} bytes", where=uri, delay=5.0) from error
    except (aiohttp.ClientSSLError, aiohttp.InvalidURL) as error:
        raise NeedsPerson(
            f"cannot be fetched: {error}", where=uri, fix="correct the uri, or the server's certificate"
        ) from error
    except (TimeoutError, FSTimeoutError) as error:
        raise RetryLater(f"no answer in time ({intake.taken} bytes came)", where=uri, delay=5.0) from error
    except (aiohttp.ClientError, OSError) as error:
        raise RetryLater(f"out of reach: {error}", where=uri, delay=5.0) from error


def _status_fault(status: int, text: str, uri: str) -> TidegateError:
    reason = f"HTTP {status} {text}".strip()
    if status in (401, 403, 407):
        return NeedsPerson(
            f"the server refused: {reason}", where=uri, fix="give credentials in tidegate.yaml: artifacts.stores"
        )
    if status in (408, 425, 429) or status >= 500:
        return RetryLater(f"the server failed: {reason}", where=uri, delay=10.0)
    return NeedsPerson(f"is not there: {reason}", where=uri, fix=UPLOAD)
