"""Records: a cell as the flat list of facts that every machine format prints."""

from __future__ import annotations

import math
from typing import Any

from lossctl.core.report import Cell, Input
from lossctl.errors import printable

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def record(cell: Cell) -> dict[str, Any]:
    """Return a cell in the shape of the JSON envelope, its value as it is (perhaps infinite or NaN)."""
    return {
        "model": cell.model,
        "loss": cell.loss,
        "spec": cell.spec,
        "slice": dict(cell.slice),
        "n": cell.rows,
        "weight_sum": cell.weight_sum,
        "value": cell.value,
        "stderr": cell.stderr,
        "ci": list(cell.interval) if cell.interval else None,
        "ci_level": cell.level,
        "ci_method": cell.method,
        "ci_reason": cell.interval_reason,
        "direction": cell.direction,
        "unit": cell.unit,
        "best": cell.best,
        "status": cell.status,
        "reason": cell.reason,
        "signature": cell.signature,
    }


def strict(cell: Cell) -> dict[str, Any]:
    """Return a record without infinities and NaN: None takes their place, status and reason explain it."""
    weight = cell.weight_sum if cell.weight_sum is None or math.isfinite(cell.weight_sum) else None
    return {**record(cell), "value": cell.finite, "weight_sum": weight}


def flat(entry: dict[str, Any]) -> dict[str, Any]:
    """Spread slice and interval over columns of their own."""
    found: dict[str, Any] = {}
    for key, value in entry.items():
        if key == "slice":
            found.update({f"slice.{column}": word for column, word in value.items()})
        elif key == "ci":
            found["ci_low"], found["ci_high"] = value or (None, None)
        else:
            found[key] = value
    return found


def input_record(source: Input) -> dict[str, Any]:
    """Return where one model's rows came from."""
    return {
        "model": source.model,
        "path": source.path,
        "data": source.data,
        "rows": source.rows,
        "used": source.used,
        "dropped": dict(source.dropped),
    }


def inert(text: str) -> str:
    """Keep a spreadsheet from taking text of the data for a formula, and a terminal from obeying it."""
    return printable("'" + text if text.startswith(FORMULA_STARTS) else text)
