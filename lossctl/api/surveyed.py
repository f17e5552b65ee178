"""Surveyed: what one pass over a table has found, in the words of a data report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lossctl.core.domain import NON_NEGATIVE, REAL, Domain
from lossctl.core.state import NEVER
from lossctl.core.summary import ColumnState, RoleState, pred_domains, target_domains
from lossctl.core.survey import ColumnKind, ColumnSurvey, OddCells, RoleSurvey, SliceSurvey, TableSurvey
from lossctl.errors import LossctlError
from lossctl.io.blocks import width_of
from lossctl.io.column import Table
from lossctl.io.columns import Selection, Slot
from lossctl.io.source import COMPRESSED
from lossctl.io.survey import Asked, Slices, TableSummary

KINDS: Final[Mapping[str, ColumnKind]] = {"number": "number", "boolean": "boolean", "text": "text"}
Role = tuple[str | None, str]  # model, role


class Roles:
    """The columns that play a part, by model and role, and what they are to be held against."""

    def __init__(self, tables: Sequence[Table], chosen: Selection) -> None:
        self.tables = tables
        self.slots: dict[Role, Slot] = {}
        self.domains: dict[Role, dict[str, Domain]] = {}
        if chosen.target is not None:
            self._take(None, "target", chosen.target)
        for model, roles in chosen.slots.items():
            for role, slot in roles.items():
                self._take(model, role, slot)
        if chosen.weight is not None:
            self._take(None, "weight", chosen.weight)
        self.by = chosen.by

    def _take(self, model: str | None, role: str, slot: Slot) -> None:
        try:
            width = width_of(self.tables, slot)
        except LossctlError:  # eval says why these columns do not go together
            return
        self.slots[model, role] = slot
        if role == "target":
            self.domains[model, role] = target_domains(width)
        elif role == "pred":
            self.domains[model, role] = pred_domains(width)
        else:
            self.domains[model, role] = {"non-negative": NON_NEGATIVE} if role == "weight" else {}
            self.domains[model, role]["finite numbers"] = REAL

    def asked(self, place: int) -> dict[str, Asked]:
        """Return what is asked of one table, by names of this class's own."""
        return {
            _name(role): Asked(slot.columns, tuple(self.domains[role].values()))
            for role, slot in self.slots.items()
            if slot.table == place
        }

    def slicings(self, place: int) -> dict[str, tuple[str, ...]]:
        """Return the slicings whose columns one table has."""
        return {
            name: tuple(slot.columns[0] for slot in slots)
            for name, slots in self.by.items()
            if all(slot.table == place for slot in slots)
        }

    def of_column(self, place: int, name: str) -> tuple[str, ...]:
        """Name the parts that a column plays: target, pred:MODEL, weight, by, ..."""
        found = [
            role if model is None else f"{role}:{model}"
            for (model, role), slot in self.slots.items()
            if slot.table == place and name in slot.columns
        ]
        sliced = any(slot.table == place and name in slot.columns for slots in self.by.values() for slot in slots)
        return (*found, *(["by"] if sliced else []))

    def surveys(self, found: Sequence[TableSummary], activations: Mapping[str, str]) -> tuple[RoleSurvey, ...]:
        """Return every role with the domains that its rows are in."""
        return tuple(self._survey(role, slot, found, activations) for role, slot in self.slots.items())

    def _survey(
        self, role: Role, slot: Slot, found: Sequence[TableSummary], activations: Mapping[str, str]
    ) -> RoleSurvey:
        model, name = role
        state = self.state(role, found)
        return RoleSurvey(
            name,
            model,
            self.tables[slot.table].label,
            slot.columns,
            width_of(self.tables, slot),
            state.rows if state is not None else None if found[slot.table].rows else 0,
            state.fits(tuple(self.domains[role])) if state is not None and state.rows else (),
            activations.get(model or "", "none") if name == "pred" else "none",
        )

    def state(self, role: Role, found: Sequence[TableSummary]) -> RoleState | None:
        """Return what was found of a role's numbers."""
        return found[self.slots[role].table].roles.get(_name(role))


def _name(role: Role) -> str:
    return "\0".join(part or "" for part in role)


def table_survey(table: Table, found: TableSummary, roles: Mapping[str, tuple[str, ...]]) -> TableSurvey:
    """Return what was found of a table; `roles` are those of its columns."""
    columns = tuple(
        _column(name, KINDS.get(found.shapes[name].kind, "other"), state, roles.get(name, ()))
        for name, state in found.columns.items()
    )
    return TableSurvey(
        table.label, format_of(table), found.rows, columns, None if found.fault is None else str(found.fault)
    )


def _column(name: str, kind: ColumnKind, state: ColumnState, roles: tuple[str, ...]) -> ColumnSurvey:
    spread = state.spread
    finite = spread is not None and spread.count > 0
    counted = kind != "other" and state.words.counts is not None
    first = min(state.first_null, state.first_nan)
    numeric = kind in ("number", "boolean") or any(role == "weight" or ":" in role for role in roles)
    return ColumnSurvey(
        name=name,
        kind=kind,
        width=state.width,
        rows=state.rows,
        null=state.null,
        empty=state.empty,
        nan=state.nan,
        first_missing=None if first == NEVER else first + 1,
        plus_infinite=spread.plus if spread else 0,
        minus_infinite=spread.minus if spread else 0,
        minimum=spread.low if spread and finite else None,
        maximum=spread.high if spread and finite else None,
        mean=spread.mean if spread else None,
        zeros=spread.zeros if spread else None,
        whole=spread.whole if spread and finite else None,
        ascending=spread.ascending and state.missing == 0 if spread and finite else None,
        distinct=len(state.words.counts or ()) if counted else None,
        frequent=state.words.frequent,
        odd=OddCells(state.odd.count, state.odd.row + 1, state.odd.text) if state.odd and numeric else None,
        fault=state.fault if numeric else None,
        roles=roles,
    )


def slice_surveys(roles: Roles, found: Sequence[TableSummary]) -> tuple[SliceSurvey, ...]:
    """Return every slicing that could be counted."""
    counted = [(name, slices) for summary in found for name, slices in summary.slices.items()]
    return tuple(_slicing(tuple(slot.columns[0] for slot in roles.by[name]), slices) for name, slices in counted)


def _slicing(columns: tuple[str, ...], slices: Slices) -> SliceSurvey:
    if slices.counts is None:
        return SliceSurvey(columns, None, None, None, slices.missing)
    ends = []
    for sign in (1, -1):
        words, count = min(slices.counts.items(), key=lambda entry: (sign * entry[1], entry[0]), default=((), 0))
        ends.append((dict(zip(columns, words, strict=True)), count) if count else None)
    return SliceSurvey(columns, len(slices.counts), ends[0], ends[1], slices.missing)


def format_of(table: Table) -> str | None:
    """Name the format of an input, None where it is no file."""
    parts = getattr(table, "parts", None)
    if parts is not None:
        kinds = list(dict.fromkeys(format_of(part) or "" for part in parts))
        return f"folder of {len(parts)} {'/'.join(kinds)} file{'s' if len(parts) > 1 else ''}"
    source = getattr(table, "source", None)
    if source is None:
        return None
    own: str | None = getattr(table, "format", None)  # where the first bytes alone do not say it
    name = own or ("tsv" if getattr(table, "delimiter", ",") == "\t" else "csv")
    if source.format in COMPRESSED:
        return f"{name}, {source.format}"
    return name if own or source.format == "csv" else str(source.format)
