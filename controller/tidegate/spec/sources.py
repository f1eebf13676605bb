"""Where a guardrail's values come from when not from the gateway: a Prometheus query, or JSON over HTTP. Light.

Times are kept as they were written, so that a policy goes through JSON and back unchanged. Neighbours: policy.py has the
guardrail, sources/ asks, rules/ check what only a parser can.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    StrictStr,
    Tag,
    WithJsonSchema,
    model_validator,
)

from tidegate.spec.base import Part, Text
from tidegate.spec.units import DURATION_PATTERN, parse_duration
from tidegate.spec.vocabulary import similar

VARIABLES: Final = ("release", "version", "config", "model", "feature", "route", "role")
"""What `{{NAME}}` may name. `role` is stable or candidate; `release` its short id; what a release lacks is ''."""
TELLING: Final = frozenset({"release", "version", "config", "role"})
"""Those that differ between the two releases of a rollout."""
DEFAULT_INTERVAL: Final = 30.0
LEAST_INTERVAL: Final = 0.2

_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`')
_RANGE = re.compile(r"\[\s*([0-9a-z]+)\s*[\]:]")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}
_UNIT = re.compile(r"(\d+)(ms|[smhdwy])")


def variables(text: str) -> set[str]:
    """The names that stand in `{{...}}`."""
    return set(_VARIABLE.findall(text))


def render(text: str, values: Mapping[str, str]) -> str:
    """The text with `{{NAME}}` replaced. Raises KeyError for a name that `values` lack."""
    return _VARIABLE.sub(lambda match: values[match[1]], text)


def longest_range(query: str) -> float:
    """Seconds of the longest `[5m]` in a PromQL query, 0 without one: values asked more often than that overlap."""
    found = (_UNIT.findall(text) for text in _RANGE.findall(_QUOTED.sub('""', query)))
    return max((sum(int(n) * _UNITS[unit] for n, unit in parts) for parts in found), default=0.0)


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts(part)


def _known(value: Any) -> Any:
    for name in sorted({name for text in texts(value) for name in variables(text)} - set(VARIABLES)):
        close = similar(name, VARIABLES)
        fix = f"did you mean '{{{{{close}}}}}'?" if close else f"known are {', '.join(VARIABLES)}"
        raise ValueError(f"there is no variable '{{{{{name}}}}}': {fix}")
    return value


def _span(value: Any) -> Any:
    if parse_duration(value) < LEAST_INTERVAL:
        raise ValueError(f"'{value}' is too short: the least is 200ms")
    return value


def _http(value: str) -> str:
    if not re.match(r"https?://[^/\s]+", value):
        raise ValueError(f"'{value[:60]}' is no address: write one that begins with https:// or http://")
    if "@" in value.split("/")[2]:
        raise ValueError("a password in an address is no secret: write it under sources.credentials in tidegate.yaml")
    if not _is_port(value):
        raise ValueError(f"'{value[:60]}' is no address: what stands behind the host's colon is no port")
    return value


def _is_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


Span = Annotated[
    StrictStr,
    BeforeValidator(_span),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s", "5m"]}),
]
LONGEST: Final = 2000
"""Characters of a query or path. Beyond some 10,000, nested ones exhaust the parser's stack, and the program with it."""
Template = Annotated[StrictStr, Field(min_length=1, max_length=LONGEST), AfterValidator(_known)]
HttpAddress = Annotated[StrictStr, AfterValidator(_http)]


