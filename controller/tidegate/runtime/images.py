"""Brings an image that the engine lacks, by digest, and tells "there is no such image" from "try again"; takes it away.

Neighbours: docker.py calls it when a container cannot be made for lack of its image, and for `tidegate gc`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import docker
from docker.errors import APIError, ImageNotFound
from docker.utils import parse_repository_tag

from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError

_GONE = ("not found", "manifest unknown", "does not exist", "no matching manifest", "name unknown", "invalid reference")
_REFUSED = ("unauthorized", "denied", "forbidden", "no basic auth credentials")
_FULL = "no space left on device"


def pull(client: docker.DockerClient, image: str) -> None:
    """Pull `NAME@sha256:...` (or a tag). Raises NeedsPerson (no such image, no right, disk full) or RetryLater."""
    if re.fullmatch(r"(sha256:)?[0-9a-f]{64}", image):
        raise NeedsPerson(
            "this engine has no image of that id, and an id alone cannot be pulled",
            where=image,
            fix="build the image here, or push it to a registry and name it NAME@sha256:...",
        )
    repository, tag = parse_repository_tag(image)
    try:
        for line in client.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
            if "error" in line:
                raise _fault(image, str(line["error"]))
    except APIError as error:
        raise _fault(image, str(error.explanation or error)) from error


def idle(client: docker.DockerClient, names: Iterable[str]) -> dict[str, int]:
    """Of these images those that the engine has and no container uses, running or not, with their size in bytes."""
    used = {entry["ImageID"] for entry in client.api.containers(all=True)}
    found = {}
    for name in sorted(names):
        try:
            image = client.images.get(name)
        except ImageNotFound:
            continue
        if image.id not in used:
            found[name] = int(image.attrs["Size"])
    return found


def drop(client: docker.DockerClient, name: str) -> None:
    """Remove an image by this name; one that a container uses stays, and so does one with another name besides."""
    try:
        client.api.remove_image(name, force=False)
    except APIError as error:
        raise NeedsPerson(f"the image stays: {error.explanation or error}", where=name) from error


def _fault(image: str, text: str) -> TidegateError:
    low = text.lower()
    if _FULL in low:
        return NeedsPerson(f"cannot be pulled: {text}", where=image, fix="free disk space: docker system prune")
    if any(words in low for words in _GONE):
        return NeedsPerson(
            f"there is no such image: {text}", where=image, fix="push the image, or correct its digest in the version"
        )
    if any(words in low for words in _REFUSED):
        return NeedsPerson(f"cannot be pulled: {text}", where=image, fix="log the engine's host in: docker login")
    return RetryLater(f"cannot be pulled now: {text}", where=image, delay=10.0)
