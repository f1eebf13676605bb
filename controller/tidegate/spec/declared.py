"""Everything that one commit declares. A broken file leaves its own place empty and says why; the others load.

Neighbours: layout.py says which file is what, source.py reads, translate.py words the errors, rules/ judges the whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from tidegate.spec.base import API, Document
from tidegate.spec.controller import Controller
from tidegate.spec.deployment import Deployment
from tidegate.spec.governance import Governance
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.kinds import KINDS
from tidegate.spec.layout import Place, place, wanted
from tidegate.spec.model import Model
from tidegate.spec.policy import RolloutPolicy
from tidegate.spec.prices import Prices
from tidegate.spec.source import Problem, Source, parse
from tidegate.spec.translate import problems_of
from tidegate.spec.version import ModelVersion
from tidegate.spec.vocabulary import similar

__all__ = ["Declared", "DeclaredModel", "Loaded", "Loader", "load", "load_config", "load_document", "wanted"]

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[D]):
    """One file that fits its kind: where it stands in the repository, what it says, and where it says so."""

    path: str
    value: D
    source: Source


@dataclass(frozen=True, slots=True)
class DeclaredModel:
    """One folder below models/. `name` is the folder's. `deployment` is the one of the environment that was asked for;
    `deployments` are all that were read, by path. `problems` are those of the files in this folder."""

    name: str
    model: Loaded[Model] | None = None
    versions: Mapping[str, Loaded[ModelVersion]] = field(default_factory=dict)
    configs: Mapping[str, Loaded[InferenceConfig]] = field(default_factory=dict)
    deployment: Loaded[Deployment] | None = None
    deployments: Mapping[str, Loaded[Deployment]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """The files of one commit. `models` by folder, `policies` by file name; `problems` are all, models' too."""

    models: Mapping[str, DeclaredModel] = field(default_factory=dict)
    policies: Mapping[str, Loaded[RolloutPolicy]] = field(default_factory=dict)
    governance: Loaded[Governance] | None = None
    prices: Loaded[Prices] | None = None
    controller: Loaded[Controller] | None = None
    problems: tuple[Problem, ...] = ()


def load(files: Mapping[str, bytes], environment: str | None = "production") -> Declared:
    """Load the files of one commit, by path relative to the root of the repository. Never raises for what they say.

    Of the deployments only that of `environment` is read; None reads all of them, and chooses one only if it is alone.
    Paths that Tidegate does not know are ignored.
    """
    return Loader(environment).load(files)


class Loader:
    """Loads one commit after the other, and of each only what differs from the one before. One caller at a time.

    A model whose files are all as they were is the very same object again, so its users see by `is` that nothing changed.
    """

    def __init__(self, environment: str | None = "production") -> None:
        self._environment = environment
        self._files: dict[str, tuple[bytes, Loaded[Any] | None, tuple[Problem, ...]]] = {}
        self._folders: dict[str | None, dict[str, Place]] = {}
        self._models: dict[str, DeclaredModel] = {}
        self._general = _Folder()

    def load(self, files: Mapping[str, bytes], changed: Collection[str] | None = None) -> Declared:
        """As the function `load`. `changed`: the paths that may differ from the commit before; None: any may."""
        paths = {*self._files, *files} if changed is None else changed
        touched = {found.model: None for path in sorted(paths) if (found := self._take(path, files.get(path)))}
        before = self._models
        models = dict(before) if touched else before
        for name in touched:
            part = self._folder(name)
            if name is None:
                self._general = part
            elif name in self._folders:
                models[name] = part.model(name)
            else:
                del models[name]
        if models.keys() != before.keys():  # in the order of their paths
            models = dict(sorted(models.items(), key=lambda pair: f"{pair[0]}/"))
        self._models, general = models, self._general
        return Declared(
            models=models,
            policies=general.named("RolloutPolicy"),
            governance=general.named("Governance").get("governance"),
            prices=general.named("Prices").get("prices"),
            controller=general.named("Controller").get("tidegate"),
            problems=tuple(sorted([*general.problems, *(p for model in models.values() for p in model.problems)])),
        )

    def _take(self, path: str, text: bytes | None) -> Place | None:
        """Have the file loaded, or forgotten when it is not there; its place when it is not as it was."""
        found, last = place(path), self._files.get(path)
        if found is None or (self._environment is not None and found.environment not in (None, self._environment)):
            return None
        if text is None:
            if last is None:
                return None
            del self._files[path], self._folders[found.model][path]
            if not self._folders[found.model]:
                del self._folders[found.model]
            return found
        if last is not None and last[0] == text:
            return None
        self._files[path] = (text, *load_document(KINDS[found.kind], text, path))
        self._folders.setdefault(found.model, {})[path] = found
        return found

    def _folder(self, name: str | None) -> _Folder:
        folder = _Folder()
        for path, found in sorted(self._folders.get(name, {}).items()):
            _, document, problems = self._files[path]
            folder.add(path, found, document, problems)
        return folder


