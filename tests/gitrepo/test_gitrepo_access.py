"""A remote over HTTP with a password: git sends it, and no list of processes has it."""

from __future__ import annotations

import base64
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from gitrepo_world import AUTHOR, ENVIRONMENT, World

from tidegate.gitrepo.access import access_to
from tidegate.gitrepo.anchors import anchors_at
from tidegate.gitrepo.clone import remote_head
from tidegate.gitrepo.mirror import Mirror
from tidegate.gitrepo.remote import Update
from tidegate.spec.errors import NeedsPerson

USER, PASSWORD = "bot", "git p@ss/word:0123456789%"
WRITTEN = "git%20p%40ss%2Fword%3A0123456789%25"


def arguments() -> list[bytes]:
    """What every process that runs now was started with."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes())
        except OSError:
            continue  # it has ended
    return found


class _Server(ThreadingHTTPServer):
    """git's own program for HTTP, behind a password; at each request it looks at what runs. `root`: where repositories are."""

    daemon_threads = True
    root: Path

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[bytes] = []
        self.came: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer those who bring the password."""
        self.server.seen += arguments()
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        if self.headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("authorization") != f"Basic {expected}":
            self.server.came.append("nobody" if self.headers.get("authorization") is None else "another")
            self.send_response(401)
            self.send_header("www-authenticate", 'Basic realm="git"')
            self.send_header("content-length", "0")
            self.end_headers()
            return
        self.server.came.append(USER)
        path, _, query = self.path.partition("?")
        environment = {
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": USER,
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("content-type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding") or "",
            "GIT_PROTOCOL": self.headers.get("git-protocol") or "",
        }
        done = subprocess.run(
            ["git", "http-backend"], env={**ENVIRONMENT, **environment}, input=body, capture_output=True, check=True
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        """The same."""
        self.do_GET()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(world: World) -> Iterator[_Server]:
    """The world's remote over HTTP."""
    made = _Server()
    made.root = world.remote.parent
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_git_gets_the_password_and_no_list_of_processes_has_it(world: World, server: _Server, tmp_path: Path) -> None:
    commit = world.clone.commit("one", {"a": "1"})
    host = f"127.0.0.1:{server.server_address[1]}"
    url = f"http://{USER}:{WRITTEN}@{host}/{world.remote.name}"
    assert remote_head(url, "main") == commit
    mirror = Mirror(tmp_path / "over-http.git", url, "main", author=AUTHOR, environment="production")
    assert mirror.fetch() == commit
    assert anchors_at(url) == ()
    [pushed] = mirror.remote.push([Update("refs/tidegate/production/a", commit, "")])
    assert pushed.outcome == "ok"
    assert USER in server.came and "another" not in server.came

    of_git = [words for words in server.seen if host.encode() in words]
    assert any(words.startswith(b"git\0") for words in of_git)
    assert any(b"git-remote-http" in words or b"remote-http" in words for words in of_git)
    for secret in (PASSWORD, WRITTEN, PASSWORD.partition("@")[2]):
        assert not any(secret.encode() in words for words in server.seen)
        kept = [file for file in mirror.path.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]
        assert kept == [] and secret not in repr(mirror.remote) + mirror.remote.url


def test_a_wrong_password_needs_a_person_and_is_not_told(world: World, server: _Server) -> None:
    host = f"127.0.0.1:{server.server_address[1]}"
    with pytest.raises(NeedsPerson, match="Authentication failed") as caught:
        remote_head(f"http://{USER}:wrong-0123456789@{host}/{world.remote.name}", "main")
    assert "wrong-0123456789" not in str(caught.value) and "another" in server.came


def test_a_users_own_helper_is_asked_for_a_name_without_a_password_and_for_no_other(
    world: World, server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = world.clone.commit("one", {"a": "1"})
    host = f"127.0.0.1:{server.server_address[1]}"
    settings = tmp_path / "gitconfig"
    store = tmp_path / "store"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    settings.write_text(f"[credential]\n helper = store --file={store}\n")
    store.write_text(f"http://{USER}:{WRITTEN}@{host}\n")
    assert remote_head(f"http://{USER}@{host}/{world.remote.name}", "main") == commit
    store.write_text(f"http://{USER}:stale@{host}\n")
    server.came.clear()
    assert remote_head(f"http://{USER}:{WRITTEN}@{host}/{world.remote.name}", "main") == commit
    assert "another" not in server.came
    assert "stale" in store.read_text() and WRITTEN not in store.read_text()  # nothing is kept that was not asked to be


@pytest.mark.parametrize(
    "url",
    ["/srv/models.git", "git@git.example.com:ml/models.git", "ssh://git@git.example.com/models.git", "origin",
     "https://git.example.com/models.git", "https://git.example.com/a@b.git", "file:///srv/a@b.git"],
)  # fmt: skip
def test_a_url_without_a_password_stays_as_it_is(url: str) -> None:
    found = access_to(url)
    assert found.url == url and found.environment == {}


def test_what_git_cannot_send_needs_a_person() -> None:
    with pytest.raises(NeedsPerson, match="a character that git cannot send") as caught:
        access_to("https://bot:a%0Ab@git.example.com/models.git")
    assert "a%0A" not in str(caught.value) and caught.value.where == "https://git.example.com/models.git"
