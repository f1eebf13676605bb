"""Asks the world what a floating reference is now, for `validate --unsafe-fixes`: registries, the engine, git.

Neighbours: rules/rule.py has the protocol, rules/pins/mends.py writes the answers down, registry.py speaks to registries.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from datetime import date
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tidegate.cli.check.registry import digest
from tidegate.gitrepo.access import access_to
from tidegate.gitrepo.git import clean_environment, redact
from tidegate.rules.pins.images import split_tag
from tidegate.spec.errors import NeedsPerson

if TYPE_CHECKING:
    import docker

TIMEOUT: Final = 20.0
"""Seconds until a repository counts as gone."""
_FULL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT = re.compile(r"[0-9a-f]{7,63}")
_NAME = re.compile(r"[A-Za-z0-9_][^\s~^:?*\[\\]*")


class WorldResolver:
    """`rules.rule.Resolver` for a command at a terminal. `root`: the configuration repository, `today`: for the comments.

    Everything is asked once. `reasons`: by reference, why nobody could say.
    """

    def __init__(self, root: Path, today: date) -> None:
        self.root = root
        self.today = today
        self.reasons: dict[str, str] = {}
        self._known: dict[tuple[str, str], str | None] = {}

    def image(self, reference: str) -> str | None:
        """The digest that the registry has for this tag now, asked directly and then through the engine."""
        key = ("", reference)
        if key not in self._known:
            self._known[key] = self._image(reference)
        return self._known[key]

    def commit(self, repository: str, reference: str) -> str | None:
        """The full commit of a branch, a tag, or of a short commit that the clone here or a tip of the remote has."""
        key = (repository, reference)
        if key not in self._known:
            self._known[key] = self._commit(repository, reference)
        return self._known[key]

    def _image(self, reference: str) -> str | None:
        try:
            return digest(reference)
        except (OSError, HTTPException) as error:
            self.reasons[reference] = f"the registry: {error}"
        return self._by_engine(reference)

    def _by_engine(self, reference: str) -> str | None:
        """The engine has credentials that we have not, and remembers what it pulled from a registry that is gone now."""
        import docker
        from docker.errors import APIError, DockerException, NotFound

        try:
            client = docker.from_env(version="auto", timeout=int(TIMEOUT))
        except DockerException as error:
            self.reasons[reference] += f"; the engine: {error}"
            return None
        try:
            return str(client.images.get_registry_data(reference).id)
        except NotFound as error:
            self.reasons[reference] += f"; the engine: {error.explanation}"
        except APIError as error:
            self.reasons[reference] += f"; the engine: {error.explanation}"
            return self._pulled(client, reference)
        finally:
            client.close()
        return None

    def _pulled(self, client: docker.DockerClient, reference: str) -> str | None:
        """The digest under which the engine pulled or pushed its own image of that name."""
        from docker.errors import APIError

        try:
            known = client.images.get(reference).attrs.get("RepoDigests") or []
        except APIError:
            return None  # the reason is that of the registry, which is noted
        name = split_tag(reference)[0]
        found = {text.rpartition("@")[2] for text in known if text.rpartition("@")[0] == name}
        return found.pop() if len(found) == 1 else None

    def _commit(self, repository: str, reference: str) -> str | None:
        if not _NAME.fullmatch(reference) or repository.startswith("-"):
            self.reasons[reference] = "it is no name of a branch, a tag or a commit"
            return None
        tips = self._tips(repository, reference)
        if tips is None:
            return None
        wanted = [f"refs/tags/{reference}^{{}}", f"refs/tags/{reference}", f"refs/heads/{reference}"]
        wanted += [f"{reference}^{{}}", reference] if reference.startswith("refs/") or reference == "HEAD" else []
        found = next((tips[name] for name in wanted if name in tips), None)
        if found is None and _SHORT.fullmatch(reference):
            found = self._short(repository, reference)
        if found is None:
            self.reasons[reference] = f"{redact(repository)} has no branch or tag of that name"
        return found

    def _tips(self, repository: str, reference: str) -> dict[str, str] | None:
        """Refs of the remote by name; of all when a short commit is asked for. None when it is out of reach."""
        patterns = [] if _SHORT.fullmatch(reference) else [reference, f"{reference}^{{}}"]
        try:
            to = access_to(repository)
        except NeedsPerson as error:
            self.reasons[reference] = error.message
            return None
        answer = self._git("ls-remote", "--", to.url, *patterns, environment=to.environment)
        if answer is None:
            self.reasons[reference] = f"{redact(repository)} cannot be read"
            return None
        lines = (line.partition("\t") for line in answer.splitlines())
        return {name: commit for commit, _, name in lines if _FULL.fullmatch(commit)}

    def _short(self, repository: str, reference: str) -> str | None:
        """A short commit, by the clone here when it is one of that repository, else by the tips of the remote."""
        remotes = self._git("config", "--get-regexp", r"^remote\..*\.url$") or ""
        if any(line.partition(" ")[2] == repository for line in remotes.splitlines()):
            here = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
            if here is not None and _FULL.fullmatch(here.strip()):
                return here.strip()
        tips = self._tips(repository, reference) or {}
        found = {commit for commit in tips.values() if commit.startswith(reference)}
        return found.pop() if len(found) == 1 else None

    def _git(self, *words: str, environment: Mapping[str, str] | None = None) -> str | None:
        """What git prints; None when it fails, or takes longer than a person would wait."""
        transports = {"GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"}
        try:
            done = subprocess.run(
                ["git", *words],
                cwd=self.root,
                env=clean_environment() | transports | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT,
                start_new_session=True,
                check=False,
            )
        except (subprocess.TimeoutExpired, FileNotFoundError):
            return None
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
