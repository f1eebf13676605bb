"""Does a reference alone select one fixed thing? One function a kind, for every kind that a release can name.

Pinned means: by a digest of the content, or by an id whose keeper promises never to move it. A tag that looks like a
version is still somebody's to move, and a date in a name decides nothing by itself.
"""

from tidegate.rules.pins.digests import EMPTY_SHA256, digest_floats
from tidegate.rules.pins.infer import Guess, infer
from tidegate.rules.pins.kinds import KINDS, floats, judge
from tidegate.rules.pins.providers import kind_of
from tidegate.rules.pins.verdict import Kind, Level, Pin

__all__ = [
    "EMPTY_SHA256",
    "KINDS",
    "Guess",
    "Kind",
    "Level",
    "Pin",
    "digest_floats",
    "floats",
    "infer",
    "judge",
    "kind_of",
]