class Asked(Part):
    """What every source that is asked has. `events` and `total` count up since some beginning; else one value an answer."""

    events: Template | None = None
    total: Template | None = None
    interval: Span | None = None
    stale: Span = "5m"
    timeout: Span = "10s"

    @property
    def one(self) -> str | None:
        """What gives the one value of an answer, where it does not count."""
        raise NotImplementedError

    @property
    def counts(self) -> bool:
        """Whether it counts events among a total."""
        return self.one is None

    @property
    def every(self) -> float:
        """Seconds between two looks."""
        return parse_duration(self.interval) if self.interval is not None else DEFAULT_INTERVAL

    @property
    def patience(self) -> float:
        """Seconds until no answer is one."""
        return parse_duration(self.timeout)

    @property
    def freshness(self) -> float:
        """Seconds after which a value is too old to be one."""
        return parse_duration(self.stale)

    def written(self) -> tuple[str, ...]:
        """Every text in which variables may stand."""
        return tuple(text for text in (self.one, self.events, self.total) if text is not None)

    def _whole(self, name: str) -> None:
        pair = (self.events is not None, self.total is not None)
        if self.one is not None and any(pair):
            raise ValueError(f"'{name}' gives one value, 'events' and 'total' count: keep one of the two")
        if self.one is None and not all(pair):
            raise ValueError(f"it needs '{name}', or 'events' and 'total'")


class PrometheusSource(Asked):
    """PromQL. `query`: one value for each release at each look, or at each `step` between looks (a range query)."""

    query: Template | None = None
    address: HttpAddress | None = None
    step: Span | None = None

    @model_validator(mode="after")
    def _complete(self) -> PrometheusSource:
        self._whole("query")
        if self.step is not None and self.counts:
            raise ValueError("'step' is for values: events and total are counted from look to look")
        return self

    @property
    def one(self) -> str | None:
        """The query, where it does not count."""
        return self.query

    @property
    def every(self) -> float:
        """Seconds between two looks: as declared, else long enough that no two values rest on the same samples."""
        if self.interval is not None:
            return parse_duration(self.interval)
        longest = max((longest_range(text) for text in self.written()), default=0.0)
        return max(DEFAULT_INTERVAL, longest if self.step is None else parse_duration(self.step))

    @property
    def spacing(self) -> float:
        """Seconds between two values."""
        return parse_duration(self.step) if self.step is not None else self.every


class WebhookSource(Asked):
    """JSON over HTTP. `value`, `events`, `total` and `time` are JMESPath; variables may stand in `url` and `body`."""

    url: Annotated[Template, AfterValidator(_http)]
    method: Literal["GET", "POST"] = "GET"
    body: Annotated[dict[Text, Any], AfterValidator(_known)] | None = None
    value: Template | None = None
    time: Template | None = None

    @model_validator(mode="after")
    def _complete(self) -> WebhookSource:
        self._whole("value")
        if self.body is not None and self.method == "GET":
            raise ValueError("a 'body' is sent with POST: add 'method: POST'")
        return self

    @property
    def one(self) -> str | None:
        """The path of the value, where it does not count."""
        return self.value

    def written(self) -> tuple[str, ...]:
        """The URL, the body's texts and the paths."""
        return (self.url, *texts(self.body), *super().written())


def branch(value: Any) -> str:
    """Which of two forms this is, for pydantic: a word, or a mapping."""
    return "-word" if isinstance(value, str) else "-spec"


Query = Annotated[
    Annotated[Template, Tag("-word")] | Annotated[PrometheusSource, Tag("-spec")],
    Discriminator(branch),
]


class SourceSpec(Part):
    """A source that is asked: one of the two. `prometheus` may be a query alone."""

    prometheus: Query | None = None
    webhook: WebhookSource | None = None

    @model_validator(mode="after")
    def _one(self) -> SourceSpec:
        if (self.prometheus is None) == (self.webhook is None):
            raise ValueError("a source is one of these: prometheus, webhook")
        return self

    @property
    def asked(self) -> PrometheusSource | WebhookSource:
        """The one that is given; a query alone with its defaults."""
        if self.webhook is not None:
            return self.webhook
        found = self.prometheus
        return found if isinstance(found, PrometheusSource) else PrometheusSource(query=found)

    @property
    def kind(self) -> str:
        """Its name: prometheus or webhook."""
        return "prometheus" if self.prometheus is not None else "webhook"
