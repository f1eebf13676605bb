"""Asks a registry, over its HTTP API (OCI distribution, version 2), which digest a tag has now. Anonymously.

Neighbour: resolver.py, which asks the local engine where a registry wants to know who asks. Standard library only.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from http.client import HTTPMessage
from typing import IO, Final
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

TIMEOUT: Final = 10.0
"""Seconds without an answer until a registry counts as gone."""
_LARGEST = 4 * 1024 * 1024
_HUB = "registry-1.docker.io"
_ACCEPT = ", ".join((
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
))  # fmt: skip
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FIELD = re.compile(r'([a-z_]+)="([^"]*)"')


def split(reference: str) -> tuple[str, str, str]:
    """Registry host, repository and tag of a reference without a digest, with the defaults that engines have."""
    head, slash, rest = reference.partition("/")
    hosted = slash and ("." in head or ":" in head or head == "localhost" or head != head.lower())
    host, path = (head, rest) if hosted else ("docker.io", reference)
    repository, _, tag = path.rpartition(":") if ":" in path else (path, "", "latest")
    if host in ("docker.io", "index.docker.io"):
        host, repository = _HUB, repository if "/" in repository else f"library/{repository}"
    return host, repository, tag


def digest(reference: str, timeout: float = TIMEOUT) -> str:
    """The `sha256:...` of the manifest that the tag names now. Raises OSError (it says why) when nobody could say."""
    host, repository, tag = split(reference)
    scheme = "http" if is_loopback(host) else "https"
    url = f"{scheme}://{host}/v2/{repository}/manifests/{tag}"
    opener = _opener(host)
    headers = {"Accept": _ACCEPT}
    try:
        return _manifest(opener, url, headers, timeout)
    except HTTPError as error:
        if error.code != 401:
            raise
        challenge = error.headers.get("WWW-Authenticate", "")
        token = _token(opener, challenge, repository, timeout)
    return _manifest(opener, url, headers | {"Authorization": f"Bearer {token}"}, timeout)


def is_loopback(host: str) -> bool:
    """Whether a registry is of this machine: those speak plain http, as they do to the engine."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _manifest(opener: OpenerDirector, url: str, headers: dict[str, str], timeout: float) -> str:
    """The digest by the header of a HEAD request, else by hashing what a GET request brings."""
    with opener.open(Request(url, headers=headers, method="HEAD"), timeout=timeout) as answer:  # noqa: S310 http and https
        given: str = answer.headers.get("Docker-Content-Digest", "")
    if _DIGEST.fullmatch(given):
        return given
    with opener.open(Request(url, headers=headers), timeout=timeout) as answer:  # noqa: S310 http and https only
        content: bytes = answer.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise OSError(f"the manifest has more than {_LARGEST} bytes")
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _token(opener: OpenerDirector, challenge: str, repository: str, timeout: float) -> str:
    """A token to read with, of whom the registry names (the distribution's token authentication)."""
    fields = dict(_FIELD.findall(challenge))
    realm = fields.get("realm", "")
    secure = realm.startswith("https://") or (realm.startswith("http://") and is_loopback(urlsplit(realm).netloc))
    if not challenge.lower().startswith("bearer ") or not secure:
        raise OSError("it wants a password")
    asked = {"scope": fields.get("scope") or f"repository:{repository}:pull"}
    asked |= {"service": fields["service"]} if "service" in fields else {}
    with opener.open(f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}", timeout=timeout) as answer:
        try:
            found = json.loads(answer.read(_LARGEST))
        except ValueError as error:
            raise OSError("its token server gives no JSON") from error
    token = (found.get("token") or found.get("access_token")) if isinstance(found, dict) else None
    if not isinstance(token, str) or not token.isprintable():
        raise OSError("its token server gives no token")
    return token


class _Redirects(HTTPRedirectHandler):
    """Follows a redirect, and leaves the token behind when it leads to another host."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """The next request; None for a redirect that is not to be followed."""
        if req.full_url.startswith("https://") and not newurl.startswith("https://"):
            return None
        after = super().redirect_request(req, fp, code, msg, headers, newurl)
        if after is not None:
            after.method = req.get_method()
            if urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
                after.remove_header("Authorization")
        return after


def _opener(host: str) -> OpenerDirector:
    """Proxies of the environment, but for this machine's own registries."""
    return build_opener(_Redirects, ProxyHandler({}) if is_loopback(host) else ProxyHandler())
