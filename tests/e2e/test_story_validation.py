"""Before users: the candidate alone, on the runtime of production, asked the model's evaluation set. No user meets a bad one."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support import declare
from support.model_server import ARTIFACTS, ROOT
from support.world import Make, World
from tidegate.engine.settings import load_settings
from tidegate.evaluation.measure import WARM_UP
from tidegate.gateway.supervisor import Gateway

EXAMPLES = 200
EVALUATOR = Path(__file__).parents[1] / "support/evaluator.py"


def lines(count: int = EXAMPLES, sliced: bool = True) -> str:
    """Numbers and their parity; small numbers are one slice, large ones the other."""
    made = []
    for number in range(count):
        doc: dict[str, Any] = {"input": {"n": number}, "expected": {"parity": number % 2}}
        if sliced:
            doc["slice"] = {"size": "small" if number % 100 < 50 else "large"}
        made.append(json.dumps(doc))
    return "\n".join(made) + "\n"


def contract(text: str, *, uri: str, min_examples: int = 100, sha256: str = "", **rules: Any) -> dict[str, Any]:
    """An acceptance on this set; accuracy of 0.9 where nothing else is asked."""
    digest = sha256 or hashlib.sha256(text.encode()).hexdigest()
    count = len(text.splitlines())
    where = {"uri": uri, "sha256": digest, "examples": count, "min_examples": min_examples}
    return {"evaluation_set": where, **(rules or {"metrics": {"accuracy": {"min": 0.9}}})}


class Story:
    """One model of a world: its files, its policy and its route are its own, so that several stories share a world."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.set = f"models/{name}/evaluation/set.jsonl"
        self.policy()

    def policy(self, **changes: Any) -> None:
        """Write its policy, which has its name."""
        self.world.policy(self.name, **changes)

    def declared(self, text: str | None = None, features: tuple[str, ...] = (), **rules: Any) -> None:
        """The set and a model that names it, in the clone."""
        text = lines() if text is None else text
        self.world.write(self.set, text)
        # Another digest than the file's has to be out of the validator's sight.
        uri = f"file://{self.world.clone / self.set}" if "sha256" in rules else f"file:{self.set}"
        self.world.model(self.name, protocol="http", features=features, acceptance=contract(text, uri=uri, **rules))

    def version(self, number: str, **more: Any) -> None:
        """Write a version."""
        self.world.version(number, self.name, **more)

    def deploy(self, number: str, **more: Any) -> str:
        """Ask for a version; the commit."""
        return self.world.deploy(number, self.name, policy=self.name, **more)

    def until(self, kind: str, commit: str) -> dict[str, Any]:
        """Wait for an event of its route about the release that a commit asked for."""
        return self.world.until(kind, self.name, commit=commit)

    def route(self) -> dict[str, Any]:
        """Its route in the status."""
        return self.world.route(self.name)

    def begun(self, text: str | None = None, **rules: Any) -> str:
        """The first release, measured, promoted and answering."""
        self.declared(text, **rules)
        self.version("1.0.0")
        commit = self.deploy("1.0.0")
        self.until("promoted", commit)
        self.world.wait(lambda: self.world.ask(self.name).status == 200, "the gateway to answer")
        return commit

    def reverted(self, commit: str) -> None:
        """Git says again what serves."""
        self.world.wait(lambda: self.world.trailers().get("Tidegate-Rejects") == commit, "the revert commit")
        assert 'version: "1.0.0"' in self.world.at_remote(f"models/{self.name}/deployment.yaml")

    def end(self) -> None:
        """Nothing more of it changes git, and the clone is where git is."""
        self.world.wait(lambda: not self.route().get("git_pending"), "git to be told")
        self.world.pull()


@pytest.fixture
def story(world: World) -> Story:
    """A world of a story's own."""
    return Story(world, "digits")


@pytest.fixture
def chapter(shared_world: World, request: pytest.FixtureRequest) -> Iterator[Story]:
    """A story in the shared world, named by a digest of the test's name."""
    story = Story(shared_world, f"m-{hashlib.sha256(request.node.name.encode()).hexdigest()[:10]}")
    yield story
    story.end()
    print(f"--- {shared_world.folder}\n{shared_world.tail(80)}")


