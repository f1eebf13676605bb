"""`tidegate plan` over real repositories: what is compared, where the start comes from, and how it reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from markdown_it import MarkdownIt
from typer.testing import CliRunner, Result

import tidegate.rules
from tidegate.cli import comment
from tidegate.cli.plan import plan
from tidegate.gitrepo.git import clean_environment
from tidegate.gitrepo.message import rejection
from tidegate.gitrepo.record import Note
from tidegate.journal.journal import Journal
from tidegate.rollout.plan_text import MARKER
from tidegate.rollout.serial import to_doc
from tidegate.rollout.state import Candidate, Phase, RouteState
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release

EXAMPLE = Path(tidegate.rules.__file__).parent / "example"
DEPLOYMENT = "models/digits/deployment.yaml"
POLICY = "policies/progressive.yaml"
STEPS = """\
# yaml-language-server: $schema=../schemas/rollout-policy.json
api: tidegate/v1
kind: RolloutPolicy
name: progressive
steps:
  - {name: insiders, segments: [internal], for: 30m}
  - {name: canary, weight: 5%, for: 30m, min_requests: 500}
  - {name: half, weight: 50%, for: 30m, approve: manual}
  - {name: full, weight: 100%, for: 1h}
guardrails:
  - {metric: error_rate, max_ratio: 2.0, margin: 4.0}
  - {metric: error_rate, max: 0.20, min_requests: 50, immediate: true}
  - {metric: latency_p95_ms, max_ratio: 1.2}
"""
ROLES = """\
# yaml-language-server: $schema=../schemas/governance.json
api: tidegate/v1
kind: Governance
roles:
  release: {paths: ["models/*/deployment.yaml", "policies/*.yaml"], owners: [vision-platform, support-platform]}
  models: {paths: ["models/*/versions/*.yaml", "models/*/model.yaml"], owners: [vision-platform, support-platform]}
