"""`validate`: what the inputs hold, and whether `evaluate` would work on them. The command line calls it too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, starmap
from typing import Final, Unpack

from lossctl.api.evaluate import KEY_NAMES, answer, look_ahead
from lossctl.api.job import Job
from lossctl.api.options import InputOptions, Opened, Query, fitting, only_known, open_inputs, silent
from lossctl.core.domain import NON_NEGATIVE, REAL, Domain
from lossctl.core.form import checked_task
from lossctl.core.state import NEVER
from lossctl.errors import DataError, LossctlError, printable
from lossctl.io.blocks import BlockReader, TargetRule, missing_value, width_of
from lossctl.io.by_key import EXAMPLES
from lossctl.io.by_position import ByPosition, RowSource
from lossctl.io.fields import NULLS
from lossctl.io.machine import usable_cores
from lossctl.io.select import Selection, Slot
from lossctl.io.source import COMPRESSED
from lossctl.io.table import Kind, Table
from lossctl.profile.columns import ColumnState, RoleState, pred_domains, target_domains
from lossctl.profile.scan import Asked, Slices, Surveyor, TableSummary
from lossctl.results.report import Report, Task
from lossctl.results.survey import (
    Agreement,
    ColumnKind,
    ColumnSurvey,
    OddCells,
    Pairing,
    RoleSurvey,
    SliceRows,
    SliceSurvey,
    Survey,
    TableSurvey,
    ValueCount,
)
from lossctl.version import __version__

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
        frequent=tuple(starmap(ValueCount, state.words.frequent)),
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
        ends.append(SliceRows(dict(zip(columns, words, strict=True)), count) if count else None)
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


NOTHING: Final = Opened([], [], [])


def validate(data: object, **options: Unpack[InputOptions]) -> Survey:
    """Survey the inputs, and say whether `evaluate` would work on them with the same arguments.

    Parameters
    ----------
    data, **options
        As `evaluate` takes them, `ci` to no effect; nothing is raised for what is wrong with them or with the data.

    Returns
    -------
    Survey
        Columns, domains of predictions and target, keys, slices, and the task as `evaluate` works it out. `problems`
        begins with the message of the error that `evaluate` raises, which is `error`; `works` says that there is none.

    Examples
    --------
    >>> import lossctl
    >>> survey = lossctl.validate({"y": [0, 1, 1], "p": [0.2, 0.7, float("nan")]}, target="y", pred="p")
    >>> survey.works, survey.task.name
    (False, 'binary')
    >>> survey.problems
    ("data: row 3, column 'p': the value is NaN; --missing drop leaves such rows out for every model",)
    """
    error: Exception | None = None
    notes: list[str] = []
    only_known(validate, options)
    asked: InputOptions = {**options, "ci": None}
    try:
        query = Query(data, **asked)
    except LossctlError as found:
        error = found
        query = Query(data, **_columns(asked))
    understood = error is None
    tell = query.note or silent

    def note(text: str) -> None:
        notes.append(text)
        tell(text)

    query = replace(query, note=note)
    opened = NOTHING
    try:
        opened = Opened(*open_inputs(data, query.targets, query.delimiter))
    except LossctlError as found:
        error = error or found
    examined = _Examined(query, opened, understood)
    report: Report | None = None
    if error is None:
        try:
            report, _ = answer(replace(query, data=opened))
        except LossctlError as found:
            error = found
    return examined.survey(report, error, notes)


def _columns(asked: InputOptions) -> InputOptions:
    """Return what is said of the columns, of a question that is wrong otherwise."""
    settled = ("losses", "task", "missing", "threads")
    return InputOptions(**fitting({name: value for name, value in asked.items() if name not in settled}))  # type: ignore[typeddict-item]  # names of its own


@dataclass(frozen=True)
class _Guess:
    """What is known of the losses without their values."""

    job: Job | None = None
    task: Task | None = None
    losses: tuple[str, ...] = ()


class _Examined:
    """Opened inputs, and what was found in them, as far as that goes."""

    def __init__(self, query: Query, opened: Opened, understood: bool) -> None:
        self.query = query
        self.understood = understood
        self.opened = opened
        self.threads = query.threads or usable_cores()
        self.chosen = self._selection()
        self.tables: Sequence[Table] = opened.tables
        self.roles = None if self.chosen is None else Roles(self.tables, self.chosen)
        self.found = [
            Surveyor(
                table,
                self.roles.asked(place) if self.roles else {},
                self.roles.slicings(place) if self.roles else {},
            ).run(self.threads, query.progress, query.watch)
            for place, table in enumerate(self.tables)
        ]

    def _selection(self) -> Selection | None:
        """Choose columns as `evaluate` does, None where it cannot."""
        try:
            return self.query.chosen(self.opened.tables, self.opened.names) if self.opened.tables else None
        except LossctlError:
            return None

    def survey(self, report: Report | None, error: Exception | None, notes: Sequence[str]) -> Survey:
        """Put everything together."""
        guess = self._guess(report)
        job = guess.job
        surveys = [self._table(place) for place in range(len(self.tables))]
        pairing = self._pairing(surveys)
        agreements = self._agreements(job, pairing)
        rule = None if job is None else job.rule
        roles = () if self.roles is None else self.roles.surveys(self.found, job.activations if job else {})
        slices = () if self.roles is None else slice_surveys(self.roles, self.found)
        told = warnings(surveys, self.found, self.roles, slices, rule, self.query.id is not None, works=error is None)
        return Survey(
            tables=tuple(surveys),
            roles=roles,
            pairing=pairing,
            agreements=agreements,
            slices=slices,
            task=guess.task,
            losses=guess.losses,
            used=report.inputs if report is not None else (),
            problems=problems(
                error,
                self.tables,
                surveys,
                self.found,
                self.roles,
                rule,
                self.query.missing,
                pairing,
                agreements,
            ),
            warnings=(*told, *(report.warnings if report is not None else ())),
            notes=tuple(notes),
            version=__version__,
            error=error,
        )

    def _table(self, place: int) -> TableSurvey:
        table, found = self.tables[place], self.found[place]
        roles: Mapping[str, tuple[str, ...]] = {}
        if self.roles is not None:
            keys = {self.query.id: ("id",)} if self.query.id is not None else {}
            roles = {name: (*self.roles.of_column(place, name), *keys.get(name, ())) for name in found.columns}
        return table_survey(table, found, roles)

    def _guess(self, report: Report | None) -> _Guess:
        """Work out the task and its losses as `evaluate` does, as far as that goes."""
        if self.chosen is None or not self.understood:
            return _Guess()
        query = self.query
        try:
            job = Job(self.tables, self.chosen, query.asked, checked_task(query.task), silent)
            job.resolve(query.activation, query.positive_label, query.classes)
        except LossctlError:
            return _Guess()
        if report is not None:
            return _Guess(job, report.task, tuple(report.losses))
        try:
            reader = BlockReader(self.tables, ByPosition(self.tables), self.chosen, job.rule, "drop")
            first = look_ahead(reader.feeds(1))
            questions = [] if first is None else job.questions(first)
        except LossctlError:
            return _Guess(job, job.task)
        return _Guess(job, job.task, tuple(question.label for question in questions))

    def _pairing(self, surveys: Sequence[TableSurvey]) -> Pairing | None:
        if not self.tables:
            return None
        key = self.query.id
        if key is None:
            return Pairing(None, alike=_keys_alike(surveys))
        if any(survey.column(key) is None for survey in surveys):
            return Pairing(key)
        from lossctl.profile.pairing import survey_keys

        try:
            keys, unpaired = survey_keys(self.tables, key)
        except DataError as error:
            return Pairing(key, fault=str(error))
        return Pairing(key, tuple(keys), tuple(unpaired))

    def _agreements(self, job: Job | None, pairing: Pairing | None) -> tuple[Agreement, ...]:
        if job is None or self.chosen is None or pairing is None or not pairing.possible:
            return ()
        from lossctl.profile.pairing import agreements

        try:
            return tuple(agreements(self.tables, self._rows(), self.chosen, job.rule))
        except DataError:  # eval says why rows cannot be paired, and the keys are surveyed
            return ()

    def _rows(self) -> RowSource:
        if self.query.id is None:
            return ByPosition(self.tables)
        from lossctl.io.by_key import ByKey

        return ByKey(self.tables, self.query.id, self.threads)


def _keys_alike(surveys: Sequence[TableSurvey]) -> tuple[str, ...]:
    """Return the columns of all tables, without a part of their own, that are named or look like a key."""
    first, *others = surveys
    return tuple(
        column.name
        for column in first.columns
        if not column.roles
        and column.width == 1
        and (column.name in KEY_NAMES or key_like(column))
        and all(survey.column(column.name) is not None for survey in others)
    )