def answered_by(world: World, version: str) -> int:
    """How many requests of users the gateway says this version answered: its own record, every line."""
    record = Gateway(load_settings(world.settings).controller.gateway, world.state).record
    return sum(json.loads(line).get("version") == version for line in record.read_text().splitlines())


def test_a_candidate_that_reads_worse_is_rejected_before_any_user_meets_it(story: Story) -> None:
    world = story.world
    story.begun(metrics={"accuracy": {"min": 0.5}}, regression={"accuracy": {"max_drop": 0.02}})
    with world.traffic() as users:
        story.version("2.0.0", env={"WRONG": "10"})
        commit = story.deploy("2.0.0")
        back = story.until("rolled_back", commit)
        users.more(100)
    digest = hashlib.sha256(lines().encode()).hexdigest()[:12]
    assert back["reason"] == (
        "validation failed: accuracy 0.9 is 0.1 below 1.0.0's 1, at most 0.02 may be lost; "
        f"measured on 200 examples of set {digest}"
    )
    assert answered_by(world, "1.0.0") > 100
    assert answered_by(world, "2.0.0") == 0
    assert set(users.versions()) == {"1.0.0"}
    assert not [kind for kind in world.kinds() if kind.startswith("step")]
    story.reverted(commit)


def test_a_first_release_is_measured_too_and_a_bad_one_serves_nobody(chapter: Story) -> None:
    chapter.declared(fairness=[{"metric": "accuracy", "across": "size", "max_gap": 0.05}])
    chapter.version("1.0.0", env={"WRONG": "8"})
    back = chapter.until("rolled_back", chapter.deploy("1.0.0"))
    assert "accuracy across size differs by 0.16 (small 0.84, large 1), at most 0.05 is allowed" in back["reason"]
    assert chapter.route()["stable"] is None


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"NAN": "3"}, "6 of 200 examples failed (at most 0 of them may fail): example 1: the answer holds nan"),
        ({"LATENCY_MS": "120"}, "is above 60; measured on 200 examples"),
        ({"ERROR_RATE": "1"}, 'then it was given up (at most 0 of them may fail): example 1: status 500: {"version"'),
    ],
    ids=["nan", "slow", "errors"],
)
def test_what_the_candidate_answers_is_judged_whole(chapter: Story, env: Mapping[str, str], reason: str) -> None:
    chapter.begun(metrics={"accuracy": {"min": 0.5}, "latency_p50_ms": {"max": 60}})
    chapter.version("2.0.0", env=env)
    commit = chapter.deploy("2.0.0")
    assert reason in chapter.until("rolled_back", commit)["reason"]
    chapter.reverted(commit)


@pytest.mark.parametrize(
    ("rules", "text", "cause"),
    [
        ({"sha256": "12" * 32}, None, "wrong digest: sha256 1212"),
        ({"fairness": [{"metric": "accuracy", "across": "size", "max_gap": 0.1}]}, lines(sliced=False), "no two slices of size"),
        ({"min_examples": 300}, None, "200 examples were measured, the contract asks for 300"),
        ({}, '{"input": 1}\nnonsense\n', "line 2 is no JSON"),
    ],
    ids=["digest", "slices", "too few", "no JSON"],
)  # fmt: skip
def test_a_set_that_cannot_judge_holds_the_candidate_and_rejects_nobody(
    chapter: Story, rules: dict[str, Any], text: str | None, cause: str
) -> None:
    world = chapter.world
    chapter.policy(validation={"evaluation": "required"})
    figures = {"set_sha256": rules.get("sha256") or hashlib.sha256((text or lines()).encode()).hexdigest()}
    chapter.declared(text, **rules)
    chapter.version("1.0.0")
    evaluation = {
        **figures, "examples": 400, "ran_at": "2026-01-01", "metrics": {"accuracy": 0.99},
        "slices": {"size": {"small": {"accuracy": 0.99}, "large": {"accuracy": 0.99}}},
    }  # fmt: skip
    path = f"models/{chapter.name}/versions/1.0.0.yaml"
    world.write(path, (world.clone / path).read_text() + f"evaluation: {json.dumps(evaluation)}\n")
    commit = chapter.deploy("1.0.0")
    held = chapter.until("held", commit)
    assert cause in held["reason"]
    world.wait(lambda: (chapter.route()["candidate"] or {}).get("hold") == "validation", "the status to say so")
    assert "rolled_back" not in world.kinds(chapter.name)


