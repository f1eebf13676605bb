"""Which weights have to stand in the runtime layer so that no request is sent astray while files change. Pure.

applying.py calls it before and after it writes the routes file; names.py has the keys.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tidegate.gateway.names import Shares


def file_shares(written: Shares, wanted: Shares, moving: Collection[str]) -> dict[str, Mapping[str, int]]:
    """The weights to write into the routes file.

    An entry in motion keeps what the file says, as long as its arms are the same: the layer overrules it, and a step of a
    rollout then costs no reading of the whole file.
    """
    return {
        key: written[key] if key in moving and key in written and list(written[key]) == list(weights) else weights
        for key, weights in wanted.items()
    }


def layer(written: Shares, wanted: Shares, moving: Collection[str], present: Mapping[str, int]) -> dict[str, int]:
    """The runtime keys for the time in which Envoy may serve from the file with `written` or from its successor.

    `moving`: entries whose weights live in the layer. Others need keys only until the file says what is wanted.
    `present`: the layer as it is. An arm that goes away gets 0 while the old file still names it, unless it is all that the old
    file has: then the old weights stay until the new file is live.
    """
    keys: dict[str, int] = {}
    for prefix, old in written.items():
        if prefix not in wanted:  # a route on its way out keeps its weights to the end
            keys |= {key: present[key] for key in (f"{prefix}.{name}" for name in old) if key in present}
    for prefix, new in wanted.items():
        before = written.get(prefix, {})
        if prefix not in moving and (not before or before == new):
            continue
        keys |= {f"{prefix}.{name}": weight for name, weight in new.items()}
        if sum(new.get(name, 0) for name in before) > 0:
            keys |= {f"{prefix}.{name}": 0 for name in before if name not in new}
        else:
            keys |= {f"{prefix}.{name}": present.get(f"{prefix}.{name}", weight) for name, weight in before.items()}
    return keys
