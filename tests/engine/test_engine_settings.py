"""Finding and reading `tidegate.yaml`: every path absolute, every fault with its place and its fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.engine.settings import find_settings, load_settings, open_settings
from tidegate.spec.errors import NeedsPerson

HEADER = "api: tidegate/v1\nkind: Controller\n"


def write(folder: Path, text: str = "") -> Path:
    path = folder / "tidegate.yaml"
    path.write_text(HEADER + text)
    return path


def test_paths_are_relative_to_the_file_not_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings = load_settings(
        write(
            tmp_path,
            "state: var/state\nrepository: repo\nartifacts: {cache: cache}\nruntime: {path: [bin, /opt/bin]}\n",
        )
    )
    assert settings.state == tmp_path / "var/state"
    assert settings.repository == str(tmp_path / "repo")
    assert settings.cache == tmp_path / "cache"
    assert settings.journal == f"sqlite:///{tmp_path / 'var/state/journal.db'}"
    assert settings.runtime.path == (str(tmp_path / "bin"), "/opt/bin")


@pytest.mark.parametrize(
    "url", ["https://example.com/models.git", "ssh://git@example.com/m.git", "git@example.com:m.git"]
)
def test_a_remote_repository_stays_as_it_is_written(tmp_path: Path, url: str) -> None:
    assert load_settings(write(tmp_path, f'repository: "{url}"\n')).repository == url


def test_the_defaults_keep_everything_in_one_folder(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path))
    assert settings.repository == str(tmp_path)
    assert settings.state == tmp_path / ".tidegate"
    assert settings.cache == tmp_path / ".tidegate/artifacts"


def test_the_nearest_file_upwards_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, deep = write(tmp_path), tmp_path / "models/digits"
    deep.mkdir(parents=True)
    assert find_settings(deep) == path
    monkeypatch.chdir(deep)
    assert open_settings(None).root == tmp_path


def test_no_file_names_both_ways_out(tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match=r"no tidegate\.yaml here or in any folder above") as caught:
        find_settings(tmp_path)
    assert "--config" in str(caught.value.fix)
    assert "tidegate init" in str(caught.value.fix)


def test_an_unreadable_file_says_why(tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match="No such file"):
        load_settings(tmp_path / "other.yaml")


def test_a_wrong_field_is_named_with_line_and_column(tmp_path: Path) -> None:
    path = write(tmp_path, "instance: here\npol: 5s\n")
    with pytest.raises(NeedsPerson) as caught:
        load_settings(path)
    assert caught.value.where == f"{path}:4:1"
    assert "poll" in str(caught.value)
