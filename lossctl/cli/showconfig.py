"""Show the configuration: the value that each option has, every rule, and where each came from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from lossctl import __version__
from lossctl.cli.configfile import LIMITS, RuleTable, rule_keys
from lossctl.cli.resolve import Settings
from lossctl.cli.values import Tolerance
from lossctl.errors import printable

SCHEMA_VERSION = 1


def to_json(settings: Settings) -> str:
    """Return it as one JSON document."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "lossctl", "version": __version__},
        "command": settings.command,
        "file": None if settings.file is None else settings.file.path,
        "settings": [
            {
                "option": option.option,
                "value": list(value.value) if isinstance(value.value, tuple) else value.value,
                "level": value.level.words,
                "origin": value.origin,
            }
            for option in settings.options
            if (value := settings.values[option.name])
        ],
        "rules": list(_rules(settings)),
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def to_text(settings: Settings) -> str:
    """Return it as two tables."""
    values = [
        (option.option, _shown(settings.values[option.name].value), settings.values[option.name].origin)
        for option in settings.options
    ]
    rules = [(f"--{rule['kind']} {rule['text']}", _more(rule), str(rule["origin"])) for rule in _rules(settings)]
    text = _table(("option", "value", "from"), values)
    return text + "\n" + (_table(("rule", "", "from"), rules) if rules else "no rules\n")


def _rules(settings: Settings) -> Iterator[dict[str, object]]:
    """Give each limit of a rule of the file, and each rule of the other levels, in one shape."""
    for table in settings.rules:
        for key in LIMITS:
            limit = getattr(table, rule_keys()[key].name)
            if limit is not None:
                yield _rule(key, f"{table.loss}={_limit(limit)}", table.origin, table)
    for rule in settings.rule_texts:
        yield _rule(rule.kind, rule.text, rule.origin)


def _rule(kind: str, text: str, origin: str, table: RuleTable | None = None) -> dict[str, object]:
    return {
        "kind": kind,
        "text": text,
        "by": list(table.by) if table else [],
        "level": table.level if table else "error",
        "decide": table.decide if table and kind == "max-regression" else None,
        "confidence": table.confidence if table and kind == "max-regression" else None,
        "origin": origin,
    }


def _limit(limit: float | Tolerance) -> str:
    if isinstance(limit, Tolerance):
        parts = (None if limit.percent is None else f"{limit.percent!r}%", limit.absolute)
        return ",".join(str(part) for part in parts if part is not None)
    return repr(limit)


def _more(rule: dict[str, object]) -> str:
    by = rule["by"]
    assert isinstance(by, list)
    words = [f"by {text}" for text in by] + [
        f"{key} {rule[key]}" for key in ("decide", "confidence") if rule[key] is not None
    ]
    return ", ".join([*words, *(["level warn"] if rule["level"] == "warn" else [])])


def _shown(value: object) -> str:
    """Show a value for people: nothing as a dash, several side by side."""
    if value is None or value == ():
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "  ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Align columns, each as wide as its widest text; nothing of a text does anything to a terminal."""
    lines = [head, *(tuple(map(printable, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "   ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )
