"""The record at size: archiving it, one request id in it, a day's question, and the check of the chain; beside grep and zgrep.

All lines are made here, over several days, in a folder that is removed. Questions are asked the way `tidegate audit` asks.

    python benchmarks/audit/run.py [--records 10000000] [--file 700000] [--days 5]
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from tidegate.audit.archive import Archive
from tidegate.audit.lines import session
from tidegate.audit.question import Questions, Wanted
from tidegate.audit.verify import verify

BEGIN = 1_795_000_000.0
DAY = 86_400.0
ROUTES = 20
ASKED = 20
"""Request ids that are asked for, one after the other."""


def made(path: Path, number: int, begins: float, seconds: float, seed: float) -> None:
    """Write `number` record lines, as the gateway does, spread over so many seconds."""
    with session() as database:
        database.execute("SELECT setseed(?)", [seed])
        database.execute(
            f"""
            COPY (
              SELECT '{{"time":"' || strftime(make_timestamp((({begins} + i * {seconds / number}) * 1000000)::BIGINT),
                '%Y-%m-%dT%H:%M:%S.%fZ') || '","request_id":"' || uuid() || '","route":"model-' || r || '","model":"model-' || r
                || '","feature":null,"segment":null,"role":"' || CASE WHEN c THEN 'candidate' ELSE 'stable' END
                || '","release":"' || CASE WHEN c THEN 'd3afd392bd83' ELSE '1b3a1abc20c9' END || '","version":"'
                || CASE WHEN c THEN '1.1.0' ELSE '1.0.0' END
                || '","config":null,"commit":"fb34cd8a1ab1062b7af7376294e59eb2adf4755f","status":'
                || CASE WHEN random() < 0.002 THEN 503 ELSE 200 END || ',"duration_ms":' || (300 + random() * 9000)::INT
                || '0e-4,"flags":"-","elapsed_ms":0}}'
              FROM (SELECT i, (random() * {ROUTES})::INT AS r, random() < 0.05 AS c FROM range({number}) numbers(i))
            ) TO '{path}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x1f')
            """
        )


def took(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of wall clock, and what came of it."""
    began = time.perf_counter()
    answer = work()
    return time.perf_counter() - began, answer


def grep(command: str, pattern: str, files: list[Path]) -> float:
    """Seconds that a search through all these files takes."""
    seconds, done = took(
        lambda: subprocess.run([command, "-c", "-F", pattern, *files], capture_output=True, text=True, check=False)
    )
    assert any(not line.endswith(":0") for line in done.stdout.splitlines()), f"{command} finds it: {done.stderr}"
    return seconds


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--file", type=int, default=700_000, help="lines of a closed file; 700,000 are 256 MiB")
    parser.add_argument("--days", type=float, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidegate-benchmark-") as name:
        measure(Path(name), options.records, options.file, options.days)


def measure(folder: Path, records: int, a_file: int, days: float) -> None:
    """Make it, archive it, ask it."""
    state, plain, packed = folder / ".tidegate", folder / "plain", folder / "packed"
    record = state / "gateway" / "record" / "predictions.jsonl"
    for one in (record.parent, plain, packed):
        one.mkdir(parents=True)
    archive = Archive(state / "archive")
    ids: list[str] = []
    size = used = wall = 0.0
    files = max(1, round(records / a_file))
    number = records // files
    for index in range(files):
        closed = record.with_name(f"{record.name}.{index + 1:06d}")
        made(closed, number, BEGIN + index * days * DAY / files, days * DAY / files, (index + 1) / (files + 1))
        ids += _some_ids(closed)
        os.link(closed, plain / f"{index}.jsonl")
        with (packed / f"{index}.gz").open("wb") as file:
            subprocess.run(["gzip", "-c", str(closed)], stdout=file, check=True)
        size += closed.stat().st_size
        cpu = time.process_time()
        seconds, _ = took(lambda closed=closed: archive.take(closed, time.time()))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        used, wall = used + time.process_time() - cpu, wall + seconds
    total, kept = number * files, sum(one.size for one in archive.chain().segments)
    zipped = sum(one.stat().st_size for one in packed.iterdir())
    print(f"{total:,} answers of {days:g} days in {files} files, {size / 1e6:,.0f} MB")
    print(f"archived: {total / used:,.0f} a second of processor ({total / wall:,.0f} of wall clock), ", end="")
    print(f"{kept / 1e6:,.0f} MB: {size / kept:.1f} times smaller, gzip {size / zipped:.1f} times")

    questions, chance = Questions(archive, record), random.Random(7)
    wanted = chance.sample(ids, min(ASKED, len(ids)))
    times = [took(lambda one=one: _found(questions, one))[0] for one in wanted]  # type: ignore[misc]  # as above
    missing = [took(lambda: questions.by_id(str(uuid.uuid4())))[0] for _ in range(5)]
    one = statistics.median(times)
    print(
        f"one request id: {one:.3f} s median, {max(times):.3f} s at most of {len(times)}; "
        f"one that is not there {max(missing):.3f} s"
    )
    (folder / "tidegate.yaml").write_text("api: tidegate/v1\nkind: Controller\nrepository: .\n")
    command = [sys.executable, "-m", "tidegate", "audit", "--config", str(folder / "tidegate.yaml"), "--format", "json"]
    seconds, done = took(lambda: subprocess.run([*command, "--from", "2h"], capture_output=True, check=False))
    print(f"the command itself, its start included: {seconds:.2f} s (exit {done.returncode})")
    whole_day = Wanted(BEGIN + DAY, BEGIN + 2 * DAY) if days > 2 else Wanted()
    counted, counts = took(lambda: questions.count(whole_day))
    listed, bad = took(lambda: questions.newest(Wanted(whole_day.begins, whole_day.ends, "model-7", status="5xx"), 100))
    answers = sum(found["answers"] for found in counts)
    print(
        f"a day of {answers:,} answers counted by route, release and status: {counted:.2f} s; "
        f"its 5xx of one route: {listed:.2f} s"
    )
    assert answers and bad
    checked, report = took(lambda: verify(archive, None, "production"))
    assert not report.broken
    print(f"the chain and every file checked: {checked:.2f} s")
    for tool, paths in (("grep", sorted(plain.iterdir())), ("zgrep", sorted(packed.iterdir()))):
        seconds = grep(tool, wanted[0], paths)
        print(f"{tool} for one request id: {seconds:.2f} s, {seconds / one:,.0f} times as long")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


def _some_ids(path: Path) -> list[str]:
    """Request ids from all over a file."""
    found = []
    with path.open("rb") as file:
        for share in (0.1, 0.5, 0.9):
            file.seek(int(path.stat().st_size * share))
            file.readline()
            found.append(orjson.loads(file.readline())["request_id"])
    return found


def _found(questions: Questions, request_id: str) -> None:
    assert len(questions.by_id(request_id)) == 1


if __name__ == "__main__":
    main()
