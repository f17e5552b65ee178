"""Specs: parameters that are read from a file, as `cce:class_weight=@weights.json`, written out in place."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

from lossctl.errors import UsageError, printable

TABLE = re.compile(r"([:,]\s*(?:class_weight|alpha)\s*=)@([^,]+)")
LARGEST = 1 << 24  # bytes; a table of class weights is small


def with_tables(specs: Iterable[str]) -> list[str]:
    """Put the numbers of a file in place of `@FILE`: a JSON object or list, or CSV lines `label,weight`."""
    return [TABLE.sub(lambda found: found[1] + _written(found[2].strip()), spec) for spec in specs]


def _written(path: str) -> str:
    """Return a table of weights by class as a spec writes it."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read(LARGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise UsageError(f"class weights @{printable(path)}: {why}") from None
    if len(text) > LARGEST:
        raise UsageError(f"class weights @{printable(path)}: larger than {LARGEST >> 20} MiB")
    table = _json(path, text) if text.lstrip()[:1] in ("{", "[") else _csv(path, text)
    if not table:
        raise UsageError(f"class weights @{printable(path)}: it is empty; {EXPECTED}")
    if isinstance(table, list):
        return "/".join(repr(_number(path, value)) for value in table)
    return "/".join(f"{quote(label, safe=' ')}:{_number(path, value)!r}" for label, value in table.items())


EXPECTED = 'expected {"cat": 1, "dog": 2}, [1, 2], or lines cat,1'


def _json(path: str, text: str) -> dict[str, object] | list[object]:
    def distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) != len(pairs):
            raise UsageError(f"class weights @{printable(path)}: a label stands twice")
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=distinct)
    except (ValueError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"class weights @{printable(path)}: no JSON ({error}); {EXPECTED}") from None
    return found if isinstance(found, dict | list) else []


def _csv(path: str, text: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for place, line in enumerate(csv.reader(text.splitlines())):
        if not line or (place == 0 and [cell.strip() for cell in line] == ["label", "weight"]):
            continue
        if len(line) != 2 or line[0].strip() in found:
            raise UsageError(f"class weights @{printable(path)}: line {place + 1}: {EXPECTED}, each label once")
        found[line[0].strip()] = line[1]
    return found


def _number(path: str, value: object) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        return float(value)
    except (ValueError, OverflowError):
        raise UsageError(f"class weights @{printable(path)}: {printable(repr(value))} is no number") from None
