"""Coverage-guided fuzzing of the validator: libFuzzer makes the files, fuzz_harness.py says what must hold for each.

    python tests/fuzz/fuzz_validate.py [--each=N] -max_total_time=600 [libFuzzer's options]

The seeds are the rules' own examples, or each Nth of them. A crash leaves its input as crash-<digest>; run it again by
naming that file.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tidegate.rules", "tidegate.spec"]):
    import fuzz_harness as harness

WORDS = (
    "api:", "kind:", "tidegate/v1", "version:", '"1.10"', "123e4567", "sha256:", "{", "}", "[", "]", ": ", "- ", "&a", "*a",
    "<<:", "!!python/name:os.system", "|\n", ">-\n", "---\n", "\t", "\ufeff", "\x00", "0x1F", "0o17", ".inf", ".nan", "~", "null",
    "yes", "2026-02-30", "# tidegate: ignore[yaml-syntax] because", "${VAR}", "@sha256:", "<<<<<<< HEAD\n", "10%", "1h", "\u2028",
)  # fmt: skip


def main() -> None:
    """Run libFuzzer with what the command line says."""
    each = next((int(word.partition("=")[2]) for word in sys.argv if word.startswith("--each=")), 1)
    words = [word for word in sys.argv[1:] if not word.startswith("--each=")]
    with tempfile.TemporaryDirectory(prefix="tidegate-fuzz-") as name:
        folder = Path(name)
        corpus = folder / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(harness.seeds()[::each]):
            (corpus / f"{number:04d}").write_bytes(seed)
        dictionary = folder / "words.dict"
        dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS))
        files = [word for word in words if not word.startswith("-")]
        extra = [] if files else [str(corpus)]
        options = ["-timeout=20", "-rss_limit_mb=2048", "-max_len=8192", f"-dict={dictionary}"]
        atheris.Setup([sys.argv[0], *options, *words, *extra], harness.judge)
        atheris.Fuzz()


def _escaped(word: str) -> str:
    return "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\' else f"\\x{b:02x}" for b in word.encode())


if __name__ == "__main__":
    main()
