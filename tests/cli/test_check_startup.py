"""What a command waits for before it begins: its own module, and nothing heavy where a hook waits."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from history_repo import ENVIRONMENT, Repo
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from support.uncovered import uncovered
from tidegate.cli import quick, validation
from tidegate.cli.commands import COMMANDS, application

HEAVY = {"docker", "numpy", "scipy", "httpx", "starlette", "sqlalchemy", "rich", "uvicorn", "aiohttp", "watchdog", "fsspec",
         "asyncio", "jsonschema", "ruamel", "typer", "click", "multiprocessing", "concurrent", "urllib.request"}  # fmt: skip
PROBE = """
import json, sys
from tidegate.cli.main import invoke
sys.argv = ["tidegate", *sys.argv[1:]]
code = invoke()
print(json.dumps([code, sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """One commit with the example, without a finding, made long enough ago for its time stamps to be trusted."""
    repo = Repo.init(tmp_path_factory.mktemp("startup") / "repo")
    deadline = time.monotonic() + 60
    while time.time() - max(path.stat().st_ctime for path in repo.path.rglob("*")) < 2.1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return repo


def imported(repo: Repo, *words: str, **environment: str) -> tuple[int, set[str]]:
    """The exit code of a command in a fresh interpreter, and every module that it took."""
    # without the measuring of coverage, which imports what it likes
    variables = uncovered(ENVIRONMENT | environment)
    done = subprocess.run([sys.executable, "-c", PROBE, *words], cwd=repo.path, env=variables,
                          capture_output=True, text=True, check=True)  # fmt: skip
    code, modules = json.loads(done.stdout.splitlines()[-1])
    return code, set(modules)


@pytest.mark.parametrize("variables", [{}, {"PRE_COMMIT": "1"}], ids=["by hand", "in the hook"])
def test_validate_waits_for_nothing_heavy_and_unchanged_for_next_to_nothing(
    repo: Repo, variables: dict[str, str]
) -> None:
    code, modules = imported(repo, "validate", **variables)
    assert (code, modules & HEAVY) == (0, set())
    assert {"pydantic", "yaml", "tidegate.rules.registry"} <= modules
    code, modules = imported(repo, "validate", **variables)
    assert (code, modules & HEAVY) == (0, set())
    assert not {"pydantic", "yaml", "tidegate.rules.registry", "tidegate.rules.engine", "tidegate.spec.model"} & modules


def test_a_command_imports_the_modules_of_no_other(repo: Repo) -> None:
    for name in ("schema", "events", "approve"):
        _, modules = imported(repo, name, "--help")
        own = {f"tidegate.cli.{module}" for module in COMMANDS.values()} & modules
        assert own == {f"tidegate.cli.{COMMANDS[name]}"}


def test_the_help_lists_every_command_and_an_unknown_one_is_told() -> None:
    helped = CliRunner().invoke(application("--help"), ["--help"])
    for name in COMMANDS:
        assert f"\n  {name} " in helped.stdout
        assert CliRunner().invoke(application(name), [name, "--help"]).exit_code == 0
    assert "No such command 'nonsense'" in CliRunner().invoke(application("nonsense"), ["nonsense"]).stderr


WORDS = ("--base", "main", "--base=main", "--base=", "--no-cache", "--cache", "models/digits", ".", "policies", "-", "--", "-h",
         "--fix", "--format", "json", "--format=json", "", "--no-such", "a b", "--bas", "--base=--cache")  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=4))
def test_what_is_read_quickly_is_what_the_whole_command_line_reads(words: list[str]) -> None:
    read = quick.read(words)
    if read is None:
        return
    asked: list[validation.Wanted] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "carry_out", lambda wanted: asked.append(wanted) or 0)
        result = CliRunner().invoke(application("validate"), ["validate", *words])
    assert (result.exit_code, asked) == (0, [read])


def test_what_a_hook_asks_is_read_quickly() -> None:
    for words in ([], ["--base", "origin/main"], ["--no-cache"], ["models/digits"]):
        assert quick.read(words) is not None
    assert quick.read(["--fix"]) is None


def test_an_interrupt_ends_with_130_and_a_closed_pipe_quietly(repo: Repo) -> None:
    program = "import sys; sys.argv = ['tidegate', 'validate']; from tidegate.cli import main, validation;" \
              "validation.carry_out = lambda _: (_ for _ in ()).throw({}); sys.exit(main.invoke())"  # fmt: skip
    for error, code, said in (("KeyboardInterrupt", 130, "interrupted\n"), ("BrokenPipeError", 0, "")):
        command = [sys.executable, "-c", program.replace("{}", error)]
        done = subprocess.run(command, cwd=repo.path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (code, said)
