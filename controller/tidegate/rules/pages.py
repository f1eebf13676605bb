"""The rules' manual: one page a rule, and the catalogue as text or Markdown. Generated, so that it never disagrees."""

from __future__ import annotations

import textwrap

from tidegate.rules.registry import RULES
from tidegate.rules.rule import Example, Rule

_LONGEST = 12


def page(rule: Rule) -> str:
    """The page that `tidegate explain` prints."""
    title = f"{rule.id} ({rule.severity}, since {rule.since})"
    tuned = "always an error" if rule.fixed else f"policies/governance.yaml: rules: {{{rule.id}: error|warning|off}}"
    parts = [title, rule.manual.strip(), *(_shown("bad", example) for example in rule.bad)]
    parts += [_shown("good", example) for example in rule.good]
    return "\n\n".join([*parts, f"severity: {tuned}"])


def facts(rule: Rule) -> dict[str, str | bool]:
    """The rule for programs, without its examples."""
    return {
        "rule": rule.id, "severity": rule.severity, "since": rule.since, "fixed": rule.fixed,
        "summary": rule.summary, "manual": rule.manual.strip(),
    }  # fmt: skip


def catalogue() -> str:
    """One line a rule: id, severity, what it asks for."""
    width = max(len(rule.id) for rule in RULES)
    return "\n".join(f"{rule.id:<{width}}  {rule.severity:<7}  {rule.summary}" for rule in RULES)


def markdown() -> str:
    """The whole catalogue as a Markdown page."""
    parts = ["# Rules", "Made by `tidegate rules --format markdown` from the rules themselves."]
    for rule in RULES:
        tuned = "always an error" if rule.fixed else f"{rule.severity}; policies/governance.yaml can change it"
        parts.append(f"## {rule.id}\n\n{rule.manual.strip()}\n\nSeverity: {tuned}. Since {rule.since}.")
        for word, examples in (("Bad", rule.bad), ("Good", rule.good)):
            parts += [f"{word}, in `{example.path}`:\n\n```yaml\n{_text(example)}\n```" for example in examples]
    return "\n\n".join(parts) + "\n"


def _shown(word: str, example: Example) -> str:
    return f"{word}, in {example.path}:\n{textwrap.indent(_text(example), '    ')}"


def _text(example: Example) -> str:
    if not example.new.strip():
        return f"(without the line)  {example.old.strip()}"
    lines = example.new.encode("utf-8", "replace").decode().rstrip("\n").split("\n")
    cut = [line if len(line) <= 100 else f"{line[:97]}..." for line in lines[:_LONGEST]]
    return "\n".join([*cut, "..."] if len(lines) > _LONGEST else cut)
