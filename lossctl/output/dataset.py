"""The data report of `validate` in every format: JSON for machines, a table and Markdown for people."""

from __future__ import annotations

import json
from typing import Any, Final

from lossctl.core.report import Task
from lossctl.core.survey import (
    MOST_WORDS,
    Agreement,
    ColumnSurvey,
    Pairing,
    RoleSurvey,
    SliceSurvey,
    Survey,
    TableSurvey,
)
from lossctl.output.envelope import SCHEMA_VERSION, created
from lossctl.output.records import input_record
from lossctl.output.style import Style

FORMATS: Final = ("table", "json", "md")


def render(survey: Survey, form: str, style: Style) -> str:
    """Return a survey as text in one format."""
    if form == "json":
        return to_json(survey)
    from lossctl.output import datatable

    return datatable.to_markdown(survey, style.digits) if form == "md" else datatable.to_table(survey, style)


def to_json(survey: Survey) -> str:
    """Return a survey as JSON text that ends with a newline."""
    return json.dumps(document(survey), indent=2, allow_nan=False) + "\n"


def document(survey: Survey) -> dict[str, Any]:
    """Return a survey as plain values; a number that does not exist is None."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "lossctl", "version": survey.version},
        "command": "validate",
        "created": created(),
        "verdict": "pass" if survey.works else "fail",
        "task": None if survey.task is None else task_record(survey.task),
        "losses": list(survey.losses),
        "inputs": list(map(table_record, survey.tables)),
        "models": list(map(input_record, survey.used)),
        "roles": list(map(role_record, survey.roles)),
        "pairing": None if survey.pairing is None else pairing_record(survey.pairing),
        "agreements": list(map(agreement_record, survey.agreements)),
        "slices": list(map(slice_record, survey.slices)),
        "problems": list(survey.problems),
        "warnings": list(survey.warnings),
        "notes": list(survey.notes),
    }


def task_record(task: Task) -> dict[str, Any]:
    """Return the kind of problem, and from what it was worked out."""
    return {"name": task.name, "inferred": task.inferred, "why": task.why}


def table_record(table: TableSurvey) -> dict[str, Any]:
    """Return one input with its columns."""
    return {
        "path": table.label,
        "format": table.format,
        "rows": table.rows,
        "complete": table.fault is None,
        "fault": table.fault,
        "columns": list(map(column_record, table.columns)),
    }


def column_record(column: ColumnSurvey) -> dict[str, Any]:
    """Return one column; `distinct` is None where there are more than `distinct_limit` different values."""
    return {
        "name": column.name,
        "kind": column.kind,
        "width": column.width,
        "roles": list(column.roles),
        "rows": column.rows,
        "missing": column.missing,
        "null": column.null,
        "empty": column.empty,
        "nan": column.nan,
        "first_missing": column.first_missing,
        "plus_infinite": column.plus_infinite,
        "minus_infinite": column.minus_infinite,
        "minimum": column.minimum,
        "maximum": column.maximum,
        "mean": column.mean,
        "zeros": column.zeros,
        "whole": column.whole,
        "ascending": column.ascending,
        "distinct": column.distinct,
        "distinct_limit": MOST_WORDS,
        "frequent": [{"value": word, "rows": count} for word, count in column.frequent],
        "not_numbers": None
        if column.odd is None
        else {"cells": column.odd.count, "first_row": column.odd.row, "text": column.odd.text},
        "fault": column.fault,
    }


def role_record(role: RoleSurvey) -> dict[str, Any]:
    """Return the columns of one role with the domains that they were held against."""
    return {
        "role": role.role,
        "model": role.model,
        "path": role.input,
        "columns": list(role.columns),
        "width": role.width,
        "rows": role.rows,
        "activation": role.activation,
        "domains": [
            {"domain": fit.domain, "holds": fit.holds, "rows_outside": fit.outside, "first_row": fit.first}
            for fit in role.fits
        ],
    }


def pairing_record(pairing: Pairing) -> dict[str, Any]:
    """Return how rows of several inputs belong together, and what keeps them from it."""
    return {
        "by": "position" if pairing.column is None else "key",
        "column": pairing.column,
        "keys": [
            {
                "path": keys.input,
                "rows": keys.rows,
                "missing": keys.missing,
                "first_missing": keys.first_missing,
                "repeated": keys.repeated,
                "repeated_examples": list(keys.repeated_examples),
            }
            for keys in pairing.keys
        ],
        "unpaired": [
            {
                "first": apart.first,
                "second": apart.second,
                "only_first": apart.only_first,
                "only_first_examples": list(apart.only_first_examples),
                "only_second": apart.only_second,
                "only_second_examples": list(apart.only_second_examples),
            }
            for apart in pairing.unpaired
        ],
        "alike": list(pairing.alike),
        "fault": pairing.fault,
    }


def agreement_record(told: Agreement) -> dict[str, Any]:
    """Return whether two inputs hold one target."""
    return {
        "first": told.first,
        "second": told.second,
        "columns": list(told.columns),
        "rows": told.rows,
        "differ": told.differ,
        "first_row": told.first_row,
        "fault": told.fault,
    }


def slice_record(slicing: SliceSurvey) -> dict[str, Any]:
    """Return one slicing; `slices` is None where there are more than are counted."""
    ends = {"smallest": slicing.smallest, "largest": slicing.largest}
    return {
        "columns": list(slicing.columns),
        "slices": slicing.slices,
        **{name: end and {"slice": dict(end[0]), "rows": end[1]} for name, end in ends.items()},
        "missing": slicing.missing,
    }
