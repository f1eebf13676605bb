"""Where Tidegate runs besides a terminal: a commit's hook, a pull request's workflow, and its own GitHub Action."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.actions import ROOT, Runner, actionlint, steps_of
from support.pull_requests import TOKEN, pull_request
from tidegate import __version__

BIN = Path(sys.executable).parent


def run(*words: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command with this environment's programs first, output and errors together."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "GITHUB_", "PRE_COMMIT"))}
    environment |= {"PATH": f"{BIN}:{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": os.devnull, **variables}
    return subprocess.run(
        [*words], cwd=cwd, env=environment, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def git(folder: Path, *words: str) -> str:
    """Git, which must succeed."""
    done = run("git", *words, cwd=folder)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A repository as `tidegate init` makes it, with a remote that has its main branch."""
    folder = tmp_path / "configuration"
    made = run(BIN / "tidegate", "init", folder, "--no-commit", cwd=tmp_path)
    assert made.returncode == 0, made.stdout
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "ML platform")
    git(folder, "config", "user.email", "ml-platform@example.com")
    git(folder, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "A configuration repository")
    git(folder, "push", "-q", "origin", "main")
    git(folder, "fetch", "-q", "origin")
    return folder


def edit(path: Path, old: str, new: str) -> None:
    """One edit, which must change something."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_commit_is_refused_by_the_hook_and_accepted_once_it_is_mended(configuration: Path) -> None:
    installed = run(BIN / "pre-commit", "install", cwd=configuration)
    assert installed.returncode == 0, installed.stdout
    deployment = configuration / "models/hello/deployment.yaml"
    edit(deployment, 'version: "1.0.0"', 'version: "1.2.0"')
    git(configuration, "add", "-A")
    refused = run("git", "commit", "-m", "Greet warmly", cwd=configuration)
    assert refused.returncode == 1
    assert "models/hello/deployment.yaml:5:10: error unknown-version" in refused.stdout
    edit(deployment, 'version: "1.2.0"', 'version: "1.1.0"')
    git(configuration, "add", "-A")
    accepted = run("git", "commit", "-m", "Greet warmly", cwd=configuration)
    assert accepted.returncode == 0, accepted.stdout
    assert "Passed" in accepted.stdout


def test_a_commit_that_only_deletes_is_judged_by_the_hook(configuration: Path) -> None:
    assert run(BIN / "pre-commit", "install", cwd=configuration).returncode == 0
    git(configuration, "rm", "-q", "models/hello/versions/1.1.0.yaml")
    refused = run("git", "commit", "-m", "Tidy up", cwd=configuration)
    assert refused.returncode == 1
    assert "models/hello/versions/1.1.0.yaml" in refused.stdout and "deleted-version" in refused.stdout


def test_this_repositorys_hook_is_what_others_install(tmp_path: Path, configuration: Path) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    hook = next(hook for hook in hooks if hook["id"] == "tidegate-validate")
    assert hook["pass_filenames"] is False and hook["always_run"] is True
    done = run(*hook["entry"].split(), cwd=configuration)
    assert done.returncode == 0, done.stdout


def test_the_workflows_and_the_action_are_clean_for_their_linters(configuration: Path) -> None:
    workflows = [*(ROOT / ".github/workflows").glob("*.yml"), configuration / ".github/workflows/tidegate.yml"]
    assert len(workflows) == 3
    assert actionlint(workflows) == []
    for folder in (ROOT, configuration):
        targets = [path for path in (folder / ".github", folder / "action.yml") if path.exists()]
        done = run(BIN / "zizmor", "--offline", "--quiet", "--no-progress", *targets, cwd=folder)
        assert done.returncode == 0, done.stdout


def test_the_linters_would_find_something(tmp_path: Path) -> None:
    bad = tmp_path / ".github/workflows/bad.yml"
    bad.parent.mkdir(parents=True)
    bad.write_text(
        "on: pull_request\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n"
        "      - uses: actions/checkout@v5\n      - run: echo ${{ github.event.pull_request.title }}\n"
        "      - run: ${{ nothing.here }}\n"
    )
    assert any("nothing" in line for line in actionlint([bad]))
    done = run(BIN / "zizmor", "--offline", "--quiet", "--no-progress", tmp_path / ".github", cwd=tmp_path)
    assert done.returncode != 0 and "template-injection" in done.stdout


def test_the_workflow_of_a_new_repository_pins_what_it_runs(configuration: Path) -> None:
    text = (configuration / ".github/workflows/tidegate.yml").read_text()
    assert f"pip install tidegate=={__version__}" in text
    read = yaml.safe_load(text)
    assert read["permissions"] == {}


@pytest.mark.parametrize("broken", [False, True], ids=["clean", "with-errors"])
def test_the_workflow_of_a_new_repository_does_its_work(configuration: Path, tmp_path: Path, broken: bool) -> None:
    _change(configuration, broken=broken)
    with pull_request() as known:
        folder = tmp_path / "runner"
        folder.mkdir()
        values = {"github.token": TOKEN, **_fork(same=True)}
        environment = known.environment(folder) | {"PATH": f"{BIN}:{os.environ['PATH']}", "BASE": "origin/main"}
        steps = list(steps_of(configuration / ".github/workflows/tidegate.yml", "validate-and-plan"))
        install = next(step for step in steps if step.get("name") == "Install")
        steps.remove(install)  # no index has this very version; what it would install is what the tests run
        done = Runner(folder, configuration, environment, values).run(steps)
    assert done.code == (1 if broken else 0), done.log
    assert "## " in done.summary
    assert len(known.comments) == 1
    if broken:
        assert "::error file=models/hello/deployment.yaml,line=5,col=10,title=unknown-version::" in done.log
    assert any(name.startswith("github/codeql-action/upload-sarif@") for name, _ in done.uses)
    assert json.loads((configuration / "tidegate.sarif").read_text())["version"] == "2.1.0"


def _change(folder: Path, *, broken: bool) -> None:
    """The pull request's branch, with a version that is there or one that is not."""
    git(folder, "switch", "-qc", "warmer")
    edit(folder / "models/hello/deployment.yaml", 'version: "1.0.0"', f'version: "{"1.2.0" if broken else "1.1.0"}"')
    edit(folder / "models/hello/deployment.yaml", "reason: The first release.", "reason: A warmer greeting.")
    git(folder, "commit", "-qam", "Greet warmly")


