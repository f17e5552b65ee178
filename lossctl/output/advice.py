"""Advice on a loss in every format: JSON for machines, a table for people."""

from __future__ import annotations

import math
from typing import Any, Final

from lossctl.core.advice import Advice, Caution, Finding, Misfit, Pick, Threshold
from lossctl.output.envelope import SCHEMA_VERSION, as_text, created, environment
from lossctl.output.style import Style

COMMAND: Final = "losses choose"
FORMATS: Final = ("table", "json")


def render(advice: Advice, form: str, style: Style) -> str:
    """Return advice as text in one format."""
    if form == "json":
        return to_json(advice)
    from lossctl.output.advicetable import to_table

    return to_table(advice, style)


def to_json(advice: Advice) -> str:
    """Return advice as JSON text that ends with a newline; a list has one record per line."""
    return as_text(document(advice))


def document(advice: Advice) -> dict[str, Any]:
    """Return advice as plain values; a number that does not exist is None."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "lossctl", "version": advice.version},
        "command": COMMAND,
        "created": created(),
        "environment": environment(),
        "data": {
            "path": advice.path,
            "rows": advice.rows,
            "used": advice.used,
            "target": list(advice.target),
            "pred": list(advice.pred),
        },
        "kind": advice.kind,
        "what": advice.what,
        "problem": advice.task,
        "output": advice.output,
        "activation": advice.activation,
        "findings": list(map(finding_record, advice.findings)),
        "thresholds": list(map(threshold_record, advice.thresholds)),
        "recommendations": list(map(pick_record, advice.picks)),
        "cautions": list(map(caution_record, advice.cautions)),
        "fits": list(advice.fits),
        "misfits": list(map(misfit_record, advice.misfits)),
        "advice": [] if advice.command is None else [advice.command],
        "warnings": list(advice.warnings),
    }


def finding_record(found: Finding) -> dict[str, Any]:
    """Return one thing seen; `threshold` is the number that it was held against, None where there is none."""
    finite = not isinstance(found.value, float) or math.isfinite(found.value)
    return {
        "about": found.about,
        "name": found.name,
        "value": found.value if finite else None,
        "approximate": found.unit == "near",
        "threshold": None if found.threshold is None else found.threshold.value,
        "meaning": found.meaning,
    }


def threshold_record(threshold: Threshold) -> dict[str, Any]:
    """Return a threshold with its reason."""
    return {"name": threshold.name, "value": threshold.value, "why": threshold.why}


def pick_record(pick: Pick) -> dict[str, Any]:
    """Return a recommended loss."""
    return {
        "rank": pick.rank,
        "loss": pick.loss,
        "spec": pick.spec,
        "optimises": pick.optimises,
        "why": pick.why,
        "use": pick.use,
    }


def caution_record(caution: Caution) -> dict[str, Any]:
    """Return a loss that should not be used."""
    return {"loss": caution.loss, "why": caution.why, "avoid": caution.avoid}


def misfit_record(misfit: Misfit) -> dict[str, Any]:
    """Return losses that cannot be computed, with the reason."""
    return {"ground": misfit.ground, "reason": misfit.reason, "losses": list(misfit.losses)}
