"""Record lines and closed files to try the archive on."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tidegate.audit.archive import Archive
from tidegate.audit.question import Questions

BEGIN = datetime(2026, 11, 20, 8, tzinfo=UTC).timestamp()


def line(number: int, *, at: float | None = None, **more: Any) -> bytes:
    """A record line exactly as the gateway writes it; `number` makes its request id."""
    fields = {"route": "digits", "role": "stable", "release": "1b3a1abc20c9", "version": "1.0.0", "status": 200, **more}
    time = datetime.fromtimestamp(BEGIN + number if at is None else at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return (
        f'{{"time":"{time}","request_id":"{identity(number)}","route":"{fields["route"]}","model":"digits","feature":null,'
        f'"segment":null,"role":"{fields["role"]}","release":"{fields["release"]}","version":"{fields["version"]}",'
        f'"config":null,"commit":"fb34cd8a1ab1062b7af7376294e59eb2adf4755f","status":{fields["status"]},'
        f'"duration_ms":{712 + number}0e-4,"flags":"-","elapsed_ms":0}}\n'
    ).encode()


def identity(number: int) -> str:
    """The request id of a line."""
    return str(uuid.UUID(int=0x1234_5678_0000_4000_8000_0000_0000_0000 + number))


class Place:
    """A record and an archive in a folder."""

    def __init__(self, folder: Path) -> None:
        self.record = folder / "record" / "predictions.jsonl"
        self.record.parent.mkdir(parents=True)
        self.archive = Archive(folder / "archive")
        self.questions = Questions(self.archive, self.record)

    def closed(self, content: bytes, number: int = 1) -> Path:
        """A closed file of the record."""
        path = self.record.with_name(f"{self.record.name}.{number:06d}")
        path.write_bytes(content)
        return path

    def archived(self, *contents: bytes) -> None:
        """Each of these contents as a segment."""
        for content in contents:
            self.archive.take(self.closed(content), BEGIN + 86400)

    def ids(self) -> list[str]:
        """The request ids of all that is on record, in the order of time."""
        from tidegate.audit.question import Wanted

        return [found["request_id"] for found in self.questions.newest(Wanted(), 10_000)]
