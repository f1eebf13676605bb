#!/usr/bin/env python3
"""Trains every version of the digits model: python models/digits/training/train.py [--rewrite] [--out DIR]

Writes the evaluation set, the traffic, each version's model.onnx and its ModelVersion file, every figure computed here.
A version file that exists is not touched: it is compared, and what differs is said (exit 1). --rewrite writes it anew,
which is only right before it was ever merged. The same packages give the same bytes on any x86-64 with AVX2.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipes import Recipe
    from scans import Scans

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path("models/digits")
CODE = FOLDER / "training"
REPOSITORY = "https://example.com/tidegate.git"
PACKAGES = ("scikit-learn", "numpy", "scipy", "onnx", "onnxruntime")
# The numeric libraries choose their kernels by the processor they meet, and sums then differ in the last bits.
PINNED = {
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "PYTHONHASHSEED": "0",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rewrite", action="store_true", help="write version files anew, also those that exist")
    parser.add_argument("--out", type=Path, default=ROOT, help="another root to write below (default: this repository)")
    parser.add_argument("--image", default=None, help="the serving image's reference by digest, for new version files")
    chosen = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in PINNED.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **PINNED})
    return run(chosen.out, chosen.rewrite, chosen.image)


def run(out: Path, rewrite: bool, image: str | None) -> int:
    """Train all, below `out`. Returns 1 when something differs from what is written there, else 0."""
    import scans
    from recipes import RECIPES

    training, held_out = scans.load()
    lines = scans.evaluation_lines(training, held_out)
    same = write(out / FOLDER / "evaluation/scans.jsonl", lines, rewrite)
    same &= write(out / FOLDER / "traffic/scans.jsonl", scans.traffic_lines(held_out), rewrite)
    print(f"evaluation set: {len(held_out.digits)} examples, sha256 {sha256(lines)}")
    for recipe in RECIPES:
        same &= make(recipe, training, lines, out, rewrite=rewrite, image=image)
    return 0 if same else 1


def make(recipe: Recipe, training: Scans, lines: bytes, out: Path, *, rewrite: bool, image: str | None) -> bool:
    """Train and record one version. False when it is no longer what its file says."""
    import measure
    import record

    model = recipe.fit(training, recipe.hyperparameters)
    place = FOLDER / "artifacts" / recipe.version / "model.onnx"
    same = write(out / place, model, rewrite)
    metrics, slices = measure.evaluate(model, lines)
    path = out / FOLDER / "versions" / f"{recipe.version}.yaml"
    merged = record.read(path) if path.exists() and not rewrite else None
    commit = merged["code"]["commit"] if merged else code_commit()
    new = document(recipe, model, place, commit, image, lines, metrics, slices)
    print(f"{recipe.version}: accuracy {metrics['accuracy']}, p95 {metrics['latency_p95_ms']} ms, {len(model)} bytes")
    if merged:
        itself, circumstances = record.differences(merged, new)
        for difference in itself:
            print(f"  {path.relative_to(out)}: {difference}")
        for difference in circumstances:
            print(f"  (trained in other circumstances: {difference})")
        return same and not itself
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.render(new), encoding="utf-8")
    return same


def document(
    recipe: Recipe,
    model: bytes,
    place: Path,
    commit: str,
    image: str | None,
    lines: bytes,
    metrics: dict[str, float],
    slices: dict[str, Any],
) -> dict[str, Any]:
    """The ModelVersion document of a trained version."""
    import graph
    import scans

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    command = ["python3", "-m", "tidegate_serving", "--artifact", "${TIDEGATE_ARTIFACT}", "--port", "${TIDEGATE_PORT}"]
    return {
        "api": "tidegate/v1",
        "kind": "ModelVersion",
        "model": "digits",
        "version": recipe.version,
        "reason": recipe.reason,
        "artifact": {"uri": f"file:{place}", "sha256": sha256(model), "format": "onnx", "size": len(model)},
        "runtime": {
            **({"image": image} if image else {}),
            "command": [*command, "--name", "digits", "--version", recipe.version],
            "port": 8080,
            "ready": "/v2/health/ready",
            "startup_timeout": "30s",
            "resources": {"cpus": 1, "memory": "512Mi", "gpus": 0},
        },
        "code": {"repository": REPOSITORY, "commit": commit},
        "training": {
            "data": scans.source(),
            "hyperparameters": recipe.hyperparameters,
            "environment": {
                "python": platform.python_version(),
                "packages": {name: installed(name) for name in PACKAGES},
            },
            "trained_at": now,
        },
        "preprocessing": {"commit": commit, "entrypoint": f"{CODE}/{recipe.front}"},
        "signature": graph.SIGNATURE,
        "evaluation": {
            "set_sha256": sha256(lines),
            "examples": len(lines.splitlines()),
            "ran_at": now,
            "metrics": metrics,
            "slices": slices,
        },
    }


def write(path: Path, data: bytes, rewrite: bool) -> bool:
    """Write a file that is missing (or any, with `rewrite`). False when one exists, is kept, and differs."""
    if path.exists() and not rewrite:
        if path.read_bytes() == data:
            return True
        print(f"  {path}: sha256 {sha256(path.read_bytes())} -> {sha256(data)}")
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return True


def code_commit() -> str:
    """The commit that holds this training code. Exits with a message when the code differs from any commit."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    if git("status", "--porcelain", "--", str(CODE)):
        sys.exit(f"{CODE} has changes that no commit holds. fix: commit them, then train")
    return git("log", "-1", "--format=%H", "--", str(CODE))


def sha256(data: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