def own(*words: str, **more: Any) -> dict[str, Any]:
    """A policy's `validate` with the evaluator of the tests, as a process."""
    return {"command": [sys.executable, str(EVALUATOR), *words], **more}


def test_an_evaluator_of_one_s_own_takes_the_place_of_the_built_in_one(chapter: Story) -> None:
    chapter.policy(validation=own())
    chapter.begun(metrics={"accuracy": {"min": 0.95}, "politeness": {"min": 0.5}})
    found = chapter.world.facts("history", chapter.name)["history"][0]["validation"]
    assert found["evaluation"]["metrics"] == {"accuracy": 1.0, "politeness": 0.75}
    assert found["evaluator"].endswith("evaluator.py")
    chapter.version("2.0.0", env={"WRONG": "7"})
    back = chapter.until("rolled_back", chapter.deploy("2.0.0"))
    assert "validation failed: accuracy 0.93 is below 0.95; measured on 200 examples" in back["reason"]


def test_an_evaluator_that_refuses_rejects_with_its_last_lines(chapter: Story) -> None:
    chapter.declared()
    chapter.policy(validation=own("refuse"))
    chapter.version("1.0.0")
    back = chapter.until("rolled_back", chapter.deploy("1.0.0"))
    assert "the evaluator ended with exit code 3: looked at the answers / they are rude" in back["reason"]


@pytest.mark.parametrize(
    ("validation", "cause"),
    [
        (own("chatter"), "what it printed is no report"),
        (own("hang", timeout="1s"), "it did not end within 1 s"),
        ({"command": ["no-such-evaluator"]}, "cannot run 'no-such-evaluator'"),
        ({"image": f"example.com/evaluator@sha256:{'ab' * 32}"}, "names an image alone"),
    ],
    ids=["no report", "hangs", "missing", "image"],
)
def test_a_broken_evaluator_holds_and_a_mended_policy_goes_on(
    chapter: Story, validation: dict[str, Any], cause: str
) -> None:
    chapter.declared()
    chapter.policy(validation=validation)
    chapter.version("1.0.0")
    commit = chapter.deploy("1.0.0")
    held = chapter.until("held", commit)
    assert cause in held["reason"]
    assert chapter.route()["stable"] is None
    assert "rolled_back" not in chapter.world.kinds(chapter.name)


def test_a_validation_that_was_interrupted_is_begun_again_and_one_that_is_over_is_not(
    story: Story, tmp_path: Path
) -> None:
    world, log = story.world, tmp_path / "asked"
    asked = {"ASKED_LOG": str(log), "LATENCY_MS": "40"}
    story.declared()
    story.version("1.0.0", env=asked)
    commit = story.deploy("1.0.0")
    world.wait(lambda: log.exists() and len(log.read_text().splitlines()) > 20, "the first examples")
    world.kill()
    before = len(log.read_text().splitlines())
    assert before < EXAMPLES
    world.start()
    world.until("promoted", commit=commit)
    times = len(log.read_text().splitlines())
    assert times >= before + EXAMPLES
    assert world.facts("history", "digits")["history"][0]["validation"]["evaluation"]["examples"] == EXAMPLES
    story.policy(standby="2h")
    world.commit("Nothing that is asked again")
    world.kill()
    world.start()
    shown = world.wait(lambda: world.route().get("validation"), "the report after a restart")
    assert [one["examples"] for one in shown.values()] == [EXAMPLES]
    assert len(log.read_text().splitlines()) == times
    assert "before users: accuracy 1, latency_p95_ms" in world.cli("status").stdout


def test_two_routes_that_try_one_release_share_its_validation(chapter: Story, tmp_path: Path) -> None:
    world, log = chapter.world, tmp_path / "asked"
    chapter.begun(features=("archive",))
    chapter.version("1.1.0")
    chapter.deploy("1.0.0", features={"archive": {"version": "1.1.0"}})
    world.until("step", f"{chapter.name}/archive", step="canary")
    chapter.version("2.0.0", env={"ASKED_LOG": str(log), "LATENCY_MS": "20", "WRONG": "20"})
    commit = chapter.deploy("2.0.0", features={"archive": {"version": "2.0.0"}})
    for route in (chapter.name, f"{chapter.name}/archive"):
        assert "accuracy 0.8 is below 0.9" in world.until("rolled_back", route, commit=commit)["reason"]
    assert len(log.read_text().splitlines()) == EXAMPLES + WARM_UP


def test_the_measuring_of_a_superseded_candidate_is_given_up(chapter: Story, tmp_path: Path) -> None:
    world, log = chapter.world, tmp_path / "asked"
    chapter.begun()
    chapter.version("2.0.0", env={"ASKED_LOG": str(log), "LATENCY_MS": "400"})
    slow = chapter.deploy("2.0.0")
    world.wait(lambda: log.exists() and len(log.read_text().splitlines()) > 3, "the slow candidate's first examples")
    chapter.version("3.0.0")
    commit = chapter.deploy("3.0.0")
    chapter.until("superseded", slow)
    chapter.until("step", commit)
    assert len(log.read_text().splitlines()) < EXAMPLES / 2


def test_sample_requests_of_the_policy_have_to_be_answered_well(chapter: Story) -> None:
    samples = "".join(json.dumps({"input": {"n": number}}) + "\n" for number in range(10))
    path = f"policies/{chapter.name}.jsonl"
    chapter.world.write(path, samples)
    digest = hashlib.sha256(samples.encode()).hexdigest()
    chapter.policy(validation={"requests": 25, "samples": {"uri": f"file:{path}", "sha256": digest}})
    chapter.world.model(chapter.name, protocol="http")
    chapter.version("1.0.0")
    chapter.until("promoted", chapter.deploy("1.0.0"))
    chapter.version("2.0.0", env={"NAN": "1"})
    back = chapter.until("rolled_back", chapter.deploy("2.0.0"))
    assert "3 of 25 examples failed (at most 0 of them may fail): example 1: the answer holds nan" in back["reason"]
    assert f"measured on 25 examples of set {digest[:12]}" in back["reason"]


def test_requests_without_anything_to_send_hold(chapter: Story) -> None:
    chapter.policy(validation={"requests": 5})
    chapter.world.model(chapter.name, protocol="http")
    chapter.version("1.0.0")
    held = chapter.until("held", chapter.deploy("1.0.0"))
    assert (
        "the policy asks for 5 requests, and there are none to send; fix: give the policy validate.samples"
        in held["reason"]
    )


@pytest.mark.docker
def test_containers_are_measured_and_an_evaluator_s_image_runs_beside_the_candidate(make_world: Make) -> None:
    story = Story(make_world("docker"), "digits")
    world = story.world
    evaluator = {"image": world.image, "command": ["python3", "-c", EVALUATOR.read_text()]}
    story.policy(validation=evaluator)
    story.begun(metrics={"accuracy": {"min": 0.95}})
    stable = world.wait(lambda: world.route()["stable"], "the status to say so")
    assert world.route()["validation"][stable["release"]]["metrics"]["politeness"] == 0.75
    world.policy("plain")
    world.version("2.0.0", env={"WRONG": "10"})
    commit = world.deploy("2.0.0", policy="plain")
    back = world.until("rolled_back", commit=commit)
    assert "accuracy 0.9 is below 0.95; measured on 200 examples" in back["reason"]
    story.reverted(commit)
    world.pull()
    story.policy(validation={**evaluator, "image": f"registry.example.invalid/gone@sha256:{'ab' * 32}"})
    world.version("3.0.0")
    held = story.until("held", story.deploy("3.0.0"))
    assert "3.0.0" in held["reason"] and "cannot be validated" in held["reason"]
    story.policy(validation={**evaluator, "command": ["no-such-program"]})
    world.commit("Another evaluator")
    world.until("resumed")
    world.wait(lambda: "no-such-program" in str((world.route()["candidate"] or {}).get("hold_reason")), "the new cause")


