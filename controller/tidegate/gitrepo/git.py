"""Git by subprocess: a cleaned environment, no prompts, no hooks, a timeout, and errors sorted by who can mend them.

Neighbours: tree.py reads, remote.py fetches and pushes, revert.py and record.py write (docs/design/git.md).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError

LOCAL_TIMEOUT = 60.0
NETWORK_TIMEOUT = 180.0

# What a person may set on purpose to reach a remote. Every other GIT_* would move us to another repository or index.
_KEPT = frozenset({
    "GIT_EXEC_PATH", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH",
    "GIT_SSL_CERT", "GIT_SSL_KEY", "GIT_SSL_NO_VERIFY", "GIT_ASKPASS", "GIT_HTTP_PROXY_AUTHMETHOD",
    "GIT_ALLOW_PROTOCOL", "GIT_PROXY_COMMAND", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
})  # fmt: skip

# A user's own configuration stays in force for credentials, proxies and `insteadOf`; these of it would change our work.
_SETTINGS = (
    "core.hooksPath=/dev/null", "core.autocrlf=false", "core.fsmonitor=false", "commit.gpgSign=false",
    "tag.gpgSign=false", "push.gpgSign=false", "push.followTags=false", "push.recurseSubmodules=no", "push.pushOption=",
    "fetch.recurseSubmodules=false", "fetch.prune=false", "log.showSignature=false", "i18n.commitEncoding=UTF-8",
    "gc.autoDetach=false", "maintenance.autoDetach=false",
)  # fmt: skip


class DamagedRepository(RetryLater):
    """Objects or refs of the local repository cannot be read. A mirror makes itself anew and goes on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What git said: exit code, standard output as bytes, standard error as text."""

    code: int
    out: bytes
    err: str


def clean_environment() -> dict[str, str]:
    """The environment for every git child: nothing that points elsewhere, nothing that asks, messages in English."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if (not name.startswith("GIT_") or name in _KEPT) and name not in ("SSH_ASKPASS", "LANGUAGE")
    }
    return environment | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "LC_ALL": "C",
    }


