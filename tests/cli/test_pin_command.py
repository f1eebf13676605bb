"""`tidegate pin` as a person types it: anywhere, for one reference or a list of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tidegate.cli import pin
from tidegate.spec.errors import NeedsPerson

HEX = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command()(pin.pin)


def run(*words: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(words), input=stdin)


def refused(*words: str) -> NeedsPerson:
    error = run(*words).exception
    assert isinstance(error, NeedsPerson)
    assert error.exit_code == 2 and error.fix
    return error


def test_a_pinned_reference_ends_with_0_and_says_by_what() -> None:
    result = run(f"registry.example.com/serve@sha256:{HEX}")
    assert result.exit_code == 0
    assert result.stdout == (
        f"registry.example.com/serve@sha256:{HEX}: pinned, oci-image (it looks like a name and the digest of its "
        "manifest)\n  why: digest: the sha256 of the manifest\n"
    )


def test_a_floating_one_ends_with_1_and_says_why_and_what_to_write_instead() -> None:
    result = run("--kind", "openai", "gpt-5-nano")
    assert result.exit_code == 1
    assert result.stdout == (
        "gpt-5-nano: floats, openai\n"
        "  why: an undated id is an alias: it is moved, once even to an older snapshot\n"
        "  fix: write the snapshot that answers now: the model id in its response, or in the provider's list of models\n"
    )


def test_json_has_these_fields_and_no_others() -> None:
    result = run("--format", "json", "models:/churn/12", "models:/churn/Production")
    assert result.exit_code == 1
    read = json.loads(result.stdout)
    assert read["version"] == 1 and list(read) == ["version", "results"]
    assert [list(one) for one in read["results"]] == [["ref", "kind", "pinned", "why", "fix"]] * 2
    assert [(one["kind"], one["pinned"]) for one in read["results"]] == [("mlflow", True), ("mlflow", False)]
    assert "sha256 beside it" in read["results"][0]["why"] and read["results"][0]["fix"] == ""
    assert "stage" in read["results"][1]["why"] and "models:/NAME/<number>" in read["results"][1]["fix"]


def test_references_come_from_standard_input_too() -> None:
    result = run("--format", "json", "claude-opus-5", "-", stdin=b"gpt-4o\r\n\nhf://acme/\xff@main\n")
    assert result.exit_code == 1
    refs = [one["ref"] for one in json.loads(result.stdout)["results"]]
    assert refs == ["claude-opus-5", "gpt-4o", "hf://acme/\ufffd@main"]
    assert run("-", stdin=b"").exit_code == 0


def test_what_a_terminal_would_act_on_is_written_as_an_escape() -> None:
    result = run("--kind", "git", "\x1b[31mmain\n")
    assert "\x1b" not in result.stdout and result.stdout.startswith("\\x1b[31mmain\\n: floats, git\n")


def test_an_unknown_kind_gets_the_one_that_was_meant() -> None:
    assert refused("--kind", "opnai", "gpt-4o").fix == "did you mean 'openai'?"
    assert "oci-image, weights-digest" in (refused("--kind", "zzz", "gpt-4o").fix or "")


@pytest.mark.parametrize(
    ("ref", "candidates"),
    [
        ("vllm/vllm-openai:v0.7.3", ("hf", "oci-image", "ollama")),
        ("iris_classifier:7ocjrkvgbwlc4usv", ("oci-image", "ollama", "bentoml")),
        ("a80c4f17acd5", ("git", "ollama")),
    ],
)
def test_a_form_of_several_kinds_is_not_guessed_at(ref: str, candidates: tuple[str, ...]) -> None:
    error = refused(ref)
    for kind in candidates:
        assert f"--kind {kind}" in (error.fix or "")
        assert kind in error.message


@pytest.mark.parametrize("ref", ["", "main", "iris_classifier", "${IMAGE}"])
def test_a_form_of_no_kind_asks_for_it(ref: str) -> None:
    assert "--kind: oci-image" in (refused(ref).fix or "")


def test_one_that_cannot_be_told_stops_all_before_anything_is_printed() -> None:
    result = run("claude-opus-5", "main")
    assert isinstance(result.exception, NeedsPerson) and result.stdout == ""


def test_it_works_outside_of_any_repository_and_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from tidegate.cli.main import invoke; sys.argv = ['tidegate', 'pin', 'claude-opus-5']; "
        "code = invoke(); heavy = {'docker', 'numpy', 'httpx', 'sqlalchemy', 'starlette'} & set(sys.modules); "
        "print(sorted(heavy), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert done.stdout.startswith("claude-opus-5: pinned, anthropic")
