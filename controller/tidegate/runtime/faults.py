"""What the engine's errors mean: who can mend it, and whether trying again may help.

Neighbours: docker.py and images.py call the engine inside `engine_faults`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError

_GPU = "could not select device driver"
_FULL = "no space left on device"
_NO_FILE = re.compile(r"bind source path does not exist: (\S+)")
_NO_COMMAND = ("executable file not found", "no such file or directory: unknown", "permission denied: unknown")


@contextmanager
def engine_faults(doing: str) -> Iterator[None]:
    """Turn the SDK's errors into ours. Nothing else is touched."""
    try:
        yield
    except APIError as error:
        raise _refusal(error, doing) from error
    except (DockerException, RequestException, HTTPError, OSError) as error:
        raise RetryLater(
            f"the Docker engine does not answer: cannot {doing}: {_short(str(error))}",
            fix="start it (`docker info` says whether it runs), or correct `runtime.host` in tidegate.yaml",
            delay=2.0,
        ) from error


def is_conflict(error: APIError) -> bool:
    """The name is taken, or a removal is in progress."""
    return error.status_code == 409


def is_missing_image(error: APIError) -> bool:
    """A create that failed only because the image is not on this engine."""
    return isinstance(error, ImageNotFound) or (error.status_code == 404 and "image" in _text(error).lower())


def cannot_see(error: APIError, path: Path) -> bool:
    """A create that failed because this path, which is here, is not where the engine runs."""
    return f"bind source path does not exist: {path}" in _text(error) and path.exists()


def _refusal(error: APIError, doing: str) -> TidegateError:
    text = _text(error)
    message = f"the Docker engine refused to {doing}: {text}"
    if _GPU in text:
        return NeedsPerson(message, fix="install the engine's GPU support on this host, or set `resources.gpus: 0`")
    if _FULL in text:
        return NeedsPerson(message, fix="free disk space: `tidegate gc`, `docker system prune`")
    if missing := _NO_FILE.search(text):
        if Path(missing[1]).exists():
            return NeedsPerson(
                f"the Docker engine does not see {missing[1]}: it runs on another machine, or in a box of its own",
                fix="give engine and controller one file system, and set `artifacts.cache` to a folder both see",
            )
        return RetryLater(f"{missing[1]} is gone from the artifact cache; it is fetched again")
    if any(words in text for words in _NO_COMMAND):
        return NeedsPerson(message, fix="correct `runtime.command`: the image has no such program")
    if error.status_code in (400, 403, 404):
        return NeedsPerson(message, fix="correct `runtime` in the version's file")
    return RetryLater(message, delay=2.0)


def _text(error: APIError) -> str:
    return _short(str(error.explanation or error))


def _short(text: str) -> str:
    return " ".join(text.split())[:400]