class Git:
    """One repository by its git directory (a bare one, or a clone's `.git`). Nothing stays open between calls."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def of_clone(cls, path: Path) -> Git:
        """The repository that the folder `path` belongs to. Raises NeedsPerson when there is none."""
        command = ["git", "-C", str(path), "rev-parse", "--absolute-git-dir"]
        answer = _run(command, None, clean_environment(), LOCAL_TIMEOUT)
        if answer.code:
            raise sort(answer.err, where=str(path))
        return cls(Path(answer.out.decode().rstrip("\n")))

    def ask(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = LOCAL_TIMEOUT,
    ) -> Answer:
        """Run git; a non-zero exit is an answer. Raises NeedsPerson without git, RetryLater after `timeout` seconds."""
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        command = ["git", f"--git-dir={self.directory}", *settings, *arguments]
        return _run(command, stdin, clean_environment() | dict(environment or {}), timeout)

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = LOCAL_TIMEOUT,
        where: str | None = None,
    ) -> bytes:
        """Run git and give its output. Raises NeedsPerson, RetryLater or DamagedRepository as `sort` says."""
        answer = self.ask(*arguments, stdin=stdin, environment=environment, timeout=timeout)
        if answer.code:
            raise sort(answer.err or f"git {arguments[0]} ended with {answer.code}", where=where or str(self.directory))
        return answer.out

    def line(self, *arguments: str, environment: Mapping[str, str] | None = None, stdin: bytes | None = None) -> str:
        """`run`, for commands that print one word such as an object id."""
        return self.run(*arguments, environment=environment, stdin=stdin).decode("utf-8", "replace").strip()


def _run(command: list[str], stdin: bytes | None, environment: Mapping[str, str], timeout: float) -> Answer:
    try:
        # An own session: no terminal that ssh could ask on, and one group to end when the time is over.
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise NeedsPerson(
            "the program 'git' was not found", fix="install git 2.34 or newer, and put it on PATH"
        ) from error
    with child:
        try:
            out, err = child.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise RetryLater(f"git {_verb(command)} gave no answer for {timeout:g} s", delay=5.0) from error
        finally:
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
    return Answer(child.returncode, out, redact(err.decode("utf-8", "replace")))


def _verb(command: list[str]) -> str:
    words = iter(command[1:])
    for word in words:
        if word in ("-c", "-C"):
            next(words)
        elif not word.startswith("-"):
            return word
    return ""


def redact(text: str) -> str:
    """The same text without the user and password of any URL in it."""
    return re.sub(r"(\w+://)[^/@\s'\"]+@", r"\1***@", text)


_DAMAGED = re.compile(
    r"object file .* is empty|loose object .* is corrupt|inflate: data stream error|unable to (?:unpack|read|parse)"
    r"|packfile .* (?:does not match|cannot be|claims)|index file .* is (?:too small|corrupt)|reference broken"
    r"|bad (?:tree|blob|commit) object|missing (?:blob|tree|commit)|did not send all necessary objects|bad ref "
    r"|broken ref|invalid sha1 pointer|garbage at end of|file .* is far too short|not a git repository: '"
)
_PERSON = (
    (
        r"dubious ownership",
        "give the folder to the user Tidegate runs as, or: git config --global --add safe.directory PATH",
    ),
    (r"Host key verification failed", "add the host to known_hosts of the user Tidegate runs as (ssh-keyscan HOST)"),
    (
        r"Authentication failed|could not read (?:Username|Password)|terminal prompts disabled|Permission denied"
        r"|Permission to .* denied|returned error: 40[13]|[Aa]ccess denied|not authorized|HTTP Basic: Access",
        "give the user Tidegate runs as a credential that may read and push: an ssh key or a credential helper",
    ),
    (
        r"not a git repository|does not appear to be a git repository|[Rr]epository .*not found|returned error: 404"
        r"|does not exist|unable to find remote helper|No such file or directory|no such remote",
        "check 'repository' in tidegate.yaml: a URL or a path that 'git ls-remote' can read",
    ),
    (
        r"couldn't find remote ref|unknown revision|Not a valid (?:object|commit) name",
        "check the name of the branch or commit",
    ),
    (r"bad config", "mend the line in git's configuration file"),
    (r"mismatched algorithms", "use a SHA-1 repository: SHA-256 repositories are not supported"),
)
_LATER = (
    (r"\.lock'?: File exists|cannot lock ref|Unable to create .*lock", 0.2, None),
    (r"No space left|Disk quota exceeded", 30.0, "free some space: the old state goes on serving meanwhile"),
)


def sort(err: str, *, where: str | None = None) -> TidegateError:
    """The right error for git's own words: NeedsPerson, RetryLater (also for the unknown) or DamagedRepository."""
    own = "\n".join(line for line in err.splitlines() if not line.startswith("remote:"))
    place = redact(where) if where else None
    message = _words(err)
    for pattern, delay, fix in _LATER:
        if re.search(pattern, own):
            return RetryLater(message, where=place, fix=fix, delay=delay)
    if _DAMAGED.search(own):
        return DamagedRepository(message, where=place, fix="git fsck tells what is damaged; a fresh clone mends it")
    for pattern, help_ in _PERSON:
        if re.search(pattern, err):
            return NeedsPerson(message, where=place, fix=help_)
    return RetryLater(message, where=place, delay=5.0)


def _words(err: str) -> str:
    """The telling lines of an error, in one line: `fatal:` first, no advice, no progress."""
    lines = [line.strip() for line in redact(err).splitlines() if line.strip() and not line.startswith("hint:")]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))] or lines
    short = [re.sub(r"^(fatal|error|remote): *", "", line) for line in telling]
    return "git: " + "; ".join(dict.fromkeys(line for line in short if line))[:500] if short else "git failed silently"
