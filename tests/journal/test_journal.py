"""The journal: durable or not written, one owner, readable beside it, clear when something is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.journal.journal import KEPT_LOSSES, KEPT_VERDICTS, Journal
from tidegate.journal.lease import LeaseHeld
from tidegate.journal.reader import Reader
from tidegate.journal.schema import FORMAT
from tidegate.spec.errors import NeedsPerson, RetryLater


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path, now=lambda: 1000.0) as opened:
        yield opened


def event(at: float, kind: str, route: str = "digits", **more: Any) -> dict[str, Any]:
    return {"at": at, "route": route, "kind": kind, **more}


def test_what_is_put_comes_back(journal: Journal) -> None:
    doc = {"route": "digits", "stable": None, "weights": {"a": 0.5}, "name": "Zähler\n", "e": 1e308, "n": [1, [2]]}
    with journal.transaction() as t:
        t.put_state("digits", doc)
        t.put_cursor("record", {"file": "a.log", "offset": 12})
        t.add_verdict("digits", {"at": 5.0, "result": "pass"})
    assert journal.state("digits") == doc
    assert journal.states() == {"digits": doc}
    assert journal.cursor("record") == {"file": "a.log", "offset": 12}
    assert journal.verdicts("digits") == [{"at": 5.0, "result": "pass", "id": 1}]
    assert journal.state("other") is None
    assert journal.cursor("other") is None


@settings(max_examples=40, deadline=None)
@given(
    doc=st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        ),
        max_size=5,
    )
)
def test_any_json_document_comes_back_as_it_was(doc: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder, "j.db")) as journal:
        if "\ud800" <= max(json.dumps(doc, ensure_ascii=False), default="") <= "\udfff":
            return
        with journal.transaction() as t:
            t.put_state("r", doc)
        assert journal.state("r") == doc


def test_a_state_takes_the_place_of_the_one_before_and_can_be_dropped(journal: Journal) -> None:
    for number in range(3):
        with journal.transaction() as t:
            t.put_state("digits", {"n": number})
    assert journal.states() == {"digits": {"n": 2}}
    with journal.transaction() as t:
        t.drop_state("digits")
    assert journal.states() == {}


def test_a_transaction_that_raises_leaves_nothing(journal: Journal) -> None:
    with pytest.raises(ZeroDivisionError), journal.transaction() as t:
        t.put_state("digits", {"n": 1})
        t.add_events([event(1.0, "started")])
        t.put_cursor("record", {"offset": 1})
        _ = 1 / 0
    assert (journal.state("digits"), journal.events(), journal.cursor("record")) == (None, [], None)
    with pytest.raises(TypeError), journal.transaction() as t:
        t.put_state("digits", {"n": 1})
        t.put_state("digits", {"n": object()})
    assert journal.state("digits") is None


def test_a_transaction_is_on_disk_when_its_block_ends(path: Path) -> None:
    """A process is killed right after one transaction, and in the middle of the next."""
    program = textwrap.dedent(f"""\
        import os, signal, sys
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        from tidegate.journal.journal import Journal
        journal = Journal(Path({str(path)!r}))
        with journal.transaction() as t:
            t.put_state("digits", {{"n": 1}})
            t.add_events([{{"at": 1.0, "route": "digits", "kind": "started"}}])
        with journal.transaction() as t:
            t.put_state("digits", {{"n": 2}})
            os.kill(os.getpid(), signal.SIGKILL)
        """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with Reader(path) as reader:
        assert reader.state("digits") == {"n": 1}
    with Journal(path) as journal:
        assert journal.state("digits") == {"n": 1}
        assert len(journal.events()) == 1


def test_events_come_oldest_first_with_ids_to_go_on_from(journal: Journal) -> None:
    with journal.transaction() as t:
        t.add_events(event(float(n), "step", "digits" if n % 2 else "other", n=n) for n in range(10))
    assert [e["n"] for e in journal.events(limit=3)] == [7, 8, 9]
    assert [e["n"] for e in journal.events("digits", limit=2)] == [7, 9]
    assert [e["n"] for e in journal.events(since=8.0)] == [8, 9]
    first = journal.events(after=0, limit=4)
    assert [e["n"] for e in first] == [0, 1, 2, 3]
    assert [e["n"] for e in journal.events(after=first[-1]["id"], limit=4)] == [4, 5, 6, 7]
    assert journal.events(after=journal.events()[-1]["id"]) == []


def test_history_tells_what_became_of_each_release_newest_first(journal: Journal) -> None:
    with journal.transaction() as t:
        t.add_events([event(1.0, "started"), event(2.0, "promoted", version="1.0.0"), event(3.0, "held")])
        t.add_events([event(4.0, "rolled_back", version="2.0.0"), event(5.0, "promoted", "other", version="7.0.0")])
        t.add_events([event(6.0, "fast_rollback", version="1.0.0"), event(7.0, "superseded", version="3.0.0")])
    assert [e["version"] for e in journal.history("digits")] == ["3.0.0", "1.0.0", "2.0.0", "1.0.0"]
    assert [e["version"] for e in journal.history("digits", limit=1)] == ["3.0.0"]
    assert [e["version"] for e in journal.history(limit=3)] == ["3.0.0", "1.0.0", "7.0.0"]


def test_what_ran_at_a_time_is_the_last_event_before_it(journal: Journal) -> None:
    with journal.transaction() as t:
        t.add_events([event(1.0, "promoted", weights={"a": 1.0}), event(5.0, "step", weights={"a": 0.9, "b": 0.1})])
        t.add_events([event(3.0, "promoted", "other", weights={"z": 1.0})])
    assert journal.at(0.5) == {}
    assert {route: e["weights"] for route, e in journal.at(4.0).items()} == {"digits": {"a": 1.0}, "other": {"z": 1.0}}
    assert journal.at(5.0)["digits"]["weights"] == {"a": 0.9, "b": 0.1}


def test_only_the_newest_verdicts_of_each_route_stay(journal: Journal) -> None:
    with journal.transaction() as t:
        t.add_verdict("other", {"n": -1})
        for n in range(KEPT_VERDICTS + 5):
            t.add_verdict("digits", {"n": n})
    kept = journal.verdicts("digits", limit=KEPT_VERDICTS * 2)
    assert (len(kept), kept[0]["n"], kept[-1]["n"]) == (KEPT_VERDICTS, 5, KEPT_VERDICTS + 4)
    assert len(journal.verdicts("other")) == 1
    assert [v["n"] for v in journal.verdicts("digits", limit=2)] == [KEPT_VERDICTS + 3, KEPT_VERDICTS + 4]


def test_a_problem_keeps_its_first_time_until_it_is_cleared(path: Path) -> None:
    clock = iter(range(100, 200)).__next__
    with Journal(path, now=lambda: float(clock())) as journal:
        for message in ("first", "second"):
            with journal.transaction() as t:
                t.put_problem("git", {"message": message})
        assert journal.status()["problems"] == [{"key": "git", "since": 101.0, "message": "second"}]
        with journal.transaction() as t:
            t.clear_problem("git")
            t.clear_problem("unknown")
            t.put_state("digits", {"n": 1})
        status = journal.status()
        assert status == {"routes": {"digits": {"n": 1}}, "problems": [], "updated_at": 103.0}


def test_a_second_controller_watches_and_readers_read(journal: Journal, path: Path) -> None:
    with pytest.raises(LeaseHeld, match=f"another controller acts \\(process {os.getpid()} on .*\\); this one watches"):
        Journal(path)
    with Reader(path) as reader:
        assert reader.states() == {}
        holder = reader.acting()
        assert holder is not None
        assert holder.owner.startswith(f"process {os.getpid()} on ")
    journal.close()
    with Journal(f"sqlite:///{path}") as next_one:
        assert next_one.states() == {}


def test_the_lock_of_a_killed_controller_is_free(path: Path) -> None:
    with subprocess.Popen(
        [
            sys.executable, "-c",
            f"import sys; sys.path[:0] = {sys.path!r}\nfrom tidegate.journal.journal import Journal\n"
            f"Journal({str(path)!r}); print('open', flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as owner:  # fmt: skip
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        with pytest.raises(LeaseHeld, match=f"process {owner.pid}"):
            Journal(path)
        owner.kill()
        owner.wait()
    Journal(path).close()


def test_reading_beside_a_writer_sees_whole_transactions_and_never_waits(journal: Journal, path: Path) -> None:
    stop = threading.Event()
    errors: list[str] = []

    def read() -> None:
        with Reader(path) as reader:
            while not stop.is_set():
                status = reader.status()["routes"]
                if len({doc["n"] for doc in status.values()}) > 1:
                    errors.append(str(status))

    reading = threading.Thread(target=read)
    reading.start()
    for number in range(60):
        with journal.transaction() as t:
            t.put_state("a", {"n": number})
            t.put_state("b", {"n": number})
    stop.set()
    reading.join()
    with journal.transaction() as t, Reader(path) as reader:
        t.put_state("a", {"n": -1})
        assert reader.state("a") == {"n": 59}
    assert errors == []


def test_several_threads_may_write(journal: Journal) -> None:
    def write(name: str) -> None:
        for number in range(20):
            with journal.transaction() as t:
                t.add_events([event(float(number), "step", name)])

    threads = [threading.Thread(target=write, args=(f"route-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.events(limit=1000)) == 80


def test_a_journal_that_is_not_there_is_not_made_by_reading(path: Path) -> None:
    with pytest.raises(NeedsPerson, match="there is no journal yet") as caught:
        Reader(path)
    assert "tidegate run" in str(caught.value.fix)
    assert not path.exists()


def test_a_journal_can_be_read_when_its_controller_is_gone(journal: Journal, path: Path) -> None:
    with journal.transaction() as t:
        t.put_state("digits", {"n": 1})
    journal.close()
    with Reader(path) as reader:
        assert reader.state("digits") == {"n": 1}
    with pytest.raises(NeedsPerson, match="cannot be opened"), Reader(path) as reader:
        path.unlink()
        reader.states()


def test_a_newer_format_is_refused_by_owner_and_reader_and_left_alone(path: Path) -> None:
    Journal(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE meta SET value = '{FORMAT + 1}' WHERE key = 'format'")
        connection.commit()
    before = path.read_bytes()
    for opened in (Journal, Reader):
        with pytest.raises(
            NeedsPerson, match=f"has format {FORMAT + 1}, and this Tidegate knows formats up to {FORMAT}"
        ):
            opened(path)
    assert path.read_bytes() == before


FORMATS = Path(__file__).parent / "formats"


@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_every_older_format_opens_and_keeps_what_it_held(number: int, path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((FORMATS / f"{number}.sql").read_text())
    with Journal(path, now=lambda: 9.0) as journal:
        assert journal.state("digits") == {"n": number}
        assert journal.events()[0]["kind"] == "promoted"
        assert journal.cursor("record") == {"offset": 7}
        assert journal.verdicts("digits")[0]["result"] == "pass"
        assert journal.status()["problems"] == [{"key": "git", "since": 1.0, "message": "m"}]
        with journal.transaction() as t:
            t.put_state("digits", {"n": 0})
            t.add_events([event(9.0, "step")])
            t.add_losses([{"at": 9.0, "kind": "malformed", "lines": 2}])
        assert journal.losses(limit=1)[0]["lines"] == 2


def test_a_reader_of_a_journal_from_before_losses_were_kept_knows_of_none(path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((FORMATS / "2.sql").read_text())
    with Reader(path) as reader:
        assert reader.losses() == []


def test_of_losses_the_newest_stay(journal: Journal) -> None:
    with journal.transaction() as t:
        t.add_losses({"at": float(n), "kind": "malformed"} for n in range(KEPT_LOSSES + 3))
    kept = journal.losses(limit=KEPT_LOSSES + 3)
    assert [kept[0]["at"], kept[-1]["at"], len(kept)] == [3.0, KEPT_LOSSES + 2.0, KEPT_LOSSES]


def test_an_empty_file_left_by_a_crash_becomes_a_journal(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(NeedsPerson, match="the journal is empty"):
        Reader(path)
    with Journal(path) as journal:
        assert journal.states() == {}


def test_somebody_elses_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    for opened in (Journal, Reader):
        with pytest.raises(NeedsPerson, match="no Tidegate journal"):
            opened(path)


@pytest.mark.parametrize("harm", ["text", "middle", "cut"])
def test_a_damaged_file_is_named_and_left_alone(path: Path, harm: str) -> None:
    with Journal(path) as journal, journal.transaction() as t:
        t.add_events(event(float(n), "step", text="x" * 200) for n in range(2000))
    content = path.read_bytes()
    broken = {
        "text": b"not a database at all " * 100,
        "middle": content[:8192] + b"\xff" * 20000 + content[28192:],
        "cut": content[:20000],
    }
    path.write_bytes(broken[harm])
    with pytest.raises(NeedsPerson, match="the journal is damaged") as caught:
        Journal(path)
    assert "move the file away" in str(caught.value.fix)
    assert path.read_bytes() == broken[harm]


def test_a_full_disk_is_told_and_half_writes_nothing(path: Path) -> None:
    """A limit on file size stands for the disk: the same write fails in the same place."""
    program = textwrap.dedent(f"""\
        import resource, sys
        sys.path[:0] = {sys.path!r}
        from tidegate.journal.journal import Journal
        from tidegate.spec.errors import RetryLater
        with Journal({str(path)!r}) as journal:
            with journal.transaction() as t:
                t.put_state("digits", {{"n": 1}})
            resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
            try:
                with journal.transaction() as t:
                    t.put_state("digits", {{"n": 2}})
                    t.put_state("large", {{"n": "x" * 500_000}})
            except RetryLater as error:
                print(error)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            print(journal.states())
            with journal.transaction() as t:
                t.put_state("digits", {{"n": 3}})
            print(journal.states())
        """)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the journal cannot be written" in done.stdout
    assert "free some space" in done.stdout
    assert done.stdout.splitlines()[-2:] == ["{'digits': {'n': 1}}", "{'digits': {'n': 3}}"]


def test_a_folder_that_cannot_be_written_is_told_and_can_still_be_read(path: Path) -> None:
    """As a user without the right to write there: root may write anywhere."""
    with Journal(path) as journal, journal.transaction() as t:
        t.put_state("digits", {"n": 1})
    program = textwrap.dedent(f"""\
        import os, sys
        sys.path[:0] = {sys.path!r}
        from tidegate.journal.journal import Journal
        from tidegate.journal.reader import Reader
        from tidegate.spec.errors import NeedsPerson
        path = sys.argv[1]
        if os.geteuid() == 0:
            os.setgid(65534), os.setuid(65534)
        try:
            Journal(path)
        except NeedsPerson as error:
            print(error.message, "|", error.fix)
        print(Reader(path).state("digits"))
        """)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "journal.db")
        place.write_bytes(path.read_bytes())
        place.chmod(0o444)
        Path(folder).chmod(0o555)
        done = subprocess.run([sys.executable, "-c", program, place], capture_output=True, text=True, check=False)
        Path(folder).chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "the journal's lock cannot be made: Permission denied | "
        "give the folder to the user Tidegate runs as, or set 'journal' in tidegate.yaml",
        "{'n': 1}",
    ]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NeedsPerson, match="the journal's folder cannot be made"):
        Journal(tmp_path / "file" / "journal.db")


def test_another_kind_of_database_is_refused_for_now() -> None:
    with pytest.raises(NeedsPerson, match="'postgresql' cannot hold a journal yet"):
        Journal("postgresql://db.example.com/tidegate")


def test_an_error_while_opening_lets_go_of_the_lock(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all " * 100)
    for _ in range(2):
        with pytest.raises((NeedsPerson, RetryLater), match="damaged"):
            Journal(path)
    path.unlink()
    Journal(path).close()
