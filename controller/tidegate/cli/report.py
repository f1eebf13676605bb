"""The report that an internal error leaves: a file to paste into an issue, and one line that says where it lies."""

from __future__ import annotations

import sys

from tidegate import __version__


def internal_error(error: BaseException) -> int:
    """Write the report, tell where it is, and return exit code 3."""
    import platform
    import tempfile
    import traceback
    from pathlib import Path

    text = "\n".join(
        (
            f"tidegate {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"arguments: {sys.argv[1:]}",
            "",
            "".join(traceback.format_exception(error)),
        )
    )
    with tempfile.NamedTemporaryFile("w", prefix="tidegate-report-", suffix=".txt", delete=False) as file:
        file.write(text)
    path = Path(file.name)
    print(f"internal error: {type(error).__name__}: {error}\n  report: {path}", file=sys.stderr)  # noqa: T201 CLI output
    return 3
