"""Findings: rows that cannot be judged, to one line that says where, what, what is allowed, and the likely fix."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lossctl.core.check import Breach
from lossctl.core.state import NEVER
from lossctl.engine.plan import Check, Plan
from lossctl.engine.tally import Tally
from lossctl.errors import DataError, printable
from lossctl.io.blocks import BlockReader
from lossctl.io.column import Kind, Numbers, Table, decoded
from lossctl.io.columns import Slot
from lossctl.io.explain import explain_fault


def raise_findings(tally: Tally, reader: BlockReader, plan: Plan, missing: str) -> None:
    """Raise DataError for the earliest row that is wrong or could not be read, if there is one."""
    findings: list[tuple[int, Callable[[], str]]] = []
    if missing == "error":
        findings += [
            (found.row, partial(_missing, reader, name, found)) for name, found in sorted(tally.missing.items())
        ]
    findings += [
        (found.row, partial(explain_fault, reader, name, found)) for name, found in sorted(tally.faults.items())
    ]
    findings += [
        (found.first, partial(_outside, reader, plan, check, found))
        for check, found in sorted(tally.breaches.items(), key=lambda entry: str(entry[0]))
        if found.first != NEVER
    ]
    if findings:
        for table in reader.tables:
            table.unchanged()  # rows that went missing with their file are not what is wrong
    row, wording = min(findings, key=lambda finding: finding[0], default=(NEVER, None))
    if tally.stopped is not None and tally.stopped[0] <= row:
        raise tally.stopped[1]
    if wording is not None:
        raise DataError(wording())
    if tally.read == tally.dropped:
        raise DataError(f"{reader.tables[0].label}: every one of the {tally.read} rows has a missing value")
    if complaint := reader.never_positive():
        raise DataError(complaint)
    weight = reader.selection.weight
    if weight is not None and tally.moments.rows and tally.moments.total(0) == 0:
        label = reader.tables[weight.table].label
        raise DataError(f"{label}: column {weight.named()}: every weight is zero, so there is no number")


def _missing(reader: BlockReader, name: str, found: Breach) -> str:
    place, column, kind = name.split("\0")
    return missing_value(reader.where(int(place), found.row), column, kind, found.count)


def missing_value(where: str, column: str, kind: str, count: int) -> str:
    """Word rows of a column without a value: null or NaN, the first one and how many."""
    what = "NaN" if kind == "nan" else "missing"
    such = f" ({count} such rows)" if count > 1 else ""
    return (
        f"{where}, column {printable(column)!r}: the value is {what}{such}; "
        "--missing drop leaves such rows out for every model"
    )


def _slot(reader: BlockReader, check: Check, plan: Plan) -> Slot:
    slot = {"target": reader.selection.target, "weight": reader.selection.weight}.get(check.role)
    return slot or reader.selection.slots[check.model or plan.models[0]][check.role]


def _outside(reader: BlockReader, plan: Plan, check: Check, found: Breach) -> str:
    """Word a row outside a domain: where, what, what is allowed, how many, and the likely fix."""
    slot = _slot(reader, check, plan)
    values = _values_at(reader.tables[slot.table], slot, reader.row_of(slot.table, found.first))
    columns = "columns" if len(slot.columns) > 1 else "column"
    where = f"{reader.where(slot.table, found.first)}, {columns} {slot.named()} = {values}"
    if found.clash <= found.row:
        return f"{where}: labels -1 and 0 (or a probability) are mixed; use {{0, 1}} or {{-1, +1}} throughout"
    count = f" ({found.count} such rows)" if found.count > 1 else ""
    activation = plan.activations.get(check.model, "none")
    hint = f"; {check.domain.hint}" if check.domain.hint and check.role != "target" and activation == "none" else ""
    need = "weights must be" if check.role == "weight" else f"{check.loss} needs {check.role} in"
    return f"{where}{count}: {need} {check.domain}{hint}"


def _values_at(table: Table, slot: Slot, row: int) -> str:
    """Read one row again, for a message."""
    start = 0
    for piece in decoded(table.read(dict.fromkeys(slot.columns, Kind.NUMBER))):
        columns = [column for name in slot.columns if isinstance(column := piece[name], Numbers)]
        count = columns[0].values.shape[1]
        if row < start + count:
            values = [float(x) for column in columns for x in column.values[:, row - start]]
            return ", ".join(f"{value:.10g}" for value in values[:4]) + (", ..." if len(values) > 4 else "")
        start += count
    return "?"
