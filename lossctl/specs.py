"""Specs as users write them: parameters may stand in a file, as `cce:class_weight=@weights.json`."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import stat
from collections.abc import Iterable

from lossctl import registry
from lossctl.core.loss import Loss
from lossctl.core.param import written_label
from lossctl.errors import UsageError, printable

TABLE = re.compile(r"([:,]\s*(?:class_weight|alpha)\s*=)@([^,]+)")
LARGEST = 1 << 20  # bytes; a table of class weights is small


def get(spec: str) -> Loss:
    """Return the loss that a spec such as `huber:delta=2` names; raise UsageError for one that is none.

    >>> import lossctl
    >>> lossctl.get("huber:delta=2").spec
    'huber:delta=2'
    """
    if not isinstance(spec, str):
        raise UsageError(f"a loss is named by a text such as 'huber:delta=2', not by a {type(spec).__name__}")
    return registry.get(with_tables([spec])[0])


def with_tables(specs: Iterable[str]) -> list[str]:
    """Put the numbers of a file in place of `@FILE`: a JSON object or list, or CSV lines `label,weight`."""
    return [TABLE.sub(lambda found: found[1] + _written(found[2].strip()), spec) for spec in specs]


def _written(path: str) -> str:
    """Return a table of weights by class as a spec writes it."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe might never end
            raise UsageError(f"class weights @{printable(path)}: not a regular file; {EXPECTED}")
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read(LARGEST + 1)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise UsageError(f"class weights @{printable(path)}: {why}") from None
    if len(text) > LARGEST:
        raise UsageError(f"class weights @{printable(path)}: larger than {LARGEST >> 20} MiB")
    table = _json(path, text) if text.lstrip()[:1] in ("{", "[") else _csv(path, text)
    if not table:
        raise UsageError(f"class weights @{printable(path)}: it is empty; {EXPECTED}")
    if isinstance(table, list):
        return "/".join(repr(_number(path, f"number {place + 1}", value)) for place, value in enumerate(table))
    return "/".join(f"{written_label(label)}:{_number(path, label, value)!r}" for label, value in table.items())


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
    try:
        lines = list(csv.reader(text.splitlines(), strict=True))
    except csv.Error as error:
        raise UsageError(f"class weights @{printable(path)}: no CSV ({error}); {EXPECTED}") from None
    for place, line in enumerate(lines):
        if not line or (place == 0 and [cell.strip() for cell in line] == ["label", "weight"]):
            continue
        if len(line) != 2 or line[0].strip() in found:
            raise UsageError(f"class weights @{printable(path)}: line {place + 1}: {EXPECTED}, each label once")
        found[line[0].strip()] = line[1]
    return found


def _number(path: str, where: str, value: object) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        found = float(value)
        where.encode()
        if not 0.0 <= found < math.inf:
            raise ValueError
    except (ValueError, OverflowError):
        shown = printable(value) if isinstance(value, str) else json.dumps(value)[:40]
        raise UsageError(
            f"class weights @{printable(path)}: {printable(where)}: {shown} is no weight, a finite number >= 0"
        ) from None
    return found
