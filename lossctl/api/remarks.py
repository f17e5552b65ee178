"""Remarks: what in surveyed data keeps `eval` from working, in its words, and what works but looks like a mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from lossctl.api.findings import missing_value
from lossctl.api.surveyed import Roles
from lossctl.core.survey import Agreement, ColumnSurvey, Pairing, SliceSurvey, TableSurvey
from lossctl.errors import printable
from lossctl.io.assembly import TargetRule
from lossctl.io.column import Kind, Table
from lossctl.io.csvfields import NULLS
from lossctl.io.mismatch import EXAMPLES
from lossctl.io.survey import TableSummary


def problems(
    error: Exception | None,
    tables: Sequence[Table],
    surveys: Sequence[TableSurvey],
    found: Sequence[TableSummary],
    roles: Roles | None,
    rule: TargetRule | None,
    missing: str,
    pairing: Pairing | None,
    agreements: Sequence[Agreement],
) -> tuple[str, ...]:
    """Return what keeps `eval` from working: its own error first, then what it would come upon later."""
    if error is None:
        return ()
    more: list[str] = []
    if roles is not None:
        for place, name, kind in _read_columns(roles, rule, surveys):
            column = surveys[place].column(name)
            if column is not None:
                more += _in_column(tables[place], column, found[place], kind, missing)
    if pairing is not None:
        more += _in_keys(pairing, tables)
    more += [
        f"{tables_where(tables, told.first, told.first_row)}: the target is another one in {told.second} "
        f"({told.differ} such rows); if rows belong together by a key, add --id COLUMN"
        for told in agreements
        if told.first_row is not None
    ]
    more += [survey.fault for survey in surveys if survey.fault is not None]
    return tuple(dict.fromkeys([str(error), *(text for text in more if not _said(text, str(error)))]))


def _said(text: str, error: str) -> bool:
    """Whether a problem is the one of the error: the same but for the row that was come upon first."""

    def without_row(line: str) -> str:
        place, _, rest = line.partition(": row ")
        return f"{place}: {rest.lstrip('0123456789')}" if rest else line

    return without_row(text).partition(" (")[0] == without_row(error).partition(" (")[0]


def tables_where(tables: Sequence[Table], label: str, row: int) -> str:
    """Say where a row (from 1) of the table of that label stands."""
    return next(table for table in tables if table.label == label).where(row - 1)


def _read_columns(roles: Roles, rule: TargetRule | None, surveys: Sequence[TableSurvey]) -> list[tuple[int, str, Kind]]:
    """Return the columns that are read, each with how."""
    wanted: dict[tuple[int, str, Kind], None] = {}
    for (_, role), slot in roles.slots.items():
        for name in slot.columns:
            kind = Kind.NUMBER
            if role == "target":
                column = surveys[slot.table].column(name)
                text = column is not None and column.kind == "text"
                kind = rule.kind if rule is not None else Kind.TEXT if text else Kind.NUMBER
            wanted[slot.table, name, kind] = None
    for slots in roles.by.values():
        for slot in slots:
            wanted[slot.table, slot.columns[0], Kind.TEXT] = None
    return list(wanted)


def _in_column(table: Table, column: ColumnSurvey, found: TableSummary, kind: Kind, missing: str) -> Iterator[str]:
    state = found.columns[column.name]
    name = printable(column.name)
    if kind is Kind.NUMBER and state.fault is not None:
        yield f"{table.label}: column {name!r} {state.fault}"
    elif kind is Kind.NUMBER and column.odd is not None:
        what = "true or false, as the rows before it" if column.kind == "boolean" else "a number"
        such = f" ({column.odd.count} such cells)" if (column.odd.count or 0) > 1 else ""
        yield f"{table.where(column.odd.row - 1)}, column {name!r}: {column.odd.text!r} is not {what}{such}"
    if missing == "error":
        holes = [("null", column.null + column.empty, state.first_null)]
        if kind is Kind.NUMBER:
            holes.append(("nan", column.nan, state.first_nan))
        for hole, count, first in holes:
            if count:
                yield missing_value(table.where(first), column.name, hole, count)


def _in_keys(pairing: Pairing, tables: Sequence[Table]) -> Iterator[str]:
    column = f"column {printable(pairing.column or '')!r}"
    for keys in pairing.keys:
        if keys.first_missing is not None:
            yield f"{tables_where(tables, keys.input, keys.first_missing)}, {column}: the key is empty"
        if keys.repeated:
            shown = _some(keys.repeated_examples, keys.repeated)
            yield f"{keys.input}: {column}: {keys.repeated} keys stand more than once ({shown})"
    for apart in pairing.unpaired:
        kinds = (
            (apart.only_first, f"of {apart.first} missing", apart.only_first_examples),
            (apart.only_second, "not in it", apart.only_second_examples),
        )
        faults = [f"{count} {words} ({_some(some, count)})" for count, words, some in kinds if count]
        if faults:
            yield f"{apart.second}: {column}: keys differ: " + ", ".join(faults)


def _some(examples: Sequence[str], count: int) -> str:
    return ", ".join(examples) + (", ..." if count > EXAMPLES else "")


# what works, but may not be meant ------------------------------------------------------------------------------------


def warnings(
    surveys: Sequence[TableSurvey],
    found: Sequence[TableSummary],
    roles: Roles | None,
    slices: Sequence[SliceSurvey],
    rule: TargetRule | None,
    keyed: bool,
    works: bool,
) -> tuple[str, ...]:
    """Return what `eval` would take without a word and is likely a mistake."""
    told: list[str] = []
    if roles is not None:
        told += _constant(surveys, roles)
        told += _same(found, roles, keyed)
        told += _labels(surveys, found, roles, rule)
    for slicing in slices:
        if slicing.slices is None or (slicing.slices > 1 and slicing.largest is not None and slicing.largest[1] == 1):
            told.append(f"--by {','.join(map(printable, slicing.columns))}: nearly every row is a slice of its own")
    if works:
        told += [f"only columns that are not used: {survey.fault}" for survey in surveys if survey.fault]
    return tuple(dict.fromkeys(told))


def _constant(surveys: Sequence[TableSurvey], roles: Roles) -> Iterator[str]:
    for (model, role), slot in roles.slots.items():
        columns = [column for name in slot.columns if (column := surveys[slot.table].column(name)) is not None]
        if not columns or role not in ("target", "pred"):
            continue
        if all(column.constant for column in columns):
            value = ", ".join(printable(column.frequent[0][0]) for column in columns[:3])
            who = f"{surveys[slot.table].label}: the target" if model is None else f"{model}: the prediction"
            yield f"{who} is the same in every row: {value}{', ...' if len(columns) > 3 else ''}"
        elif role == "pred" and len(columns) == 1 and key_like(columns[0]):
            name = printable(columns[0].name)
            yield f"{model}: the prediction {name!r} ascends by whole numbers from row to row, as a key does"


def key_like(column: ColumnSurvey) -> bool:
    """Whether a column holds whole numbers that ascend from row to row."""
    return bool(column.whole and column.ascending and column.values > 2)


def _same(found: Sequence[TableSummary], roles: Roles, keyed: bool) -> Iterator[str]:
    """Compare predictions with the target and with each other, where their rows stand in one order."""
    preds = [role for role in roles.slots if role[1] == "pred"]
    couples = [((None, "target"), pred) for pred in preds if (None, "target") in roles.slots]
    for left, right in [*couples, *combinations(preds, 2)]:
        places = [roles.slots[role].table for role in (left, right)]
        one, other = (roles.state(role, found) for role in (left, right))
        if one is None or other is None or not one.rows or (keyed and places[0] != places[1]):
            continue
        if one.fingerprint == other.fingerprint and found[places[0]].rows == found[places[1]].rows:
            if left[0] is None:
                yield f"{right[0]}: the prediction equals the target in every row; it may be a copy of it"
            else:
                yield f"{left[0]} and {right[0]}: their predictions are the same in every row"


def _labels(
    surveys: Sequence[TableSurvey], found: Sequence[TableSummary], roles: Roles, rule: TargetRule | None
) -> Iterator[str]:
    """Look at columns that are read as labels for such as stand for nothing, or differ by their spelling alone."""
    slots = [slot for slots in roles.by.values() for slot in slots]
    target = roles.slots.get((None, "target"))
    if target is not None and (rule is None or rule.kind is Kind.TEXT):
        slots.append(target)
    for slot in slots:
        column = surveys[slot.table].column(slot.columns[0])
        if column is None or column.kind != "text":
            continue
        counts: Mapping[str, int] = found[slot.table].columns[column.name].words.counts or {}
        where = f"{surveys[slot.table].label}: column {printable(column.name)!r}"
        for word in sorted(set(NULLS) & set(counts)):
            rows = f"{counts[word]} row{'' if counts[word] == 1 else 's'}"
            yield f"{where} holds {word!r} in {rows}: that is a label here, not a missing value"
        alike: dict[str, list[str]] = {}
        for word in counts:
            alike.setdefault(" ".join(word.split()).casefold(), []).append(word)
        for words in alike.values():
            if len(words) > 1:
                shown = " and ".join(repr(printable(word)) for word in sorted(words)[:3])
                yield f"{where}: the labels {shown} differ by case or blanks alone"
