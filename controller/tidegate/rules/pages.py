"""The rules' manual: one page a rule, and the catalogue as text or Markdown. Generated, so that it never disagrees."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from typing import Final
from unicodedata import category

from tidegate.rules.registry import FAMILIES, RULES
from tidegate.rules.rule import Example, Rule

_LONGEST = 12
SUBJECTS: Final = {
    "structure": "can the file be read, and does it hold the fields of its kind",
    "references": "does what a file names exist",
    "pins": "does every reference mean one fixed thing, today and next year",
    "history": "does the change leave alone what was merged",
    "evidence": "was the release measured, on the right data, and was it good enough",
    "rollout": "can the policy's steps begin, end and decide",
    "governance": "does somebody answer for it, and say why",
    "safety": "does anything in it put a machine or a secret at risk",
}
_FIXED = {None: "hand", True: "`--fix`", False: "`--unsafe-fixes`"}
_SCOPES = {
    "file": "each file by itself",
    "model": "a model's folder with the policies",
    "general": "what belongs to no model",
}


def page(rule: Rule, *, width: int | None = None, bold: Callable[[str], str] = str) -> str:
    """The page that `tidegate explain` prints. `width`: paragraphs are filled to it; `bold` marks headings."""
    title = f"{bold(rule.id)} ({rule.severity}, since {rule.since})"
    tuned = "always an error" if rule.fixed else f"policies/governance.yaml: rules: {{{rule.id}: error|warning|off}}"
    silenced = "no comment silences it" if rule.fixed else f"# tidegate: ignore[{rule.id}] and the reason"
    parts = [title, _filled(rule.manual.strip(), width)]
    parts += [_shown(bold("bad"), example) for example in rule.bad]
    parts += [_shown(bold("good"), example) for example in rule.good]
    facts = {
        "severity": tuned,
        "silence": silenced,
        "mended": _mended(rule).replace("`", ""),
        "family": rule.family,
        "looks at": _SCOPES[rule.scope],
    }
    return "\n\n".join([*parts, "\n".join(f"{bold(name)}: {value}" for name, value in facts.items())])


def facts(rule: Rule) -> dict[str, str | bool | None]:
    """The rule for programs, without its examples. `fixable`: `safe`, `unsafe` or None."""
    return {
        "rule": rule.id, "severity": rule.severity, "since": rule.since, "fixed": rule.fixed,
        "summary": rule.summary, "manual": rule.manual.strip(),
        "family": rule.family, "scope": rule.scope,
        "fixable": None if rule.mend is None else "safe" if rule.mend.safe else "unsafe",
    }  # fmt: skip


def catalogue(rules: Iterable[Rule] = RULES, *, width: int | None = None, bold: Callable[[str], str] = str) -> str:
    """One line a rule below its family: id, severity, what it asks for; filled to `width` where it is given."""
    chosen = list(rules)
    indent = 2 + max((len(rule.id) for rule in chosen), default=0)
    parts = []
    for family in FAMILIES:
        lines = []
        for rule in chosen:
            if rule.family != family:
                continue
            head = f"  {rule.id:<{indent}}{rule.severity:<9}"
            told = f"{rule.summary} ({_fixed(rule).strip('`')})" if rule.mend else rule.summary
            room = width - len(head) if width and width - len(head) >= 30 else None
            first, *more = textwrap.wrap(told, room) if room else [told]
            lines += [head + first, *(" " * len(head) + line for line in more)]
        if lines:
            parts.append("\n".join([f"{bold(family)}: {SUBJECTS[family]}", *lines]))
    return "\n\n".join(parts)


def markdown(rules: Iterable[Rule] = RULES) -> str:
    """The whole catalogue as a Markdown page."""
    chosen = list(rules)
    parts = [
        "# Rules",
        "Made by `tidegate rules --format markdown` from the rules themselves. `tidegate explain RULE` prints one of them.",
        "An **error** ends `tidegate validate` with 1 and keeps the model on its old state in the controller; a **warning** "
        "does neither. `rules: {RULE: error|warning|off}` in `policies/governance.yaml` changes the severity.",
    ]
    for family in FAMILIES:
        found = [rule for rule in chosen if rule.family == family]
        if not found:
            continue
        parts.append(f"## {family.capitalize()}\n\n{SUBJECTS[family].capitalize()}?")
        rows = [
            f"| [{rule.id}](#{rule.id}) | {rule.severity}{', always' if rule.fixed else ''} | {rule.since} | {_fixed(rule)} "
            f"| {_SCOPES[rule.scope]} | {_cell(rule.summary)} |"
            for rule in found
        ]
        parts.append(
            "\n".join(["| rule | severity | since | mended by | looks at | |", "|---|---|---|---|---|---|", *rows])
        )
        parts += [f"### {section(rule)}" for rule in found]
    return "\n\n".join(parts) + "\n"


def section(rule: Rule) -> str:
    """One rule in Markdown: its id, its page, its examples."""
    tuned = "always an error" if rule.fixed else f"{rule.severity}; policies/governance.yaml can change it"
    parts = [f"{rule.id}\n\n{rule.manual.strip()}\n\nSeverity: {tuned}. Since {rule.since}. Mended {_mended(rule)}."]
    for word, examples in (("Bad", rule.bad), ("Good", rule.good)):
        parts += [f"{word}, in `{example.path}`:\n\n```yaml\n{_text(example)}\n```" for example in examples]
    return "\n\n".join(parts)


def _fixed(rule: Rule) -> str:
    return _FIXED[rule.mend.safe if rule.mend is not None else None]


def _mended(rule: Rule) -> str:
    return "by hand" if rule.mend is None else f"by {_fixed(rule)}, or by hand"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _filled(text: str, width: int | None) -> str:
    """The paragraphs filled to a width; those with indented lines stay as they are."""
    if width is None:
        return text
    paragraphs = text.split("\n\n")
    indented = [any(line.startswith((" ", "-", "|")) for line in paragraph.splitlines()) for paragraph in paragraphs]
    return "\n\n".join(
        paragraph if kept else textwrap.fill(" ".join(paragraph.split()), width, break_on_hyphens=False)
        for paragraph, kept in zip(paragraphs, indented, strict=True)
    )


def _shown(word: str, example: Example) -> str:
    return f"{word}, in {example.path}:\n{textwrap.indent(_text(example), '    ')}"


def _text(example: Example) -> str:
    if example.deleted:
        return f"(moved to {example.new})" if example.new else "(deleted)"
    if not example.new.strip():
        return f"(without the line)  {example.old.strip()}"
    lines = _visible(example.new.encode("utf-8", "replace").decode()).rstrip("\n").split("\n")
    cut = [line if len(line) <= 100 else f"{line[:97]}..." for line in lines[:_LONGEST]]
    return "\n".join([*cut, "..."] if len(lines) > _LONGEST else cut)


def _visible(text: str) -> str:
    """What nobody could see on the page, written out: `<U+200B>`."""
    return "".join(
        one if one.isprintable() or one == "\n" or category(one) == "Mn" else f"<U+{ord(one):04X}>" for one in text
    )
