"""The cache of artifacts: what comes out of it is whole and right, and nothing half-written stays in it."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.artifacts.lock import BusyError, locked
from tidegate.artifacts.sources import file_name
from tidegate.artifacts.store import Removed, Store
from tidegate.spec.errors import NeedsPerson

WEIGHTS = b"weights " * 1000
SHA = hashlib.sha256(WEIGHTS).hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    (folder / "artifacts").mkdir(parents=True)
    (folder / "artifacts" / "model.onnx").write_bytes(WEIGHTS)
    return folder


@pytest.fixture
def store(tmp_path, repository):
    return Store(tmp_path / "cache", {}, repository)


def everything(tmp_path: Path) -> list[Path]:
    """All files in the cache but the lock files, which are empty."""
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.parent.name != "locks"]


def test_a_relative_uri_lies_below_the_base(store, tmp_path):
    path = store.fetch("file:artifacts/model.onnx", SHA)
    assert path.read_bytes() == WEIGHTS
    assert path == tmp_path / "cache" / "sha256" / SHA[:2] / SHA / "model.onnx"


def test_a_cached_file_can_be_read_by_all_and_written_by_nobody(store):
    assert stat.S_IMODE(store.fetch("file:artifacts/model.onnx", SHA).stat().st_mode) == 0o444


def test_an_absolute_uri_needs_no_base(store, repository):
    for uri in (f"file://{repository}/artifacts/model.onnx", f"file:{repository}/artifacts/model.onnx"):
        assert store.fetch(uri, SHA, size=len(WEIGHTS)).read_bytes() == WEIGHTS


def test_a_relative_uri_can_be_read_from_a_commit_without_a_work_tree(store):
    asked = []

    def read(path):
        asked.append(path)
        return WEIGHTS

    assert store.fetch("file:models/digits/my%20model.onnx", SHA, read=read).read_bytes() == WEIGHTS
    assert asked == ["models/digits/my model.onnx"]


def test_a_path_that_the_commit_does_not_have_needs_a_person(store, tmp_path):
    def read(path):
        raise FileNotFoundError(path)

    with pytest.raises(NeedsPerson, match=r"no file 'gone.onnx' at this commit"):
        store.fetch("file:gone.onnx", SHA, read=read)
    assert everything(tmp_path) == []


def test_the_second_fetch_does_not_look_at_the_source(store, repository):
    first = store.fetch("file:artifacts/model.onnx", SHA)
    (repository / "artifacts" / "model.onnx").unlink()
    assert store.cached("file:artifacts/model.onnx", SHA) == first
    assert store.fetch("file:artifacts/model.onnx", SHA) == first


def test_a_wrong_digest_is_refused_with_both_digests_and_nothing_stays(store, tmp_path):
    with pytest.raises(NeedsPerson, match="wrong digest") as raised:
        store.fetch("file:artifacts/model.onnx", OTHER)
    assert OTHER in raised.value.message
    assert SHA in raised.value.message
    assert raised.value.where == "file:artifacts/model.onnx"
    assert raised.value.fix
    assert everything(tmp_path) == []
    assert store.cached("file:artifacts/model.onnx", OTHER) is None


def test_a_truncated_file_is_told_from_a_wrong_one(store, repository, tmp_path):
    (repository / "artifacts" / "model.onnx").write_bytes(WEIGHTS[:5000])
    with pytest.raises(NeedsPerson, match="truncated: 5000 of 8000 bytes"):
        store.fetch("file:artifacts/model.onnx", SHA, size=8000)
    with pytest.raises(NeedsPerson, match=r"wrong digest.*these 5000 bytes"):
        store.fetch("file:artifacts/model.onnx", SHA)
    assert everything(tmp_path) == []


def test_a_file_longer_than_declared_is_refused_before_it_is_all_here(store, tmp_path):
    with pytest.raises(NeedsPerson, match="longer than the 10 bytes"):
        store.fetch("file:artifacts/model.onnx", SHA, size=10)
    assert everything(tmp_path) == []


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("file:artifacts/gone.onnx", "No such file"),
        ("file:artifacts", "no plain file"),
        ("file:../outside.onnx", "may not leave the repository"),
        ("file:artifacts/%2E%2E/%2E%2E/outside.onnx", "may not leave the repository"),
        ("file:", "names no file"),
        ("file:///", "names no file"),
        ("file://artifacts/model.onnx", "stands where a host name would"),
        ("artifacts/model.onnx", "has no scheme"),
        ("s3://models/model.onnx", "'s3:' is not supported"),
        ("http://models.example.com/model.onnx", "plain http is for the loopback"),
        ("https:///model.onnx", "names no host"),
        ("https://user:secret@models.example.com/model.onnx", "may not carry credentials"),
    ],
)
def test_a_uri_that_cannot_work_needs_a_person_and_says_how(store, uri, message, tmp_path):
    with pytest.raises(NeedsPerson, match=message) as raised:
        store.fetch(uri, SHA)
    assert raised.value.fix
    assert "secret" not in str(raised.value)
    assert everything(tmp_path) == []


def test_a_link_out_of_the_repository_is_refused(store, repository, tmp_path):
    (tmp_path / "secret").write_bytes(WEIGHTS)
    (repository / "link.onnx").symlink_to(tmp_path / "secret")
    with pytest.raises(NeedsPerson, match="leads out of the repository"):
        store.fetch("file:link.onnx", SHA)


def test_a_pipe_is_refused_and_not_waited_for(store, repository):
    os.mkfifo(repository / "pipe.onnx")
    with pytest.raises(NeedsPerson, match="no plain file"):
        store.fetch("file:pipe.onnx", SHA)


def test_a_digest_that_is_none_needs_a_person(store):
    for digest in ("", "../../etc", SHA.upper(), SHA[:-1]):
        with pytest.raises(NeedsPerson, match="is no sha256"):
            store.fetch("file:artifacts/model.onnx", digest)


def corrupt(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def test_a_corrupted_cached_file_is_fetched_again(store):
    path = store.fetch("file:artifacts/model.onnx", SHA)
    corrupt(path, WEIGHTS[:-1] + b"X")
    assert store.cached("file:artifacts/model.onnx", SHA) is None
    assert store.fetch("file:artifacts/model.onnx", SHA) == path
    assert path.read_bytes() == WEIGHTS


def test_a_corruption_that_keeps_size_and_modification_time_is_seen(store):
    path = store.fetch("file:artifacts/model.onnx", SHA)
    before = path.stat()
    corrupt(path, WEIGHTS[:-1] + b"X")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.fetch("file:artifacts/model.onnx", SHA).read_bytes() == WEIGHTS


def test_a_corrupted_cached_file_whose_source_is_gone_is_not_served(store, repository):
    path = store.fetch("file:artifacts/model.onnx", SHA)
    (repository / "artifacts" / "model.onnx").unlink()
    corrupt(path, b"bad")
    with pytest.raises(NeedsPerson, match="No such file"):
        store.fetch("file:artifacts/model.onnx", SHA)
    assert not path.exists()


def test_a_file_that_was_only_touched_is_hashed_and_kept(store, repository):
    path = store.fetch("file:artifacts/model.onnx", SHA)
    inode = path.stat().st_ino
    os.utime(path)
    (repository / "artifacts" / "model.onnx").unlink()
    assert store.fetch("file:artifacts/model.onnx", SHA) == path
    assert path.stat().st_ino == inode


@pytest.mark.parametrize("stamp", ["", "[]", "null", '{"model.onnx": 3}'])
def test_a_damaged_stamp_only_costs_a_hash(store, repository, stamp):
    path = store.fetch("file:artifacts/model.onnx", SHA)
    (path.parent / ".verified").write_text(stamp)
    (repository / "artifacts" / "model.onnx").unlink()
    assert store.fetch("file:artifacts/model.onnx", SHA) == path


def test_recheck_finds_what_a_disk_has_changed_silently(store, tmp_path, monkeypatch):
    path = store.fetch("file:artifacts/model.onnx", SHA)
    assert store.recheck() == []
    # a silent fault leaves every mark as it was: write a right stamp beside wrong bytes
    corrupt(path, b"X" * len(WEIGHTS))
    from tidegate.artifacts import store as module

    module._stamp(path)
    assert store.fetch("file:artifacts/model.onnx", SHA) == path
    assert store.recheck() == [SHA]
    assert store.fetch("file:artifacts/model.onnx", SHA).read_bytes() == WEIGHTS


def test_a_vanished_cached_file_is_fetched_again(store):
    path = store.fetch("file:artifacts/model.onnx", SHA)
    path.unlink()
    assert store.fetch("file:artifacts/model.onnx", SHA).read_bytes() == WEIGHTS


def test_what_a_crash_left_is_cleaned_by_the_next_fetch_and_by_collect(store, tmp_path):
    partial = tmp_path / "cache" / "partial"
    partial.mkdir(parents=True)
    for name in (f"{SHA}.abc", f"{OTHER}.def"):
        (partial / name).write_bytes(b"half")
    store.fetch("file:artifacts/model.onnx", SHA)
    assert [path.name for path in partial.iterdir()] == [f"{OTHER}.def"]
    assert store.collect({SHA}) == []
    assert list(partial.iterdir()) == []


def test_collect_removes_all_that_is_not_kept(store, repository):
    kept = store.fetch("file:artifacts/model.onnx", SHA)
    (repository / "other.onnx").write_bytes(b"other")
    gone = store.fetch("file:other.onnx", OTHER)
    assert store.collect({SHA}) == [Removed(OTHER, 5)]
    assert kept.exists()
    assert not gone.exists()
    assert store.fetch("file:other.onnx", OTHER).read_bytes() == b"other"
    assert {removed.sha256 for removed in store.collect(set())} == {SHA, OTHER}


def test_collect_of_an_empty_cache_removes_nothing(store):
    assert store.collect(set()) == []


def test_collect_leaves_what_is_being_fetched(store, tmp_path):
    store.fetch("file:artifacts/model.onnx", SHA)
    with locked(tmp_path / "cache" / "locks" / SHA):
        assert store.collect(set()) == []
    assert store.collect(set()) == [Removed(SHA, len(WEIGHTS))]


def test_two_threads_with_a_store_each_read_the_source_once(tmp_path, repository):
    reads = []
    begin = threading.Barrier(4)

    def read(path):
        reads.append(path)
        return WEIGHTS

    found = []

    def fetch():
        begin.wait()
        found.append(Store(tmp_path / "cache", {}, repository).fetch("file:model.onnx", SHA, read=read))

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1
    assert len(set(found)) == 1


PROGRAM = """
import sys, pathlib
from tidegate.artifacts.store import Store
def read(path):
    with open(sys.argv[2], "a") as file:
        file.write("read\\n")
    return b"weights " * 1000
