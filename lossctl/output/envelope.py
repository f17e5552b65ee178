"""JSON: one envelope for every command, strictly valid, at full precision; JSON lines of the same records."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np

from lossctl.output.records import (
    best_set_record,
    check_record,
    comparison_record,
    input_record,
    plugin_record,
    strict,
    study_record,
    worst_record,
)
from lossctl.results.report import Evaluation

SCHEMA_VERSION = 1


def envelope(report: Evaluation, command: str) -> dict[str, Any]:
    """Return the envelope as plain values."""
    task = report.task
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "lossctl", "version": report.version, "plugins": list(map(plugin_record, report.plugins))},
        "command": command,
        "created": created(),
        "environment": environment(),
        "task": {"name": task.name, "inferred": task.inferred, "why": task.why} if task else None,
        "reduction": report.reduction,
        "inputs": [input_record(source) for source in report.inputs],
        "results": [strict(cell) for cell in report.cells],
        "study": study_record(report.study) if report.study else None,
        "comparisons": list(map(comparison_record, report.comparisons)),
        "best_sets": list(map(best_set_record, report.best_sets)),
        "worst": list(map(worst_record, report.worst)),
        "checks": list(map(check_record, report.checks)),
        "verdict": report.verdict,
        "advice": list(report.advice),
        "warnings": list(report.warnings),
    }


def to_json(report: Evaluation, command: str) -> str:
    """Return the envelope as JSON text that ends with a newline; a list has one record per line."""
    return as_text(envelope(report, command))


def as_text(document: Mapping[str, Any]) -> str:
    """Return an envelope, made here or read from a file, as JSON text."""
    fields = (f"  {json.dumps(name)}: {_lines(value)}" for name, value in document.items())
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _lines(value: object) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value, allow_nan=False)
    return "[\n" + ",\n".join("    " + json.dumps(entry, allow_nan=False) for entry in value) + "\n  ]"


def to_jsonl(report: Evaluation) -> str:
    """Return inputs, results and what was concluded as one JSON object per line, told apart by `kind`."""
    lines = [{"kind": "input", **input_record(source)} for source in report.inputs]
    lines += [{"kind": "result", **strict(cell)} for cell in report.cells]
    lines += [{"kind": "comparison", **comparison_record(found)} for found in report.comparisons]
    lines += [{"kind": "best_set", **best_set_record(found)} for found in report.best_sets]
    lines += [{"kind": "worst", **worst_record(found)} for found in report.worst]
    for check in report.checks:  # a check has a kind of its own: max, min, ...
        record = check_record(check)
        lines.append({"kind": "check", "rule_kind": record.pop("kind"), **record})
    if report.verdict is not None:
        lines.append({"kind": "verdict", "verdict": report.verdict, "advice": list(report.advice)})
    return "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)


def created() -> str:
    """Return the time, or that of SOURCE_DATE_EPOCH where a build must be reproducible."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch and epoch.isdecimal() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def environment() -> dict[str, Any]:
    """Return what the last bits depend on besides the data: NumPy's version and the CPU features it uses."""
    config = np.show_config(mode="dicts")
    simd = config.get("SIMD Extensions", {}) if config else {}
    return {"numpy": np.__version__, "cpu": [*simd.get("baseline", []), *simd.get("found", [])]}