def load_config(text: bytes, path: str) -> tuple[Loaded[InferenceConfig] | None, tuple[Problem, ...]]:
    """One InferenceConfig, as it stood in another commit: the config, or None and the problems."""
    return load_document(InferenceConfig, text, path)


def load_document(kind: type[D], text: bytes, path: str) -> tuple[Loaded[D] | None, tuple[Problem, ...]]:
    """One file that should be of `kind`: what it says, or None and the problems."""
    source = parse(text, path)
    problems = list(source.problems)
    if source.tree is None:
        return None, source.problems
    if not isinstance(source.data, dict):
        problems.append(source.problem((), "wrong-type", "the file must be a mapping of fields", _header(kind)))
        return None, tuple(problems)
    header = _check_header(source, kind)
    if header is not None and header.code == "wrong-kind" and source.data.get("kind") in KINDS:
        return None, (*problems, header)
    try:
        value = kind.model_validate(source.data | {"api": API, "kind": kind.__name__}, by_alias=True, by_name=False)
    except ValidationError as error:
        problems += problems_of(error, kind, source)
    problems += [header] if header is not None else []
    if problems:
        return None, tuple(sorted(problems))
    return Loaded(path, value, source), ()


def _header(kind: type[Document]) -> str:
    return f"begin with 'api: {API}' and 'kind: {kind.__name__}'"


def _check_header(source: Source, kind: type[Document]) -> Problem | None:
    """The first problem of the two lines that say what a file is."""
    for name, wanted_value in (("kind", kind.__name__), ("api", API)):
        given = source.data.get(name)
        if given == wanted_value:
            continue
        if name not in source.data:
            return source.problem((), "missing-field", f"'{name}' is missing", f"add '{name}: {wanted_value}'")
        if name == "api":
            return source.problem(("api",), "wrong-value", f"'api' is '{given}', not {API}", f"write 'api: {API}'")
        close = similar(str(given), KINDS)
        other = "" if given in KINDS else ": no such kind" + (f"; did you mean {close}?" if close else "")
        message = f"'kind' is '{given}', but this path is for a {wanted_value}{other}"
        fix = f"write 'kind: {wanted_value}', or move the file to where it belongs"
        return source.problem(("kind",), "wrong-kind", message, fix)
    return None


class _Folder:
    """What was read of one model's folder, or of what belongs to no model."""

    def __init__(self) -> None:
        self.paths: dict[str, Place] = {}
        self.documents: dict[str, dict[str, Loaded[Any]]] = {}
        self.problems: list[Problem] = []

    def add(self, path: str, found: Place, document: Loaded[Any] | None, problems: tuple[Problem, ...]) -> None:
        self.paths[path] = found
        self.problems += problems
        if document is not None:
            key = path if found.kind == "Deployment" else found.name
            self.documents.setdefault(found.kind, {})[key] = document

    def named(self, kind: str) -> dict[str, Loaded[Any]]:
        return self.documents.get(kind, {})

    def model(self, name: str) -> DeclaredModel:
        paths = [path for path, found in self.paths.items() if found.kind == "Deployment"]
        lone = paths[0] if len(paths) == 1 else None
        problems = list(self.problems)
        if len(paths) > 1 and any(self.paths[path].environment is None for path in paths):
            problems.append(Problem(
                f"models/{name}/deployment.yaml", 1, 1, "two-deployments",
                f"'{name}' has a deployment.yaml and files in deployments/: which of them counts is not said",
                f"move it to models/{name}/deployments/<environment>.yaml, or delete one of the two",
            ))  # fmt: skip
        return DeclaredModel(
            name=name,
            model=self.named("Model").get("model"),
            versions=self.named("ModelVersion"),
            configs=self.named("InferenceConfig"),
            deployment=self.named("Deployment").get(lone) if lone else None,
            deployments=self.named("Deployment"),
            problems=tuple(sorted(problems)),
        )
