"""The controller's settings: `tidegate.yaml` read from disk, with every path made absolute.

Neighbours: spec/controller.py has the fields; the CLI and the engine start from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tidegate.spec.controller import Controller, GatewaySettings, RuntimeSettings
from tidegate.spec.declared import load_document
from tidegate.spec.errors import NeedsPerson

FILE = "tidegate.yaml"


@dataclass(frozen=True, slots=True)
class Settings:
    """`root` is the folder of the file; all other paths derive from it."""

    root: Path
    controller: Controller

    @property
    def state(self) -> Path:
        """Where the controller keeps what is its own: journal, mirror, cache, gateway files."""
        return (self.root / self.controller.state).resolve()

    @property
    def repository(self) -> str:
        """The repository's URL, or its absolute path when it is local."""
        url = self.controller.repository
        if "://" in url or (":" in url and not url.startswith((".", "/"))):
            return url
        return str((self.root / url).resolve())

    @property
    def journal(self) -> str:
        """The journal's database URL."""
        return self.controller.journal or f"sqlite:///{self.state / 'journal.db'}"

    @property
    def cache(self) -> Path:
        """Where verified artifacts are kept."""
        named = self.controller.artifacts.cache
        return (self.root / named).resolve() if named else self.state / "artifacts"

    @property
    def archive(self) -> Path:
        """Where closed files of the prediction record are kept."""
        return self.state / "archive"

    @property
    def runtime(self) -> RuntimeSettings:
        """The runtime's settings, with the folders of `path` absolute."""
        given = self.controller.runtime
        return given.model_copy(update={"path": tuple(str((self.root / name).resolve()) for name in given.path)})

    @property
    def gateway(self) -> GatewaySettings:
        """The gateway's settings, with the paths of callers' files absolute."""
        given, tls = self.controller.gateway, self.controller.gateway.tls
        files = {name: named for name, named in ({} if tls is None else tls.model_dump()).items() if named is not None}
        absolute = {name: str(self.root / named) for name, named in files.items()}
        return given.model_copy(
            update={
                "tls": tls and tls.model_copy(update=absolute),
                "callers": given.callers and str(self.root / given.callers),
            }
        )


def find_settings(start: Path) -> Path:
    """The nearest `tidegate.yaml` in `start` or above it. Raises NeedsPerson when there is none."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / FILE).is_file():
            return folder / FILE
    raise NeedsPerson(
        f"no {FILE} here or in any folder above",
        where=str(start.resolve()),
        fix="run this inside a configuration repository, name one with --config, or make one with: tidegate init my-models",
    )


def load_settings(path: Path) -> Settings:
    """Read and check one `tidegate.yaml`. Raises NeedsPerson with the position of the first problem."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise NeedsPerson(
            f"cannot be read: {error.strerror}", where=str(path), fix="name another with --config"
        ) from error
    document, problems = load_document(Controller, text, str(path))
    if document is None:
        first = problems[0]
        raise NeedsPerson(first.message, where=f"{path}:{first.line}:{first.column}", fix=first.fix)
    return Settings(root=path.resolve().parent, controller=document.value)


def open_settings(config: Path | None) -> Settings:
    """The settings of `--config`, or of the nearest file upwards from the current folder."""
    return load_settings(config if config else find_settings(Path.cwd()))
