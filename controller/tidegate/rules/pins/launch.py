"""What a server will fetch by name when it starts, read from `runtime.command`, `runtime.env` and `runtime.image`.

Neighbours: engines.py knows the servers; checks/pins/ judges what is found. A path, or `${TIDEGATE_ARTIFACT}`, is no name.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tidegate.rules.pins.engines import ENGINES, ENV, OFFLINE, REVISIONS, TRUE, TRUST, UNKNOWN, Engine
from tidegate.rules.pins.places import uri_kind
from tidegate.spec.source import Loc
from tidegate.spec.version import Runtime

Word: TypeAlias = tuple[str, Loc]
"""A word of the command or the value of a variable, and where it stands in the file."""

_HUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_FILE = re.compile(r".*\.(?:gguf|ggml|safetensors|onnx|bin|pt|pth|json|yaml|py|jinja)")
_SHELLS = frozenset({"sh", "bash", "dash", "ash"})
_JSON_PATH = re.compile(r'"(?:path|lora_path)"\s*:\s*"([^"]*)"')
_PROGRAMS = {program: engine for engine in ENGINES for program in engine.programs}
_IMAGES = re.compile("|".join(re.escape(part) for engine in ENGINES for part in engine.images))
_SWITCH = re.compile(r"--(?:enable|disable|no|trust|skip)-.*")


@dataclass(frozen=True, slots=True)
class Fetch:
    """One thing that is fetched by name. `kind`: of the name. `revision`: what is written to pin it, and where.

    `flag`: what would pin it; '' when the engine has no such flag.
    """

    what: str
    name: str
    loc: Loc
    kind: str
    revision: Word | None = None
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """A server and what it fetches. `trust`: where it is told to run code that comes with a model.

    `own_tokenizer`: one is named, so that it does not follow the model's revision.
    """

    engine: Engine
    fetches: tuple[Fetch, ...] = ()
    trust: Loc | None = None
    code_revision: Word | None = None
    tokenizer_revision: Word | None = None
    own_tokenizer: bool = False


_NOTHING = Launch(UNKNOWN)


def read(runtime: Runtime) -> Launch:
    """What `runtime` makes a server fetch. Nothing for one that is told to stay offline."""
    words = list(_words(runtime.command))
    engine = _engine([word for word, _ in words], runtime.image or "")
    if engine is UNKNOWN and not any(name.startswith("HF_") for name in runtime.env):
        return _NOTHING
    if any(runtime.env.get(name, "").lower() in TRUE for name in OFFLINE) and engine.kind == "hf":
        return Launch(engine)
    found = _Found(engine)
    found.read_words(words)
    found.read_env(runtime.env)
    return found.launch()


def is_hub(name: str) -> bool:
    """Whether this is the name of a repository on the hub, and no path."""
    return bool(_HUB.fullmatch(name)) and not _FILE.fullmatch(name.lower())


def _words(command: Sequence[str]) -> Iterator[Word]:
    """The words of a command; of a shell's script those that are in it."""
    shell = bool(command) and command[0].rpartition("/")[2] in _SHELLS
    for index, word in enumerate(command):
        loc: Loc = ("runtime", "command", index)
        if shell and index > 0 and re.fullmatch(r"-[a-z]*c", command[index - 1]):
            try:
                parts = shlex.split(word, comments=True)
            except ValueError:
                parts = [part.strip("'\"") for part in word.split()]
            yield from ((part, loc) for part in parts)
        else:
            yield word, loc


def _engine(words: Sequence[str], image: str) -> Engine:
    for word in words[:8]:
        program = word.rpartition("/")[2]
        if program in _PROGRAMS:
            return _PROGRAMS[program]
    if "-m" in words[1:]:
        at = words.index("-m", 1)
        module = "".join(words[at + 1 : at + 2])
        for engine in ENGINES if any("python" in word for word in words[:at]) else ():
            if any(module == name or module.startswith(f"{name}.") for name in engine.modules):
                return engine
    found = _IMAGES.search(image.partition("@")[0].lower())
    return UNKNOWN if found is None else next(engine for engine in ENGINES if found[0] in engine.images)