def _fork(*, same: bool) -> dict[str, str]:
    return {
        "hashFiles('tidegate.sarif')": "a-digest",
        "github.event.pull_request.head.repo.full_name": "team/models" if same else "somebody/models",
        "github.repository": "team/models",
    }


@pytest.mark.parametrize("broken", [False, True], ids=["clean", "with-errors"])
def test_the_action_does_its_work(configuration: Path, tmp_path: Path, broken: bool) -> None:
    """As the runner would run it, but for the installation, whose own test stands below."""
    _change(configuration, broken=broken)
    folder = tmp_path / "runner"
    (folder / "tidegate/bin").mkdir(parents=True)
    (folder / "tidegate/bin/tidegate").symlink_to(BIN / "tidegate")
    with pull_request() as known:
        values = {
            "inputs.base": "origin/main", "inputs.path": ".", "inputs.sarif": "true", "inputs.comment": "true",
            "inputs.token": TOKEN, "runner.temp": str(folder),
        }  # fmt: skip
        environment = known.environment(folder) | {"GITHUB_ACTION_PATH": str(ROOT)}
        steps = [step for step in steps_of(ROOT / "action.yml") if step.get("name") != "Install"]
        done = Runner(folder, configuration, environment, values).run(steps)
    assert done.code == (1 if broken else 0), done.log
    assert done.outputs["errors"] == ("true" if broken else "false")
    results = json.loads((folder / "tidegate.sarif").read_text())["runs"][0]["results"]
    assert [found["ruleId"] for found in results] == (["unknown-version"] if broken else [])
    assert dict(done.uses)["github/codeql-action/upload-sarif@ff2f1c621b7f889edc0d3c761ac2e6a3f8cdb0dd"] == {
        "sarif_file": f"{folder}/tidegate.sarif", "category": "tidegate",
    }  # fmt: skip
    assert "1.1.0" in known.comments[0]["body"] or broken
    assert done.summary.strip() in known.comments[0]["body"]


def test_the_action_installs_what_it_runs(tmp_path: Path) -> None:
    """Its installing step from a copy of this repository's files: a command that answers is there afterwards."""
    copy = tmp_path / "action"
    files = run("git", "ls-files", "-z", "--cached", cwd=ROOT).stdout.split("\0")
    for name in (name for name in files if name and (ROOT / name).is_file()):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    folder = tmp_path / "runner"
    folder.mkdir()
    steps = [step for step in steps_of(copy / "action.yml") if step.get("name") == "Install"]
    environment = {"GITHUB_ACTION_PATH": str(copy), "PATH": f"{BIN}:{os.environ['PATH']}", "PIP_COMPILE": "0"}
    done = Runner(folder, tmp_path, environment, {}).run(steps)
    assert done.code == 0, done.log
    asked = run(folder / "tidegate/bin/tidegate", "--version", cwd=tmp_path)
    assert asked.stdout.strip() == f"tidegate {__version__}"
