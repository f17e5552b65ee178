"""The JSON Schema of the configuration file, made from the declarations of options.

`python -m tests.configschema` prints it, `python -m tests.configschema FILE` writes it; a test holds the shipped one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lossctl.cli.config import INSIDE, LIMITS, keys, rule_keys
from lossctl.cli.options import PERCENT, Declared, InFile, Range

HUGE = sys.float_info.max
TEXT = {"$ref": "#/$defs/text"}
PERCENTAGE = {"type": "string", "pattern": f"^(?:{PERCENT})$"}
AMOUNT = {"type": "number", "minimum": 0, "maximum": HUGE}


def schema() -> dict[str, Any]:
    """Return the schema as a document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of lossctl: lossctl.toml, or [tool.lossctl] of pyproject.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **{key: described(option) for key, option in keys().items()},
            "check": {
                "description": "The rules of `lossctl check`.",
                "type": "array",
                "items": {"$ref": "#/$defs/rule"},
            },
        },
        "not": {"required": ["ci", "no-ci"], "properties": {"no-ci": {"const": True}}},
        "$defs": {
            "text": {"type": "string", "minLength": 1, "pattern": r"^[^\u0000]*$"},
            "rule": {
                "type": "object",
                "additionalProperties": False,
                "properties": {key: described(option) for key, option in rule_keys().items()},
                "required": ["loss"],
                "anyOf": [{"required": [limit]} for limit in LIMITS],
                "dependentRequired": {"decide": ["max-regression"], "confidence": ["max-regression"]},
            },
        },
    }


def described(option: Declared) -> dict[str, Any]:
    """Return what a key is for and what it takes."""
    help_text = option.info.help
    mark = option.in_file
    if isinstance(mark, InFile) and mark.command:
        help_text = f"{help_text} For `lossctl {mark.command}` alone."
    made = {"description": help_text, **taken(option)}
    return made if option.default in (None, ()) or not_given(option) else {**made, "default": option.default}


def not_given(option: Declared) -> bool:
    """Whether a value must be given, so that there is no default."""
    return isinstance(option.default, type)


def taken(option: Declared) -> dict[str, Any]:
    """Return the schema of a key's value."""
    mark = option.in_file
    match option.kind:
        case "switch":
            return {"type": "boolean"}
        case "choice":
            return {"enum": list(option.choices)}
        case "whole":
            return {"type": "integer", **bounds(option.range)}
        case "number":
            return {"type": "number", **(bounds(option.range) or {"minimum": -HUGE, "maximum": HUGE})}
        case "tolerance":
            pairs = [[PERCENTAGE, AMOUNT], [AMOUNT, PERCENTAGE]]
            lists = [{"type": "array", "prefixItems": pair, "items": False, "minItems": 2} for pair in pairs]
            return {"anyOf": [PERCENTAGE, AMOUNT, *lists]}
        case "texts":
            writes = isinstance(mark, InFile) and mark.path == "write"
            item = {"type": "string", "pattern": INSIDE} if writes else TEXT
            return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}
    return TEXT


def bounds(limits: Range | None) -> dict[str, float]:
    """Return the limits of a number."""
    if limits is None:
        return {}
    prefix = "exclusiveM" if limits.open else "m"
    return {f"{prefix}inimum": limits.least, f"{prefix}aximum": limits.most}


def text() -> str:
    """Return the schema as the file has it."""
    return json.dumps(schema(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(text(), "utf-8")
    else:
        sys.stdout.write(text())