def digits(world: World, version: str, weights: str, python: str, shape: list[int] | None = None) -> None:
    """A version of the digits model as it is, on the real server, with weights of another version."""
    artifact = (ARTIFACTS / weights / "model.onnx").read_bytes()
    path = f"models/digits/artifacts/{version}.onnx"
    (world.clone / path).parent.mkdir(parents=True, exist_ok=True)
    (world.clone / path).write_bytes(artifact)
    words = [
        "--artifact",
        "${TIDEGATE_ARTIFACT}",
        "--port",
        "${TIDEGATE_PORT}",
        "--name",
        "digits",
        "--version",
        version,
    ]
    outputs = [{"name": "digit", "datatype": "INT64", "shape": shape or [-1, -1]}]
    fields = {
        "model": "digits", "version": version, "reason": "For the test.",
        "artifact": {"uri": f"file:{path}", "sha256": hashlib.sha256(artifact).hexdigest()},
        "runtime": {"command": [python, "-m", "tidegate_serving", *words], "startup_timeout": "120s"},
        "signature": {"inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}], "outputs": outputs},
    }  # fmt: skip
    world.write(f"models/digits/versions/{version}.yaml", declare.flow("ModelVersion", fields))


def test_the_real_server_reads_the_real_scans_with_its_inference_config(make_world: Make, serving_python: str) -> None:
    story = Story(make_world(), "digits")
    world = story.world
    text = (ROOT / "models/digits/evaluation/scans.jsonl").read_text()
    world.write(story.set, text)
    rules = {
        "regression": {"accuracy": {"max_drop": 0.01}},
        "metrics": {"f1_macro": {"min": 0.9}, "accuracy": {"min": 0.9}},
    }
    world.model(acceptance=contract(text, uri=f"file:{story.set}", **rules))
    world.config(top_k=2)
    digits(world, "1.0.0", "2.0.0", serving_python)
    world.until("promoted", commit=world.deploy("1.0.0", config="default"))
    report = world.facts("history", "digits")["history"][0]["validation"]["evaluation"]
    assert report["metrics"]["accuracy"] == pytest.approx(0.9832, abs=1e-4)  # as models/digits/versions/2.0.0.yaml says
    assert report["slices"]["stroke_weight"]["light"]["accuracy"] == pytest.approx(0.9856, abs=1e-4)
    digits(world, "1.1.0", "1.0.0", serving_python)
    commit = world.deploy("1.1.0", config="default")
    worse = world.until("rolled_back", commit=commit)
    assert "accuracy 0.968174 is 0.01508 below 1.0.0's 0.98325, at most 0.01 may be lost" in worse["reason"]
    story.reverted(commit)
    world.pull()
    digits(world, "1.2.0", "2.0.0", serving_python, shape=[-1, 1])
    wide = world.until("rolled_back", commit=world.deploy("1.2.0", config="default"))
    assert "output 'digit' has the shape [1, 2], the signature says [-1, 1]" in wide["reason"]


def test_a_stable_release_that_was_never_measured_is_asked_the_same_set_while_it_serves(story: Story) -> None:
    world = story.world
    world.begin(protocol="http")
    story.declared(regression={"accuracy": {"max_drop": 0.02}})
    world.version("2.0.0", env={"WRONG": "10"})
    with world.traffic() as users:
        commit = world.deploy("2.0.0")
        back = world.until("rolled_back", commit=commit)
        users.more(50)
    assert "accuracy 0.9 is 0.1 below 1.0.0's 1, at most 0.02 may be lost" in back["reason"]
    assert not users.failed()
    assert set(users.versions()) == {"1.0.0"}
    world.wait(lambda: len(world.route()["validation"]) == 1, "the stable release's own report")
    [report] = world.route()["validation"].values()
    assert (report["examples"], report["metrics"]["accuracy"]) == (EXAMPLES, 1.0)
