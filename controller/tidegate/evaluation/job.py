"""What is measured and what came of it, as plain values that travel between the controller and its child process. Pure.

Neighbours: measure.py does a `Job`, process.py runs it in a child, the engine writes the job and keeps the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """A model server behind a gateway of its own at the socket file `gateway`, which puts the release's inference config in.

    `outputs`: the signature's, each with `name`, `datatype`, `shape`; empty when nothing is declared.
    """

    gateway: str
    protocol: str
    model: str
    outputs: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """Ask `target` all examples of the file `path`, or `limit` of them, over and over where there are fewer.

    `score`: with expected answers, or only as requests that have to be answered well. `metrics`: names that are asked
    for. `output`, `scores`, `labels`: see EvaluationSet. `gentle`: one request at a time, with pauses as long as the
    answers. `patience`: seconds for one answer. `tolerated`: the share of failures after which it goes on no further.
    """

    target: Target
    path: str
    sha256: str
    score: bool = True
    limit: int | None = None
    metrics: tuple[str, ...] = ()
    output: str | None = None
    scores: str | None = None
    labels: tuple[Any, ...] = ()
    concurrency: int = 4
    gentle: bool = False
    patience: float = 60.0
    tolerated: float = 0.0

    def to_doc(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def of(cls, doc: Mapping[str, Any]) -> Job:
        """What `to_doc` wrote, read back from JSON."""
        target = dict(doc["target"])
        target["outputs"] = tuple(target["outputs"])
        lists = {name: tuple(doc[name]) for name in ("metrics", "labels")}
        return cls(**{**doc, **lists, "target": Target(**target)})


@dataclass(frozen=True, slots=True)
class Measured:
    """What one set of examples showed. `failures`: the first of the `failed`, in words. `complete` False: cut short.

    `metrics` by name; `slices` by group, member and metric; each member has `examples` too. `unknown`: could be measured
    here, was asked for, and these examples do not tell it, with the reason.
    """

    sha256: str
    examples: int
    failed: int = 0
    failures: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    slices: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True

    def to_doc(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def of(cls, doc: Mapping[str, Any]) -> Measured:
        """What `to_doc` wrote, read back from JSON."""
        return cls(**{**doc, "failures": tuple(doc["failures"])})
