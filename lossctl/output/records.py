"""Records: a cell as the flat list of facts that every machine format prints."""

from __future__ import annotations

import math
from typing import Any

from lossctl.errors import printable
from lossctl.results.report import BestSet, Cell, Check, Comparison, Input, Study, WorstRow

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


def plugin_record(origin: str) -> dict[str, str]:
    """Return name and version of a plug-in's package."""
    name, _, version = origin.rpartition(" ")
    return {"name": name, "version": version}


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


def finite(value: float | None) -> float | None:
    """Return a number that a strict format can take, None for one that it cannot."""
    return value if value is not None and math.isfinite(value) else None


def comparison_record(found: Comparison) -> dict[str, Any]:
    """Return one candidate against one baseline; None where there is no finite number, `reason` says why."""
    return {
        "baseline": found.baseline,
        "candidate": found.candidate,
        "loss": found.loss,
        "spec": found.spec,
        "slice": dict(found.slice),
        "n": found.rows,
        "clusters": found.clusters,
        "baseline_value": finite(found.baseline_value),
        "value": finite(found.value),
        "delta": finite(found.difference),
        "delta_pct": None if found.relative is None else finite(100.0 * found.relative),
        "stderr": found.stderr,
        "ci": list(found.interval) if found.interval else None,
        "ci_level": found.level,
        "ci_method": found.method,
        "p": found.p,
        "p_adjusted": found.adjusted,
        "skew": finite(found.skew),
        "detectable": finite(found.detectable),
        "needed": found.needed,
        "verdict": found.verdict,
        "reason": found.reason,
        "direction": found.direction,
        "unit": found.unit,
    }


def worst_record(found: WorstRow) -> dict[str, Any]:
    """Return a row where a candidate loses most."""
    return {
        "baseline": found.baseline,
        "candidate": found.candidate,
        "loss": found.loss,
        "row": found.row,
        "baseline_value": finite(found.baseline_value),
        "value": finite(found.value),
        "delta": finite(found.difference),
        "roles": {role: finite(value) for role, value in found.roles.items()},
    }


def best_set_record(found: BestSet) -> dict[str, Any]:
    """Return the model confidence set of one loss."""
    return {
        "loss": found.loss,
        "slice": dict(found.slice),
        "level": found.level,
        "p": dict(found.p),
        "kept": list(found.kept),
    }


def study_record(study: Study) -> dict[str, Any]:
    """Return how models were compared."""
    return {
        "baseline": study.baseline,
        "all_pairs": study.all_pairs,
        "assumption": study.assumption,
        "method": study.method,
        "correction": study.correction,
        "level": study.level,
        "resamples": study.resamples,
        "seed": study.seed,
        "effect": study.effect,
    }


def check_record(check: Check) -> dict[str, Any]:
    """Return one judged rule; None where there is no finite number, `status` and `message` say why."""
    return {
        "id": check.id,
        "model": check.model,
        "loss": check.loss,
        "spec": check.spec,
        "slice": dict(check.slice),
        "kind": check.kind,
        "rule": check.rule,
        "status": check.status,
        "level": check.level,
        "value": finite(check.value),
        "limit": finite(check.limit),
        "margin": finite(check.margin),
        "baseline": finite(check.baseline),
        "change": finite(check.change),
        "change_pct": None if check.change_share is None else finite(100.0 * check.change_share),
        "n": check.rows,
        "ci": list(check.interval) if check.interval else None,
        "message": check.message,
    }


def input_record(source: Input) -> dict[str, Any]:
    """Return where one model's rows came from."""
    return {
        "model": source.model,
        "path": source.path,
        "data": source.data,
        "rows": source.rows,
        "used": source.used,
        "kept": source.kept,
        "dropped": dict(source.dropped),
    }


def inert(text: str) -> str:
    """Keep a spreadsheet from taking text of the data for a formula, and a terminal from obeying it."""
    return printable("'" + text if text.startswith(FORMULA_STARTS) else text)
