"""Makes tests/upgrade/<version>/: what a version of Tidegate leaves on disk and in git, by really running that version.

    git archive 35bd735 | tar -x -C FOLDER && python tests/upgrade/make.py FOLDER

FOLDER: the files of that version, whose program and test world are used, not today's. Each scene is a real story with real
Envoy and servers, ended by SIGKILL: the journal as one file, the remote as a bundle, the gateway's folder, the records of the
servers, the settings. And `digests.json`: the digests of every release of that version's own models and of rules/example here.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BAD = {"ERROR_RATE": "0.7"}
LONG = "36500d"
"""A standby that is still one when the test runs."""


def at_rest(world: Any) -> None:
    """Promoted twice, the former release hot; a third was rejected and taken back in git."""
    world.policy(standby=LONG)
    world.begin()
    with world.traffic(clients=1, pause=0.02):
        world.version("1.1.0")
        world.until("promoted", commit=world.deploy("1.1.0"), within=60)
        world.version("2.0.0", env=BAD)
        third = world.deploy("2.0.0")
        world.until("rolled_back", commit=third, within=60)
        world.wait(lambda: world.head() != third, "the revert", 60)
        world.noted(third, "rejected")
    world.wait(lambda: not world.route()["git_pending"] and len(world.running()) == 2, "rest", 60)


def midway(world: Any) -> None:
    """In the second of three steps, about half of whose time is over."""
    steps = [
        {"name": "canary", "weight": "20%", "for": "1s", "min_requests": 15},
        {"name": "half", "weight": "50%", "for": "8s"},
        {"name": "full", "weight": "100%", "for": "1s"},
    ]
    world.policy(standby=LONG, steps=steps)
    world.begin()
    with world.traffic(clients=1, pause=0.02):
        world.version("1.1.0")
        commit = world.deploy("1.1.0")
        world.until("step", commit=commit, step="half", within=60)
        until = time.monotonic() + 5
        world.wait(lambda: time.monotonic() > until, "half of the step", 60)


def refused(world: Any) -> None:
    """Rejected, and git still asks for it: the policy leaves the branch alone. Its newest commit only approves a step."""
    steps = [{"name": "canary", "weight": "20%", "for": "60s"}, {"name": "full", "weight": "100%", "for": "1s"}]
    world.policy(standby=LONG, rollback={"git": "none", "window": 5}, steps=steps)
    world.begin()
    world.version("2.0.0", env=BAD)
    third = world.deploy("2.0.0")
    world.until("step", step="canary", within=60)
    newest = world.deploy("2.0.0", approvals=["full"])
    world.wait(lambda: world.live()["commit"] == newest, "the approval to be read", 60)
    with world.traffic(clients=1, pause=0.02):
        world.until("rolled_back", within=60)
        world.wait(lambda: world.notes(third) or world.notes(newest), "the note", 60)
    world.wait(lambda: not world.route()["git_pending"] and len(world.running()) == 1, "rest", 60)


SCENES = (at_rest, midway, refused)


def keep(world: Any, to: Path) -> None:
    """What is left after SIGKILL, as small files."""
    shutil.rmtree(to, ignore_errors=True)
    (to / "processes").mkdir(parents=True)
    source = sqlite3.connect(world.state / "journal.db")
    target = sqlite3.connect(to / "journal.db")
    with target:
        source.backup(target)
    target.execute("PRAGMA journal_mode=DELETE")
    target.execute("VACUUM")
    target.close()
    source.close()
    subprocess.run(["git", "bundle", "create", "-q", str(to / "remote.bundle"), "--all"], cwd=world.remote, check=True)
    left_out = ("admin.sock", "envoy.log", "base-id", "[0-9]*.lock")
    shutil.copytree(world.state / "gateway", to / "gateway", symlinks=True, ignore=shutil.ignore_patterns(*left_out))
    for record in sorted(world.state.glob("processes/*/*/state.json")):
        shutil.copy(record, to / "processes" / f"{record.parent.name}.json")
    shutil.copy(world.settings, to / "tidegate.yaml")
    for file in to.rglob("*"):
        if file.is_file() and not file.is_symlink() and file.suffix in (".json", ".yaml"):
            text = file.read_text()
            for path, word in ((str(world.folder), "@WORLD@"), (world.instance, "@INSTANCE@")):
                text = text.replace(path, word)
            file.write_text(re.sub(rf"\b{world.port}\b", "@PORT@", text))


def digests() -> dict[str, str]:
    """Of every release that some version, with each config of its model, would be: as this version computes them."""
    from tidegate.spec.declared import load, wanted
    from tidegate.spec.digest import config_digest, release_digest, workload_digest

    found = {}
    for here, root in (("this repository", ROOT), ("rules/example", ROOT / "controller/tidegate/rules/example")):
        paths = [path for top in ("models", "policies") for path in sorted((root / top).rglob("*.yaml"))]
        files = {str(path.relative_to(root)): path.read_bytes() for path in paths}
        declared = load({path: text for path, text in files.items() if wanted(path)})
        for name, model in sorted(declared.models.items()):
            for version in model.versions.values():
                workload = found[f"{here}: {name} {version.value.version}"] = workload_digest(version.source)
                for config in (None, *model.configs.values()):
                    key = f"{here}: {name} {version.value.version} with {config.value.name if config else 'no config'}"
                    found[key] = release_digest(name, workload, config_digest(config.source) if config else None)
    return found


def main() -> None:
    """Each scene in turn, then the digests."""
    old = Path(sys.argv[1]).resolve()
    sys.path[:0] = [str(old / "tests"), str(old / "controller")]
    import tidegate
    from support.world import World

    assert Path(tidegate.__file__).is_relative_to(old)

    class Portable(World):
        """Whose servers are started by a word that any machine knows."""

        def version(self, *words: Any, **more: Any) -> None:
            super().version(*words, **more, runtime={"command": ["python3", "${TIDEGATE_ARTIFACT}"]})

    to = HERE / tidegate.__version__
    for scene in SCENES:
        world = Portable(old / "scenes" / scene.__name__, "process", None)
        shutil.rmtree(world.folder, ignore_errors=True)
        try:
            world.make()
            world.start()
            scene(world)
            world.kill()
            keep(world, to / scene.__name__)
        finally:
            world.clean()
        print(scene.__name__, "made")
    (to / "digests.json").write_text(json.dumps(digests(), indent=1) + "\n")


if __name__ == "__main__":
    main()