"""
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command()(plan)


class Repo:
    """A clone with the rules' example repository in it, and what a person does there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        for path in EXAMPLE.rglob("*.yaml"):
            self.write(path.relative_to(EXAMPLE).as_posix(), path.read_text())
        self.write(POLICY, STEPS)
        self.write("policies/governance.yaml", ROLES)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Team A")
        self.git("config", "user.email", "team-a@example.com")
        self.base = self.commit("All that there is")

    def git(self, *words: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=self.root,
            input=stdin,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def write(self, path: str, text: str) -> None:
        whole = self.root / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(text)

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text
        self.write(path, text.replace(old, new))

    def declare(self, version: str, *, epochs: int) -> None:
        """A version that differs from 2.0.0 by its training and its weights, and a deployment that asks for it."""
        text = (self.root / "models/digits/versions/2.0.0.yaml").read_text()
        text = text.replace('version: "2.0.0"', f'version: "{version}"').replace("epochs: 20", f"epochs: {epochs}")
        self.write(f"models/digits/versions/{version}.yaml", text.replace("b179c9523d0e", f"{epochs:012x}"))
        self.ask_for(version)

    def ask_for(self, version: str) -> None:
        text = (self.root / DEPLOYMENT).read_text()
        lines = [f'version: "{version}"' if line.startswith("version:") else line for line in text.splitlines()]
        self.write(DEPLOYMENT, "\n".join(lines) + "\n")


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    made = Repo(tmp_path / "repo")
    monkeypatch.chdir(made.root)
    return made


def run(*words: str, columns: int = 100) -> Result:
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(app, list(words))


def facts(*words: str, code: int = 0) -> dict[str, Any]:
    result = run("--format", "json", *words)
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def route(name: str, *words: str, code: int = 0) -> dict[str, Any]:
    return next(one for one in facts(*words, code=code)["routes"] if one["route"] == name)


def short(commit: str) -> str:
    return commit[:12]


def test_a_clean_work_tree_changes_nothing(repo: Repo) -> None:
    assert run().stdout == (
        f"main {short(repo.base)} -> the work tree\n"
        "no journal and no record here: what the base asks for is taken as promoted\n"
        "\n"
        "nothing changes\n"
    )
    assert {one["way"] for one in facts()["routes"]} == {"nothing"}


def test_a_new_version_reads_from_the_change_to_the_reviewers(repo: Repo) -> None:
    repo.declare("2.1.0", epochs=30)
    one, two = (route("digits")[side]["release"] for side in ("from", "to"))
    assert run(columns=80).stdout.splitlines()[3:] == [
        "digits: new release",
        f"  release    digits 2.0.0 default ({one}) -> digits 2.1.0 default",
        f"               ({two})",
        "  changes    digits/deployment.yaml: version 2.0.0 -> 2.1.0",
        "             digits/versions/2.1.0.yaml: artifact.sha256 b179c952… -> 00000000…;",
        "               training.hyperparameters.epochs 20 -> 30",
        "  servers    starts 2 x 2.1.0, 512Mi each",
        "             2 x 2.0.0 stay hot for 3d after that, then stop",
        "  steps      1  insiders  all of internal  30m  1,800 requests",
        "             2  canary    5%               30m  4,500 requests",
        "             3  half      50%              30m  45,000 requests   after approval",
        "             4  full      100%             1h   180,000 requests",
        "  time       2h30m at 50 requests a second",
        "  approvals  half, by vision-platform or support-platform",
        "  sees                                     in canary   by the end",
        "             error_rate max_ratio 2        1% to 2.9%  1% to 2.4%",
        "             latency_p95_ms max_ratio 1.2  +30%        +24%",
        "  promotion  error_rate, margin: 4: excluded after about 657 healthy candidate",
        "               requests",
        "  risk       1Gi more memory while both releases run, until the standby ends",
        "               after 3d",
        "",
        "nothing changes for 2 other routes",
        "",
        "review by",
        "  release: vision-platform, support-platform (models/digits/deployment.yaml)",
        "  models: vision-platform, support-platform (models/digits/versions/2.1.0.yaml)",
    ]


def test_the_json_tells_the_same(repo: Repo) -> None:
    repo.declare("2.1.0", epochs=30)
    whole = facts()
    assert whole["base"] == {"name": "main", "commit": repo.base}
    assert (whole["head"], whole["basis"], whole["errors"]) == ({"name": "the work tree", "commit": None}, "branch", 0)
    digits = route("digits")
    assert (digits["way"], digits["expected_seconds"], digits["requests_per_second"]) == ("steps", 9000, 50)
    assert digits["changes"][0] == {
        "file": DEPLOYMENT, "field": "version", "before": "2.0.0", "after": "2.1.0", "serves": True,
    }  # fmt: skip
    assert [change["serves"] for change in digits["changes"]] == [True, True, False]
    assert digits["starts"][0]["memory"] == 2**29
    assert [step["candidate_requests"] for step in digits["steps"]] == [1800, 4500, 45000, 180000]
    assert digits["to"]["commit"] is None


def test_the_version_before_goes_on_where_a_feature_needs_it(repo: Repo) -> None:
    repo.declare("2.1.0", epochs=30)
    assert [one["version"] for one in route("digits")["stops"]] == ["2.0.0"]
    repo.edit(DEPLOYMENT, 'archive: {version: "1.0.0"}', 'archive: {version: "2.0.0"}')
    assert route("digits")["stops"] == []
    assert route("digits/archive")["starts"] == []


def test_a_changed_prompt_starts_no_server_and_shows_the_words(repo: Repo) -> None:
    repo.edit("models/assistant/configs/default.yaml", "one sentence", "two sentences")
    repo.edit("models/assistant/deployment.yaml", "approvals: [half]", "approvals: []")
    found = route("assistant")
    assert (found["way"], found["config_only"], found["starts"], found["stops"]) == ("config_only", True, [], [])
    assert [change["field"] for change in found["changes"]] == ["approvals", "system_prompt"]
    assert found["approvers"] == ["vision-platform", "support-platform"]


def test_what_main_gained_meanwhile_is_not_taken_back(repo: Repo) -> None:
    repo.git("switch", "-qc", "change")
    repo.declare("2.1.0", epochs=30)
    repo.commit("2.1.0")
    repo.git("switch", "-q", "main")
    repo.edit("models/assistant/configs/default.yaml", "one sentence", "two sentences")
    repo.commit("two sentences")
    repo.git("switch", "-q", "change")
    ways = {one["route"]: one["way"] for one in facts("--base", "main")["routes"]}
    assert ways == {"assistant": "nothing", "digits": "steps", "digits/archive": "nothing"}
    repo.git("switch", "-q", "main")
    from_elsewhere = facts("--base", "main", "--head", "change")
    assert from_elsewhere["head"] == {"name": "change", "commit": repo.git("rev-parse", "change")}
    assert {one["route"]: one["way"] for one in from_elsewhere["routes"]} == ways


def test_a_revert_to_what_the_branch_asked_for_before_takes_no_steps(repo: Repo) -> None:
    repo.declare("2.1.0", epochs=30)
    repo.commit("2.1.0")
    repo.ask_for("2.0.0")
    found = route("digits")
    assert (found["way"], found["fast_rollback"], found["steps"]) == ("fast_rollback", True, [])
    assert found["notes"] == ["without steps, as soon as it is ready"]
    repo.ask_for("1.0.0")
    assert route("digits")["way"] == "steps"


def test_a_release_that_tidegate_took_back_is_told_as_turned_down(repo: Repo) -> None:
    before = route("digits")["from"]
    repo.declare("2.1.0", epochs=30)
    asked = repo.commit("2.1.0")
    digest = _digest(repo, "digits")
    repo.ask_for("2.0.0")
    bad = Release("digits", "2.1.0", "default", digest, "w", asked)
    good = Release("digits", "2.0.0", "default", before["release"].ljust(64, "0"), "w", repo.base)
    reason = "error rate 5.1 % against 0.9 %; limit 2.0x"
    repo.git("add", "-A")
    repo.git("commit", "-q", "-F", "-", stdin=rejection("digits", bad, good, reason, asked_by=asked))
    repo.ask_for("2.1.0")
    found = route("digits")
    assert found["way"] == "steps"
    assert found["notes"] == [
        f"turned down before: {reason}", "a newer commit asks for it: it is tried again, and promotion takes more proof",
    ]  # fmt: skip


def _digest(repo: Repo, name: str) -> str:
    """The whole digest of what the work tree asks for, as the program reads it."""
    from tidegate.cli.plans.sides import find_head, open_clone, read_half
    from tidegate.rollout.state import Desired

    clone = open_clone(repo.root, "production")
    wish = read_half(clone, find_head(clone, None)).desired[name]
    assert isinstance(wish, Desired)
    return wish.release.digest


def _note(repo: Repo, kind: Any, commit: str, digest: str, reason: str = "") -> None:
    note = Note(kind, "production", "digits", digest, "2.1.0", "default", commit, commit, reason, 1.0)
    repo.git("notes", "--ref=refs/notes/tidegate", "append", "-m", note.line(), commit)


def test_gits_record_says_what_serves_where_the_branch_is_ahead_of_it(repo: Repo) -> None:
    for name in ("digits", "assistant", "digits+archive"):
        repo.git("update-ref", f"refs/tidegate/production/{name}", repo.base)
    repo.declare("2.1.0", epochs=30)
    repo.commit("2.1.0")
    repo.edit(POLICY, "weight: 5%", "weight: 2%")
    whole = facts()
    assert whole["basis"] == "record"
    digits = route("digits")
    assert (digits["way"], digits["from"]["version"], digits["to"]["version"]) == ("goes_on", "2.0.0", "2.1.0")
    assert whole["policies"] == [
        {"policy": "progressive", "routes": ["assistant", "digits", "digits/archive"], "under_way": ["digits"],
         "changes": [{"file": POLICY, "field": "steps[canary].weight", "before": "5%", "after": "2%", "serves": True}]},
    ]  # fmt: skip
    assert "under way: digits; applies from the next step on" in run().stdout
    repo.declare("2.2.0", epochs=40)
    assert route("digits")["notes"][0].endswith("is on trial: it is superseded")


def test_what_the_record_rejects_is_not_on_trial_and_not_tried_again_by_the_same_commit(repo: Repo) -> None:
    repo.git("update-ref", "refs/tidegate/production/digits", repo.base)
    repo.declare("2.1.0", epochs=30)
    asked = repo.commit("2.1.0")
    _note(repo, "rejected", asked, _digest(repo, "digits"), "5 % errors")
    found = route("digits")
    assert (found["way"], found["from"]["version"]) == ("rejected_before", "2.0.0")
    assert found["notes"] == ["turned down before: 5 % errors", "this very commit's request was rejected"]
    repo.declare("2.1.0", epochs=30)
    repo.edit(DEPLOYMENT, "policy: progressive", "policy: progressive\nretry: 1")
    assert route("digits")["way"] == "steps"


def test_a_promotion_that_cannot_be_read_any_more_is_told(repo: Repo) -> None:
    repo.edit(DEPLOYMENT, "policy: progressive", "policy: missing")
    lost = repo.commit("a policy that is not there")
    repo.git("update-ref", "refs/tidegate/production/digits", lost)
    repo.git("revert", "--no-edit", "HEAD")
    repo.declare("2.1.0", epochs=30)
    found = route("digits")
    assert found["way"] == "unknown_base"
    assert found["notes"][0].startswith(
        f"what serves now cannot be told: its last promoted commit {short(lost)} cannot be followed: {DEPLOYMENT}:7:9: "
    )


def test_a_journal_knows_how_far_a_rollout_is(repo: Repo) -> None:
    repo.declare("2.1.0", epochs=30)
    repo.commit("2.1.0")
    stable, digest = Release("digits", "2.0.0", "default", "1" * 64, "1" * 64, repo.base), _digest(repo, "digits")
    policy = PolicyFields.model_validate(
        {"steps": [{"name": "insiders", "weight": "1%"}, {"name": "full", "weight": "100%"}]}, by_alias=True
    )
    trial = Candidate(
        Release("digits", "2.1.0", "default", digest, "2" * 64, repo.base), "c", Phase.SHIFTING, 1.0, policy, step=0
    )
    with Journal(repo.root / ".tidegate/journal.db") as journal, journal.transaction() as transaction:
        transaction.put_state("digits", to_doc(RouteState("digits", stable, trial, promoted=(stable,))))
    repo.write(".gitignore", ".tidegate/\n")
    found = route("digits")
    assert (facts()["basis"], found["way"]) == ("journal", "goes_on")
    assert found["notes"] == [
        "its policy was edited: that applies from the next step on",
        "'insiders' goes on as it began, then 'canary' comes next",
        "its guardrails or its confidence change: with that step its evidence begins anew",
    ]
    assert facts("--base", "main")["basis"] == "branch"


def test_a_base_that_is_broken_says_what_is_broken(repo: Repo) -> None:
    repo.edit(DEPLOYMENT, "replicas: 2", "replicas: two")
    repo.commit("oops")
    repo.edit(DEPLOYMENT, "replicas: two", "replicas: 3")
    found = route("digits")
    assert (found["way"], found["from"], len(found["steps"])) == ("unknown_base", None, 4)
    assert found["notes"][0].startswith(f"what serves now cannot be told: {DEPLOYMENT}:8:11: ")
    assert "digits: asks for a release, and what serves now cannot be told\n  release    unknown -> " in run().stdout


def test_a_change_with_errors_is_told_and_ends_with_1(repo: Repo) -> None:
    repo.declare("2.1.0", epochs=30)
    repo.edit(DEPLOYMENT, "replicas: 2", "replicas: two")
    result = run()
    assert result.exit_code == 1
    message = f"{DEPLOYMENT}:8:11: 'replicas' must be a whole number, not text"
    assert result.stdout.splitlines()[2:6] == [
        "1 error, and what they touch stays as it is:", f"  {message}", "", "digits: cannot be followed: it stays as it is",
    ]  # fmt: skip
    whole = facts(code=1)
    assert whole["errors"] == 1
    assert {one["route"]: one["way"] for one in whole["routes"]} == {
        "assistant": "nothing", "digits": "problem", "digits/archive": "kept",
    }  # fmt: skip
    assert "**1 error**, and what they touch stays as it is:" in run("--format", "markdown").stdout


def test_a_model_that_is_deleted_goes_on_serving(repo: Repo) -> None:
    repo.git("rm", "-rq", "models/assistant")
    repo.git("commit", "-qm", "Nobody asks it any more")
    found = route("assistant", "--base", repo.base)
    assert (found["way"], found["notes"]) == (
        "kept",
        ["no longer in git: what serves goes on serving, nothing is stopped"],
    )


def test_a_held_route_says_so(repo: Repo) -> None:
    repo.declare("2.1.0", epochs=30)
    repo.edit(DEPLOYMENT, "hold: false", "hold: true")
    assert (route("digits")["held"], route("digits")["risks"][0]) == (True, "hold: true keeps it from beginning")


def test_a_first_commit_has_nothing_to_be_compared_with(repo: Repo) -> None:
    for words in (("--base", "nowhere"), ("--head", "nowhere")):
        result = run(*words)
        assert result.exit_code != 0
        assert "there is no such commit" in str(result.exception)


def test_a_configuration_below_the_top_of_its_repository_is_compared_there(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = repo.root / "serving/config"
    below.mkdir(parents=True)
    repo.git("mv", "models", "policies", "tidegate.yaml", "serving/config")
    repo.commit("below")
    monkeypatch.chdir(below)
    repo.root = below
    repo.declare("2.1.0", epochs=30)
    assert {one["route"]: one["way"] for one in facts()["routes"]} == {
        "assistant": "nothing", "digits": "steps", "digits/archive": "nothing",
    }  # fmt: skip


# -- Markdown ----------------------------------------------------------------------------------------------------------


def rendered(text: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


def test_the_markdown_renders_as_tables_and_folded_parts(repo: Repo) -> None:
    repo.declare("2.1.0", epochs=30)
    repo.edit(POLICY, "weight: 5%", "weight: 10%")
    text = run("--format", "markdown").stdout
    assert text.startswith(f"{comment.MARKER}\n")
    page = rendered(text)
    assert page.count("<table>") == 3
    for table in page.split("<table>")[1:]:
        rows = table.partition("</table>")[0].split("<tr>")[1:]
        cells = {row.count("</td>") + row.count("</th>") for row in rows}
        assert len(cells) == 1
    assert page.count("<details") == page.count("</details>") == 2
    assert "<td>new release, 1 risk</td>" in page
    assert "<li>digits/versions/2.1.0.yaml: artifact.sha256 b179c952… → 00000000…; " in page
    assert "<code>steps[canary].weight</code>: 5% → 10%" in page
    assert "Review by release (<code>vision-platform</code>" in page


def test_the_marker_is_the_one_that_the_comment_is_found_by() -> None:
    assert MARKER == comment.MARKER


NASTY = "Better | much | <img src=x onerror=alert(1)> **bold** `code` @everyone #1 [a](http://x) </details> & co"


def test_what_people_wrote_stays_text_in_the_comment(repo: Repo) -> None:
    repo.declare("2.1.0", epochs=30)
    repo.edit(DEPLOYMENT, "reason: The August scans are in.", f"reason: '{NASTY}'")
    page = rendered(run("--format", "markdown").stdout)
    (told,) = [line for line in page.splitlines() if "Better" in line]
    assert told == (
        "<p><strong>Reason</strong>: Better | much | &lt;img src=x onerror=alert(1)&gt; **bold** `code` @\u2060everyone #1 "
        "[a](http://x) &lt;/details&gt; &amp; co</p>"
    )
    assert page.count("<details") == page.count("</details>")


def test_a_plan_of_very_many_routes_fits_into_a_comment(repo: Repo) -> None:
    for number in range(60):
        for path in EXAMPLE.glob("models/digits/**/*.yaml"):
            name = path.relative_to(EXAMPLE / "models/digits").as_posix()
            text = path.read_text().replace("digits", f"model-{number}")
            repo.write(f"models/model-{number}/{name}", text)
    repo.commit("sixty models")
    repo.edit(POLICY, "weight: 5%", "weight: 10%")
    for number in range(60):
        repo.edit(f"models/model-{number}/deployment.yaml", 'version: "2.0.0"', 'version: "1.0.0"')
    text = run("--format", "markdown").stdout
    assert len(text) < 64_000
    assert "more: `tidegate plan` shows them.*" in text
    assert all(f"| `model-{number}` |" in text for number in range(60))
    assert text.rstrip().endswith("`support-platform`).")


# -- what it costs -----------------------------------------------------------------------------------------------------


def test_planning_imports_nothing_heavy(repo: Repo) -> None:
    repo.declare("2.1.0", epochs=30)
    script = (
        "import sys; sys.argv = ['tidegate', 'plan']; from tidegate.cli.main import invoke; code = invoke();"
        "heavy = ('numpy', 'scipy', 'sqlalchemy', 'docker', 'httpx', 'aiohttp', 'starlette');"
        "print(code, [module for module in heavy if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=repo.root, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(repo: Repo, columns: int) -> None:
    repo.declare("2.1.0", epochs=30)
    repo.edit("models/assistant/configs/default.yaml", "one sentence", "two sentences")
    assert max(len(line) for line in run(columns=columns).stdout.splitlines()) <= columns