class _Found:
    """Flags and variables by what they mean to the engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.named: dict[str, Word] = {}
        self.adapters: list[Word] = []

    def read_words(self, words: Sequence[Word]) -> None:
        meanings = self._flags()
        rest = list(words)
        verb = bool(self.engine.verbs) and self.engine.kind == "hf" and bool(rest) and is_hub(rest[0][0])
        while rest:
            word, loc = rest.pop(0)
            if not word.startswith("-"):
                if verb:
                    self.named.setdefault("model", (word, loc))
                verb = verb or word in self.engine.verbs
                continue
            name, equals, value = word.partition("=")
            name = name.replace("_", "-") if name.startswith("--") else name
            meaning = meanings.get(name)
            if meaning == "trust":
                if value.lower() in ("", *TRUE):
                    self.named["trust"] = (word, loc)
            elif meaning == "adapters":
                self.adapters += [(value, loc)] if equals else []
                while rest and not equals and not rest[0][0].startswith("-"):
                    self.adapters.append(rest.pop(0))
            elif equals or _SWITCH.fullmatch(name) or not rest or rest[0][0].startswith("--"):
                self.named |= {meaning: (value, loc)} if meaning is not None else {}
            else:
                place = rest.pop(0)
                self.named |= {meaning: place} if meaning is not None else {}

    def _flags(self) -> dict[str, str]:
        engine = self.engine
        flags = dict.fromkeys((flag.replace("_", "-") for flag in engine.model), "model")
        flags |= dict.fromkeys(engine.tokenizer, "tokenizer") | dict.fromkeys(engine.adapters, "adapters")
        if engine.kind == "hf" and engine is not UNKNOWN:
            flags |= dict.fromkeys(REVISIONS, "revision")
            flags |= {"--tokenizer-revision": "tokenizer_revision", "--code-revision": "code_revision", TRUST: "trust"}
        return flags

    def read_env(self, env: dict[str, str]) -> None:
        for name, value in env.items():
            loc: Loc = ("runtime", "env", name)
            meaning = "model" if name in self.engine.model_env else ENV.get(name)
            if name not in self.engine.model_env and self.engine.kind != "hf":
                continue
            if self.engine is UNKNOWN and not name.startswith("HF_"):
                continue
            if meaning == "adapters":
                self.adapters += [(part.strip(), loc) for part in value.split(",")]
            elif meaning == "trust":
                if value.lower() in TRUE:
                    self.named.setdefault("trust", (value, loc))
            elif meaning is not None:
                self.named.setdefault(meaning, (value, loc))

    def launch(self) -> Launch:
        fetches = [*self._model(), *self._tokenizer(), *self._adapters()]
        trust = self.named.get("trust")
        model = self.named.get("model", ("", ()))[0]
        return Launch(
            self.engine,
            tuple(fetches),
            trust[1] if trust is not None and not _is_local(model) else None,
            self.named.get("code_revision"),
            self.named.get("tokenizer_revision"),
            "tokenizer" in self.named,
        )

    def _model(self) -> Iterator[Fetch]:
        engine, found = self.engine, self.named.get("model")
        revision = self.named.get("revision")
        if found is None:
            return
        name, loc = found
        if engine.kind in ("bentoml", "ollama"):
            if not _is_local(name) and not (engine.kind == "bentoml" and ":" not in name):
                yield Fetch("model", name, loc, engine.kind)
            return
        by_scheme = uri_kind(name)
        if by_scheme not in (None, "vertex-model"):
            yield Fetch("model", name, loc, by_scheme or "", flag=engine.revision)
        elif engine.kind == "hf" and not _is_local(name):
            quantised = not engine.revision and is_hub(name.partition(":")[0])
            if is_hub(name) or quantised or revision is not None:
                yield Fetch("model", name, loc, "hf", revision, engine.revision)

    def _tokenizer(self) -> Iterator[Fetch]:
        found = self.named.get("tokenizer")
        if found is not None and is_hub(found[0]) and found[0] != self.named.get("model", ("",))[0]:
            flag = self.engine.tokenizer_revision
            yield Fetch("tokenizer", *found, "hf", self.named.get("tokenizer_revision"), flag)

    def _adapters(self) -> Iterator[Fetch]:
        for text, loc in self.adapters:
            json = _JSON_PATH.search(text)
            name, at, revision = (json[1] if json is not None else text.rpartition("=")[2]).partition("@")
            if is_hub(name):
                yield Fetch("adapter", name, loc, "hf", (revision, loc) if at else None)


def _is_local(name: str) -> bool:
    return name.startswith(("/", ".", "~", "${", "$")) or _FILE.fullmatch(name.lower()) is not None
