"""A mend exchanges one value and nothing else, whatever the YAML around it looks like."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.finding import Finding
from tidegate.rules.pins.mends import pin_commit, pin_image
from tidegate.spec.source import parse

DIGEST = f"sha256:{'5a' * 32}"
COMMIT = "12345678" * 5
"""All digits: unquoted it would be a number."""
WAS = "resolved 2026-11-21"


@dataclass
class World:
    """A resolver that knows what it is told, and remembers what it was asked."""

    images: dict[str, str] = field(default_factory=dict)
    commits: dict[tuple[str, str], str] = field(default_factory=dict)
    today: date = date(2026, 11, 21)
    asked: list[str] = field(default_factory=list)

    def image(self, reference: str) -> str | None:
        self.asked.append(reference)
        return self.images.get(reference)

    def commit(self, repository: str, reference: str) -> str | None:
        return self.commits.get((repository, reference))


def found(text: str, *loc: str) -> Finding:
    line, column = parse(text.encode(), "v.yaml").at(loc)
    return Finding("v.yaml", line, column, "floating", "error", "", "")


def image(text: str, world: World | None = None) -> str | None:
    world = world if world is not None else World({"r.example.com/serve:1": DIGEST, "r.example.com/serve": DIGEST})
    return pin_image(text, found(text, "runtime", "image"), world)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("runtime:\n  image: r.example.com/serve:1\n",
         f'runtime:\n  image: "r.example.com/serve:1@{DIGEST}"  # was: r.example.com/serve:1, {WAS}\n'),
        ("runtime:\n  image: 'r.example.com/serve:1' # ours\n  port: 80\n",
         f'runtime:\n  image: "r.example.com/serve:1@{DIGEST}" # ours  # was: r.example.com/serve:1, {WAS}\n  port: 80\n'),
        ('runtime: {image: "r.example.com/serve", port: 80}\n',
         f'runtime: {{image: "r.example.com/serve@{DIGEST}", port: 80}}  # was: r.example.com/serve, {WAS}\n'),
        ("runtime: {image: r.example.com/serve,\n  port: 80}\n",
         f'runtime: {{image: "r.example.com/serve@{DIGEST}",  # was: r.example.com/serve, {WAS}\n  port: 80}}\n'),
        ("runtime:\n  image: oci://r.example.com/serve:1",
         f'runtime:\n  image: "oci://r.example.com/serve:1@{DIGEST}"  # was: oci://r.example.com/serve:1, {WAS}'),
        (f"runtime:\n  image: r.example.com/serve:sha256-{'5a' * 32}\n",
         f'runtime:\n  image: "r.example.com/serve@{DIGEST}"  # was: r.example.com/serve:sha256-{"5a" * 32}, {WAS}\n'),
        ("runtime:\n  image: r.example.com/serve:1@sha256:5a5a\n",
         f'runtime:\n  image: "r.example.com/serve:1@{DIGEST}"  # was: r.example.com/serve:1@sha256:5a5a, {WAS}\n'),
    ],
)  # fmt: skip
def test_an_image_gets_the_digest_of_its_tag_and_a_comment(before: str, after: str) -> None:
    assert image(before) == after
    assert yaml.safe_load(after)["runtime"]["image"].endswith(f"@{DIGEST}")


def test_in_the_middle_of_a_text_over_lines_no_comment_is_written() -> None:
    text = 'runtime: {image: r.example.com/serve:1, env: {A: "one\n  two"}}\n'
    after = image(text)
    assert after == f'runtime: {{image: "r.example.com/serve:1@{DIGEST}", env: {{A: "one\n  two"}}}}\n'


@pytest.mark.parametrize(
    "value", ["|\n    r.example.com/serve:1\n", '"r.example.com/\\x73erve:1"\n', "[r.example.com]\n", "5\n"]
)
def test_what_is_not_one_plain_word_is_left_to_a_person(value: str) -> None:
    assert image(f"runtime:\n  image: {value}") is None


def test_nobody_is_asked_about_what_is_no_name_of_an_image() -> None:
    world = World()
    for value in ("${IMAGE}:${TAG}", "'My Image:1'", "https://r.example.com/serve:1"):
        assert image(f"runtime:\n  image: {value}\n", world) is None
    assert world.asked == []


def test_without_an_answer_nothing_is_written() -> None:
    text = "runtime:\n  image: r.example.com/serve:1\n"
    assert image(text, World()) is None
    assert pin_image(text, found(text, "runtime", "image"), None) is None
    assert pin_image(text, found(text, "runtime"), World({"r.example.com/serve:1": DIGEST})) is None


def test_both_commits_are_asked_of_the_repository_of_the_code() -> None:
    text = "code: {repository: https://git.example.com/a.git, commit: main}\npreprocessing:\n  commit: v1\n  entrypoint: a:b\n"
    world = World(
        commits={("https://git.example.com/a.git", "main"): COMMIT, ("https://git.example.com/a.git", "v1"): COMMIT}
    )
    text = pin_commit(text, found(text, "preprocessing", "commit"), world) or ""
    text = pin_commit(text, found(text, "code", "commit"), world) or ""
    assert text == (
        f'code: {{repository: https://git.example.com/a.git, commit: "{COMMIT}"}}  # was: main, {WAS}\n'
        f'preprocessing:\n  commit: "{COMMIT}"  # was: v1, {WAS}\n  entrypoint: a:b\n'
    )


def test_without_a_repository_there_is_nobody_to_ask() -> None:
    text = "preprocessing: {commit: main, entrypoint: a}\n"
    assert pin_commit(text, found(text, "preprocessing", "commit"), World()) is None


words = st.text("abc:#'\"{}[],&*!|>%@ -\n", max_size=12)


@given(words, words, st.sampled_from(["", "'", '"']))
def test_nothing_but_the_value_changes_whatever_stands_around_it(before: str, after: str, quote: str) -> None:
    text = f"a: {before}\nruntime:\n  image: {quote}r.example.com/serve:1{quote}{after}\n"
    source = parse(text.encode(), "v.yaml")
    if source.raw(("runtime", "image")) != ("str", "r.example.com/serve:1"):
        return
    done = image(text)
    if done is not None:
        again = parse(done.encode(), "v.yaml")
        assert again.raw(("runtime", "image")) == ("str", f"r.example.com/serve:1@{DIGEST}")
        kept, was = dict(again.data), dict(source.data)
        kept["runtime"], was["runtime"] = {**kept["runtime"], "image": 0}, {**was["runtime"], "image": 0}
        assert kept == was
