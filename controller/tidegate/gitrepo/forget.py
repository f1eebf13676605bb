"""Taking back the promoted ref of a route that is no more: a feature that follows its model again.

Else a host that is rebuilt later would begin that feature from what it served in earlier days.
Neighbours: record.py sets these refs; the engine's duties.py calls this.
"""

from __future__ import annotations

from tidegate.gitrepo import tree
from tidegate.gitrepo.mirror import Mirror
from tidegate.gitrepo.remote import Update
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.release import route_ref


def forget(mirror: Mirror, route: str, commit: str) -> bool:
    """Delete the route's promoted ref, if it still is at `commit`; False when it is not: somebody promoted there since.

    Raises RetryLater (out of reach, or somebody was faster), NeedsPerson (the remote refuses).
    """
    ref = route_ref(mirror.environment, route)
    with mirror.lock:
        if tree.resolve(mirror.git, ref) != commit:
            return False
        [pushed] = mirror.remote.push([Update(ref, "", commit)])
        match pushed.outcome:
            case "ok":
                mirror.git.run("update-ref", "-d", ref)
                return True
            case "race":
                mirror.fetch()
                raise RetryLater(f"the promoted ref of {route} moved meanwhile", where=ref)
            case "refused":
                raise NeedsPerson(
                    f"the remote refuses to delete {ref}: {pushed.reason}",
                    where=route,
                    fix="let Tidegate push to refs/tidegate/*, or delete the ref yourself",
                )
