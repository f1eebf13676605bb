"""`tidegate backtest`: what it says of recorded traffic, to people and to programs, and what it never takes for good news."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from backtest_log import BEGAN, POLICY, record, stamp, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.typed import typed
from support.world import environment
from tidegate.cli.backtests.log import Log
from tidegate.cli.backtests.replay import Outcome, replay
from tidegate.cli.backtests.show import Answer, as_json
from tidegate.cli.backtests.story import story
from tidegate.cli.figures.drawn import LIGHT, draw
from tidegate.spec.declared import load_document
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.policy import RolloutPolicy
from tidegate.spec.samples import alphas, samples_needed

FIRST = ["version", "verdict", "metric", "limit", "observed", "baseline", "requests", "candidate_requests", "at"]
BAD = record(6_000, errors=(0.01, 0.1))
GOOD = record(20_000)


def policy(source: str = POLICY) -> RolloutPolicy:
    loaded, problems = load_document(RolloutPolicy, source.encode(), "policy.yaml")
    assert loaded is not None, problems
    return loaded.value


def judged(folder: Path, lines: list[str], source: str = POLICY, route: str | None = None) -> dict[str, Any]:
    """What `--format json` prints of these lines."""
    path = folder / "record.jsonl"
    path.write_text(text(lines))
    return shown(replay(Log([path], route), policy(source)), source)


def shown(outcome: Outcome, source: str = POLICY) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(as_json(Answer("careful", policy(source), outcome))))
    return found


def with_guardrails(*lines: str) -> str:
    return POLICY.partition("guardrails:")[0] + "guardrails:\n" + "".join(f"  - {{{line}}}\n" for line in lines)


def tidegate(folder: Path, *words: str, given: bytes | None = None) -> subprocess.CompletedProcess[str]:
    """The command, as a person types it in a folder; as a program of its own where it reads a pipe."""
    if given is None:
        done = typed(folder, "backtest", *words, environment=environment())
    else:
        command = [sys.executable, "-m", "tidegate", "backtest", *words]
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, input=given, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with a policy, and a bad and a good record in it."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "careful.yaml").write_text(POLICY)
    lenient = POLICY.replace("careful", "lenient").replace("max_ratio: 1.5, margin: 4.0", "max_ratio: 20.0")
    (tmp_path / "policies" / "lenient.yaml").write_text(lenient)
    (tmp_path / "bad.jsonl").write_text(text(BAD))
    (tmp_path / "good.jsonl").write_text(text(GOOD))
    return tmp_path


def test_a_bad_candidate_fails_with_the_numbers_that_decided_and_when(tmp_path: Path) -> None:
    found = judged(tmp_path, BAD)
    assert list(found)[: len(FIRST)] == FIRST
    assert (found["version"], found["verdict"], found["metric"], found["limit"]) == (
        1,
        "fail",
        "error_rate",
        "max_ratio: 1.5",
    )
    assert found["observed"] == pytest.approx(0.1, abs=0.06)
    assert found["baseline"] == pytest.approx(0.01, abs=0.01)
    assert 0 < found["candidate_requests"] < found["requests"] < 6000
    assert BEGAN < found["at"] < BEGAN + 120
    assert found["time"] == stamp(found["at"])
    assert re.match(r"error rate .* against .*, \d+ candidate requests, odds of this by chance below 1 in 100; limit 1.5x",
                    found["sentence"])  # fmt: skip


def test_a_good_candidate_passes_when_every_margin_is_excluded(tmp_path: Path) -> None:
    found = judged(tmp_path, GOOD)
    assert (found["verdict"], found["cause"]) == ("pass", None)
    assert all(one["excluded"] for one in found["guardrails"])
    assert found["requests"] == len(GOOD)
    few = judged(tmp_path, GOOD[:600])
    assert (few["verdict"], few["cause"]) == ("hold", "too_few")
    more = judged(tmp_path, GOOD[:2500])
    assert (more["verdict"], more["cause"]) == ("hold", "inconclusive")


@pytest.mark.parametrize("lines", [[], [line for line in GOOD[:500] if "stable" in line], ["{}", "no json"]])
def test_a_log_without_a_candidate_is_no_good_news(tmp_path: Path, lines: list[str]) -> None:
    found = judged(tmp_path, lines)
    assert (found["verdict"], found["cause"], found["candidate_requests"], found["at"]) == ("hold", "no_data", 0, None)
    assert found["sentence"] == "no line of this log has the role candidate"


def test_a_world_that_is_broken_holds_and_blames_nobody(tmp_path: Path) -> None:
    both = with_guardrails("metric: error_rate, max: 0.05")
    found = judged(tmp_path, record(6_000, errors=(0.3, 0.3)), both)
    assert (found["verdict"], found["cause"]) == ("hold", "both_arms")


def test_scores_are_judged_and_nan_never_passes(tmp_path: Path) -> None:
    source = with_guardrails("metric: groundedness, max_drop: 0.02, margin: 0.1, source: feedback")
    assert judged(tmp_path, record(8_000, scores={"groundedness": (0.8, 0.8)}), source)["verdict"] == "pass"
    worse = judged(tmp_path, record(8_000, scores={"groundedness": (0.8, 0.7)}), source)
    assert (worse["verdict"], worse["metric"]) == ("fail", "groundedness")
    lines = [
        re.sub(r'"groundedness": [\d.]+', '"groundedness": NaN', line) if '"candidate"' in line else line
        for line in record(8_000, scores={"groundedness": (0.8, 0.8)})
    ]
    broken = judged(tmp_path, lines, source)
    assert broken["verdict"] != "pass"
    assert broken["log"]["malformed"] == 0, "such a line is a request, and its score is no score"
    missing = judged(tmp_path, GOOD, source)
    assert (missing["verdict"], missing["cause"]) == ("hold", "no_data")
    assert "no data from feedback" in missing["sentence"]


def test_a_log_has_no_pairs_of_a_shadow_and_nothing_passes_without_them(tmp_path: Path) -> None:
    source = with_guardrails("metric: agreement, min: 0.98, source: shadow", "metric: error_rate, max_ratio: 1.5")
    found = judged(tmp_path, GOOD, source)
    assert (found["verdict"], found["cause"]) == ("hold", "no_data")
    assert found["sentence"] == "agreement: no data from shadow yet"


def test_a_disaster_is_judged_at_once(tmp_path: Path) -> None:
    source = with_guardrails("metric: error_rate, max: 0.2, min_requests: 50, immediate: true")
    found = judged(tmp_path, record(6_000, errors=(0.01, 0.6)), source)
    assert found["verdict"] == "fail"
    assert found["candidate_requests"] < 150
    assert found["sentence"].endswith("at once")


def test_lines_that_are_lost_are_counted_and_change_nothing(tmp_path: Path) -> None:
    clean = judged(tmp_path, BAD)
    broken = list(BAD)
    for number, line in (
        (10, "{not json"),
        (20, '{"role": "stable"}'),
        (30, '["a list"]'),
        (40, ""),
        (50, '{"time": "x"}'),
    ):
        broken.insert(number, line)
    broken.insert(60, '{"time":"2026-08-01T10:00:00.000Z","role":"sta' + broken.pop(60).replace('"time": ', '"time":'))
    shadow = json.dumps({**json.loads(BAD[5]), "role": "shadow", "status": 500})
    broken[70:70] = [shadow] * 300
    found = judged(tmp_path, broken)
    assert {name: found[name] for name in FIRST} == {name: clean[name] for name in FIRST}
    assert found["log"]["malformed"] == 4
    assert found["log"]["others"] == 300
    assert found["log"]["lines"] == len(BAD) + 304


def test_numbers_of_seconds_are_times_too(tmp_path: Path) -> None:
    lines = [json.dumps({**json.loads(line), "time": BEGAN + number / 50}) for number, line in enumerate(BAD)]
    found = judged(tmp_path, lines)
    assert found["verdict"] == "fail"
    assert BEGAN < found["at"] < BEGAN + 120


def test_a_log_of_several_routes_needs_one_to_be_named(tmp_path: Path) -> None:
    mixed = [x for pair in zip(record(3_000, route="digits"), record(3_000, errors=(0.01, 0.3), route="other"), strict=True)
             for x in pair]  # fmt: skip
    with pytest.raises(NeedsPerson, match="several routes, digits and other") as raised:
        judged(tmp_path, mixed)
    assert raised.value.fix == "choose one: --route digits"
    assert judged(tmp_path, mixed, route="other")["verdict"] == "fail"
    fine = judged(tmp_path, mixed, route="digits")
    assert (fine["verdict"], fine["log"]["others"]) == ("hold", 3000)


def test_each_candidate_release_is_a_trial_of_its_own(tmp_path: Path) -> None:
    """The second one began while the last answers of the first still came; then it was promoted, and its role changed."""

    def named(lines: list[str], candidate: str, stable: str) -> list[str]:
        docs = [json.loads(line) for line in lines]
        return [json.dumps({**d, "release": candidate if d["role"] == "candidate" else stable}) for d in docs]

    first = named(record(6_000, errors=(0.01, 0.2)), "aaa", "sss")
    second = named(record(20_000, begin=BEGAN + 3600), "bbb", "sss")
    second[100:100] = first[-5:]
    after = [
        json.dumps({**json.loads(line), "role": "stable", "release": "bbb", "status": 500}) for line in second[-2000:]
    ]
    found = judged(tmp_path, [*first, *second, *after])
    assert [(one["release"], one["verdict"]) for one in found["trials"]] == [("aaa", "fail"), ("bbb", "pass")]
    assert (found["verdict"], found["release"]) == ("fail", "aaa")
    alone = judged(tmp_path, [*second, *after])
    assert [(one["release"], one["verdict"]) for one in alone["trials"]] == [("bbb", "pass")]


def test_pooling_would_have_taken_back_a_harmless_release(tmp_path: Path) -> None:
    """While the weight ramps and both arms drift alike: what is compared lies in the same seconds."""
    lines: list[str] = []
    for number, share in enumerate((0.01, 0.05, 0.2, 0.5)):
        errors = 0.01 * (1 + 3 * number)
        lines += record(6_000, errors=(errors, errors), share=share, seed=number, begin=BEGAN + 130 * number)
    docs = [json.loads(line) for line in lines]
    arms = {r: [d["status"] >= 500 for d in docs if d["role"] == r] for r in ("stable", "candidate")}
    stable, candidate = (sum(arms[role]) / len(arms[role]) for role in ("stable", "candidate"))
    assert candidate > 1.5 * stable, "pooled over time the candidate looks worse"
    assert judged(tmp_path, lines, with_guardrails("metric: error_rate, max_ratio: 1.2"))["verdict"] == "pass"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, len(BAD) - 1), max_size=5, unique=True), st.lists(st.booleans(), min_size=6, max_size=6))
def test_any_cut_into_files_packed_or_not_gives_the_same(tmp_path: Path, cuts: list[int], packed: list[bool]) -> None:
    whole = judged(tmp_path, BAD)
    paths = []
    for number, (start, stop) in enumerate(pairwise([0, *sorted(cuts), len(BAD)])):
        path = tmp_path / f"part{number}"
        content = text(BAD[start:stop]).encode()
        path.write_bytes(gzip.compress(content) if packed[number] else content)
        paths.append(path)
    assert shown(replay(Log(paths), policy())) == whole


def test_rotated_files_in_a_shells_order_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    for name, start in (("record.jsonl.1", 0), ("record.jsonl.2", 7000), ("record.jsonl", 14000)):
        (tmp_path / name).write_text(text(GOOD[start : start + 7000]))
    found = shown(replay(Log(sorted(tmp_path.iterdir())), policy()))
    assert found == judged(tmp_path, GOOD)


def test_the_sensitivity_is_the_arithmetic_of_the_plan_at_this_log(repo: Path) -> None:
    done = tidegate(repo, "--policy", "careful", "--log", "good.jsonl", "--sensitivity", "--format", "json")
    found = json.loads(done.stdout)
    errors, latency = found["sensitivity"]
    careful = policy()
    share = found["share"]
    for row in errors["effects"]:
        expected = samples_needed(careful.guardrails[0], errors["baseline"], row["effect"], alphas(careful)[0], share)
        assert row["requests"] == expected
        assert row["found"] == (expected is not None and expected <= found["candidate_requests"])
    assert errors["baseline"] == pytest.approx(0.01, abs=0.003)
    assert [row["requests"] is None for row in errors["effects"]] == [True, False, False, False, False]
    by_effect = {round(row["effect"], 6): row["requests"] for row in latency["effects"]}
    assert by_effect[1.1] is by_effect[1.2] is None, "within the limit"
    assert by_effect[1.5] > by_effect[2.0] > by_effect[3.0]
    assert 1.25 < latency["smallest"] < 1.5
    people = tidegate(repo, "--policy", "careful", "--log", "good.jsonl", "--sensitivity").stdout
    assert "what this policy would have detected in this traffic" in people
    assert "within the limit" in people


def test_people_read_the_verdict_the_table_and_what_was_not_replayed(repo: Path) -> None:
    done = tidegate(repo, "--policy", "careful", "--log", "bad.jsonl")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert re.match(r"FAIL  careful: rolled back after 1m and \d+ candidate requests, at 2026-08-01T10:01", lines[0])
    assert re.match(r"  error rate [\d.]+ % against [\d.]+ %", lines[1])
    assert any(line.startswith("error_rate max_ratio: 1.5") and line.rstrip().endswith("fail") for line in lines)
    assert "its steps ask for 1h30m and 500 candidate requests: they are not replayed" in done.stdout
    assert tidegate(repo, "--policy", "careful", "--log", "good.jsonl").returncode == 0


def test_several_policies_stand_side_by_side(repo: Path) -> None:
    words = ("--policy", "careful", "--policy", "policies/lenient.yaml", "--log", "bad.jsonl")
    done = tidegate(repo, *words)
    assert done.returncode == 1
    careful, lenient = done.stdout.splitlines()[1:3]
    assert re.match(r"careful +fail +1m ", careful)
    assert re.match(r"policies/lenient.yaml +(pass|hold)", lenient)
    docs = json.loads(tidegate(repo, *words, "--format", "json").stdout)
    assert [(one["policy"], one["verdict"] == "fail") for one in docs["policies"]] == [
        ("careful", True), ("policies/lenient.yaml", False),
    ]  # fmt: skip


def test_the_record_may_come_from_a_pipe_for_several_policies(repo: Path) -> None:
    given = gzip.compress((repo / "bad.jsonl").read_bytes())
    done = tidegate(repo, "-p", "careful", "-p", "lenient", "-l", "-", "--format", "json", given=given)
    piped = json.loads(done.stdout)["policies"][0]
    plain = json.loads(tidegate(repo, "-p", "careful", "-l", "bad.jsonl", "--format", "json").stdout)
    assert piped == plain


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--policy", "nosuch", "--log", "bad.jsonl"),
            "there is no 'policies/nosuch.yaml' here or in any folder above",
        ),
        (("--policy", "careful", "--log", "nosuch.jsonl"), "nosuch.jsonl: cannot be read: No such file or directory"),
        (("--policy", "bad.jsonl", "--log", "bad.jsonl"), "bad.jsonl:2:1: not YAML"),
        (("--policy", "careful", "--log", "bad.jsonl", "e.svg"), "e.svg is for --plot"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_to_do(repo: Path, words: tuple[str, ...], message: str) -> None:
    done = tidegate(repo, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_the_evidence_is_drawn_in_the_terminal_or_to_a_file(repo: Path) -> None:
    here = tidegate(repo, "-p", "careful", "-l", "bad.jsonl", "--plot").stdout
    assert "1/alpha ┤" in here
    assert "E = 1 ┤" in here
    assert "● error_rate max_ratio: 1.5" in here
    done = tidegate(repo, "-p", "careful", "-l", "bad.jsonl", "--plot", "dark.png", "--dark")
    assert done.returncode == 1
    assert "drawn to dark.png" in done.stderr
    assert (repo / "dark.png").read_bytes().startswith(b"\x89PNG")
    words = ("-p", "careful", "-p", "lenient", "-l", "bad.jsonl", "--plot", "one.svg")
    assert "one figure shows one policy" in tidegate(repo, *words).stderr


def test_the_same_story_is_the_same_picture(tmp_path: Path) -> None:
    (tmp_path / "record.jsonl").write_text(text(BAD))
    for name in ("one.svg", "two.svg"):
        found = replay(Log([tmp_path / "record.jsonl"]), policy(), trail=True)
        draw(story(Answer("careful", policy(), found)), tmp_path / name, LIGHT)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.svg", "two.svg"))
    assert one == two
    assert b"latency_p95_ms max_ratio: 1.25" in one
