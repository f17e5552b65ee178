"""The JSON Schema of the configuration file, made from the table of options.

`python -m tests.configschema` prints it, `python -m tests.configschema FILE` writes it; a test holds the shipped one.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from lossctl.api.options import (
    LIMIT_KEYS,
    PERCENT,
    REQUIRED,
    Choice,
    Number,
    Option,
    Switch,
    Texts,
    Tolerances,
    TolerancesBySlice,
    ValueKind,
    Whole,
    rule_keys,
)
from lossctl.cli.config import INSIDE, keys
from lossctl.gate.rules import OF_REGRESSIONS

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
                "anyOf": [{"required": [limit]} for limit in LIMIT_KEYS],
                "dependentRequired": {key: ["max-regression"] for key in OF_REGRESSIONS},
            },
        },
    }


def described(option: Option) -> dict[str, Any]:
    """Return what a key is for and what it takes."""
    help_text = f"{option.help} For `lossctl {option.only}` alone." if option.only else option.help
    document = {"description": help_text, **values(option)}
    return document if option.default in (None, (), REQUIRED) else {**document, "default": option.default}


def values(option: Option) -> dict[str, Any]:
    """Return the schema of a key's value; one that weakens a check is none."""
    match option.strict if isinstance(option.strict, ValueKind) else option.kind:
        case Switch():
            return {"type": "boolean"}
        case Choice(options=words):
            return {"enum": list(words)}
        case Number() as number:
            return {"type": "integer" if isinstance(number, Whole) else "number", **bounds(number)}
        case TolerancesBySlice():
            names = {"pattern": "="}
            return {"type": "object", "minProperties": 1, "propertyNames": names, "additionalProperties": tolerance()}
        case Tolerances():
            return tolerance()
        case Texts():
            item = {"type": "string", "pattern": INSIDE} if option.path == "write" else TEXT
            return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}
    return TEXT


def tolerance() -> dict[str, Any]:
    """Return the schema of a tolerance."""
    pairs = [[PERCENTAGE, AMOUNT], [AMOUNT, PERCENTAGE]]
    lists = [{"type": "array", "prefixItems": pair, "items": False, "minItems": 2} for pair in pairs]
    return {"anyOf": [PERCENTAGE, AMOUNT, *lists]}


def bounds(number: Number) -> dict[str, float]:
    """Return the limits of a number."""
    if math.isinf(number.low):
        return {"minimum": -HUGE, "maximum": HUGE}
    prefix = "m" if number.ends else "exclusiveM"
    return {f"{prefix}inimum": number.low, f"{prefix}aximum": number.high}


def text() -> str:
    """Return the schema as the file has it."""
    return json.dumps(schema(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(text(), "utf-8")
    else:
        sys.stdout.write(text())