print(Store(pathlib.Path(sys.argv[1]), {}, pathlib.Path()).fetch("file:model.onnx", sys.argv[3], read=read))
"""


def test_two_controllers_fetch_once(tmp_path):
    words = [sys.executable, "-c", PROGRAM, str(tmp_path / "cache"), str(tmp_path / "reads"), SHA]
    processes = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    paths = {process.communicate(timeout=30)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(paths) == 1
    assert (tmp_path / "reads").read_text() == "read\n"


def test_a_controller_that_is_killed_in_mid_fetch_leaves_nothing_that_is_used(tmp_path, store):
    program = PROGRAM.replace('return b"weights " * 1000', "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    words = [sys.executable, "-c", program, str(tmp_path / "cache"), str(tmp_path / "reads"), SHA]
    assert subprocess.run(words, check=False).returncode == -9
    assert [path.name.partition(".")[0] for path in everything(tmp_path)] == [SHA]
    assert store.cached("file:artifacts/model.onnx", SHA) is None
    path = store.fetch("file:artifacts/model.onnx", SHA)
    assert sorted(file.name for file in everything(tmp_path)) == [".verified", path.name]


def test_a_full_disk_is_said_and_nothing_half_written_stays(tiny_disk, repository):
    big = os.urandom(200_000)
    (repository / "big.onnx").write_bytes(big)
    store = Store(tiny_disk / "cache", {}, repository)
    digest = hashlib.sha256(big).hexdigest()
    with pytest.raises(NeedsPerson, match="no space left for the artifact cache") as raised:
        store.fetch("file:big.onnx", digest)
    assert "tidegate gc" in (raised.value.fix or "")
    assert list((tiny_disk / "cache" / "partial").iterdir()) == []
    assert store.fetch("file:artifacts/model.onnx", SHA).read_bytes() == WEIGHTS


def test_too_little_space_for_the_declared_size_is_said_before_anything_is_read(tiny_disk, repository):
    asked = []
    with pytest.raises(NeedsPerson, match=r"no space left .*200000 bytes needed"):
        Store(tiny_disk / "cache", {}, repository).fetch("file:big.onnx", SHA, size=200_000, read=asked.append)
    assert asked == []


def test_a_disk_without_room_even_for_a_folder_is_said(tiny_disk, repository):
    with pytest.raises(OSError):
        (tiny_disk / "filler").write_bytes(b"x" * 100_000)
    with pytest.raises(NeedsPerson, match="no space left"):
        Store(tiny_disk / "cache", {}, repository).fetch("file:artifacts/model.onnx", SHA)


def test_a_cache_that_cannot_be_a_folder_needs_a_person(tmp_path, repository):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(NeedsPerson, match=r"Not a directory|File exists") as raised:
        Store(tmp_path / "cache", {}, repository).fetch("file:artifacts/model.onnx", SHA)
    assert "artifacts.cache" in (raised.value.fix or "")


def test_a_lock_that_is_held_is_busy_and_one_that_was_removed_is_taken_anew(tmp_path):
    path = tmp_path / "lock"
    with locked(path, remove=True):
        with pytest.raises(BusyError), locked(path, wait=False):
            pytest.fail("two holders")
        order = []
        waiter = threading.Thread(target=lambda: _take(path, order))
        waiter.start()
        order.append("first")
    waiter.join()
    assert order == ["first", "second"]
    with locked(path, wait=False):
        pass


def _take(path: Path, order: list[str]) -> None:
    with locked(path):
        order.append("second")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:artifacts/model.onnx", "model.onnx"),
        ("https://example.com/m/model.onnx?versionId=abc/d", "model.onnx"),
        ("file:a/mein%20Modell.onnx", "mein_Modell.onnx"),
        ("https://example.com/", "artifact"),
        ("file:a/..", "artifact"),
        ("file:a/.verified", "verified"),
    ],
)
def test_a_file_keeps_a_usable_name(uri, name):
    assert file_name(uri) == name


@given(st.text())
def test_no_uri_gives_a_name_that_leads_anywhere_else(path):
    name = file_name("file:" + path.replace("[", "").replace("]", ""))
    assert name not in ("", ".", "..")
    assert not name.startswith(".")
    assert Path(name).name == name
    assert len(name) <= 128
