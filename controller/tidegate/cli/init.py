"""`tidegate init`: a new configuration repository that serves at once: a model, two versions, policies, hook, workflow."""

from __future__ import annotations

import hashlib
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from tidegate import __version__
from tidegate.spec.errors import NeedsPerson

NAMES = {
    "gitignore": ".gitignore",
    "pre-commit-config.yaml": ".pre-commit-config.yaml",
    "github/workflows/tidegate.yml": ".github/workflows/tidegate.yml",
    "readme.md": "README.md",
}
SAME = (
    "tidegate.yaml",
    "models/hello/model.yaml",
    "models/hello/deployment.yaml",
    "models/hello/artifacts/1.0.0/server.py",
    "policies/progressive.yaml",
    "policies/governance.yaml",
)
VERSIONS = {
    "1.0.0": ("The first version.", "hello"),
    "1.1.0": ("A warmer greeting, to try a rollout with.", "hello, and welcome"),
}


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where; made if it is missing.")] = Path(),
    commit: Annotated[bool, typer.Option(help="Make it a git repository with a first commit.")] = True,
) -> None:
    """Make a new configuration repository.

    Example: tidegate init my-models
    """
    from tidegate.spec.schema import write_schemas

    for name in _contents():
        if (folder / name).exists():
            raise NeedsPerson(
                "stands there already, and is left as it is", where=str(folder / name), fix="choose a folder of its own"
            )
    for name, text in _contents().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    write_schemas(folder / "schemas")
    if commit:
        _commit(folder)
    typer.echo(f"made {folder.resolve()}")
    typer.echo(f"next:  cd {folder} && tidegate validate && tidegate run")


def _contents() -> dict[str, str]:
    """Path in the new repository to text."""
    source = files("tidegate.cli.scaffold")
    texts = {name: (source / name).read_text() for name in SAME}
    texts |= {target: (source / name).read_text() for name, target in NAMES.items()}
    workflow = NAMES["github/workflows/tidegate.yml"]
    texts[workflow] = texts[workflow].replace("@TIDEGATE@", __version__)
    server = texts["models/hello/artifacts/1.0.0/server.py"].encode()
    template = (source / "models/hello/versions/version.yaml").read_text()
    for version, (reason, greeting) in VERSIONS.items():
        text = template
        for token, value in {
            "VERSION": version,
            "REASON": reason,
            "GREETING": greeting,
            "SHA256": hashlib.sha256(server).hexdigest(),
            "SIZE": str(len(server)),
        }.items():
            text = text.replace(f"@{token}@", value)
        texts[f"models/hello/versions/{version}.yaml"] = text
    return texts


def _commit(folder: Path) -> None:
    """A repository of its own with one commit; a push of the controller's may update its clean work tree."""
    if (folder / ".git").exists():
        return
    for words in (
        ("init", "-q", "-b", "main"),
        ("config", "receive.denyCurrentBranch", "updateInstead"),
        ("add", "-A"),
        ("commit", "-q", "-m", "A configuration repository for model serving"),
    ):
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NeedsPerson(
                f"git {words[0]} failed: {done.stderr.strip().splitlines()[0] if done.stderr.strip() else 'no reason given'}",
                where=str(folder),
                fix='tell git who you are (git config --global user.name "..." and user.email "..."), '
                "or run with --no-commit and commit yourself",
            )
