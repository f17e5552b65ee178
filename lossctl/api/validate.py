"""`validate`: what the inputs hold, and whether `evaluate` would work on them. The command line calls it too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from typing import Final, TypeVar, Unpack

from lossctl.api.evaluate import answer, look_ahead, row_source
from lossctl.api.job import Job, width_of
from lossctl.api.options import InputOptions, fitting, only_known, plain_arguments
from lossctl.api.query import Opened, Query, as_list, silent
from lossctl.core.domain import Domain
from lossctl.core.form import EVENT
from lossctl.core.state import NEVER
from lossctl.errors import DataError, LossctlError, printable
from lossctl.io.blocks import BlockReader, TargetRule, missing_value
from lossctl.io.by_key import EMPTY_KEY, column_words, repeated_fault, unpaired_fault
from lossctl.io.by_position import ByPosition
from lossctl.io.machine import usable_cores
from lossctl.io.select import KEY_NAMES, Slot, key_columns
from lossctl.io.source import NULLS
from lossctl.io.table import Kind, Table
from lossctl.profile.columns import ColumnProfile
from lossctl.profile.roles import role_domains
from lossctl.profile.scan import Role, RoleColumns, TableProfile, TableScan
from lossctl.results.report import Report, Task
from lossctl.results.survey import (
    Agreement,
    ColumnKind,
    ColumnSurvey,
    Fit,
    Pairing,
    RoleSurvey,
    SliceRows,
    SliceSurvey,
    Survey,
    TableSurvey,
)
from lossctl.version import __version__

T = TypeVar("T")
KINDS: Final[Mapping[str, ColumnKind]] = {"number": "number", "boolean": "boolean", "text": "text"}
TARGET: Final = (None, "target")
SETTLED: Final = ("losses", "task", "missing", "threads")  # options left out to read the columns of a faulty call


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
    only_known(validate, options)
    error: Exception | None = None
    try:
        query = Query(data, plain_arguments({**options, "ci": None}))
    except LossctlError as fault:
        columns = {name: value for name, value in options.items() if name not in SETTLED}
        error, query = fault, Query(data, fitting(columns) | {"ci": None})
    understood = error is None
    notes: list[str] = []
    tell = query.options["note"] or silent

    def note(text: str) -> None:
        notes.append(text)
        tell(text)

    query = Query(query.data, {**query.options, "note": note})
    opened = Opened([], [], [])
    try:
        opened = query.opened()
    except LossctlError as fault:
        error = error or fault
    checked = SurveyedData(query, opened)
    report: Report | None = None
    if error is None:
        try:
            report, _ = answer(Query(opened, query.options))
        except LossctlError as fault:
            error = fault
    return checked.survey(report, error, notes, understood)


def attempted(decide: Callable[[], T], default: T) -> T:
    """Return what `decide` does, or the default where it fails: `evaluate` then reports the error."""
    try:
        return decide()
    except LossctlError:
        return default


class SurveyedData:
    """Opened inputs, the columns of each role, and a profile of every table, as far as that goes."""

    def __init__(self, query: Query, opened: Opened) -> None:
        self.query, self.opened, self.options = query, opened, query.options
        self.tables: Sequence[Table] = opened.tables
        self.threads = self.options["threads"] or usable_cores()
        self.selection = attempted(lambda: query.selection(self.tables, opened.names) if self.tables else None, None)
        self.key: tuple[str, ...] = attempted(lambda: key_columns(self.tables, as_list(self.options["id"])), ())
        self.by: Mapping[str, tuple[Slot, ...]] = {} if self.selection is None else self.selection.by
        self.slots: dict[Role, Slot] = {}
        self.domains: dict[Role, dict[str, Domain]] = {}
        for role, slot in self._slots():
            with suppress(LossctlError):  # eval says why these columns do not go together
                self.domains[role] = role_domains(role[1], width_of(self.tables, slot))
                self.slots[role] = slot
        self.profiles = [self._scan(place, table) for place, table in enumerate(self.tables)]
        self.surveys = [self._table(place) for place in range(len(self.tables))]

    def _slots(self) -> Iterator[tuple[Role, Slot]]:
        if self.selection is None:
            return
        if self.selection.target is not None:
            yield TARGET, self.selection.target
        for model, slots in self.selection.slots.items():
            yield from (((model, role), slot) for role, slot in slots.items())
        if self.selection.weight is not None:
            yield (None, "weight"), self.selection.weight

    def _scan(self, place: int, table: Table) -> TableProfile:
        roles = {
            role: RoleColumns(slot.columns, tuple(self.domains[role].values()))
            for role, slot in self.slots.items()
            if slot.table == place
        }
        by = {
            name: tuple(slot.columns[0] for slot in slots)
            for name, slots in self.by.items()
            if all(slot.table == place for slot in slots)
        }
        return TableScan(table, roles, by, self.options["watch"]).run(self.threads, self.options["progress"])

    def column(self, slot: Slot, name: str) -> ColumnSurvey | None:
        """Return a column of a slot, None where it was not read."""
        return self.surveys[slot.table].column(name)

    # what the data holds ---------------------------------------------------------------------------------------------

    def survey(self, report: Report | None, error: Exception | None, notes: Sequence[str], understood: bool) -> Survey:
        """Put the data report together: what the data holds, what `evaluate` makes of it, problems and warnings."""
        job = attempted(self._job, None) if understood else None
        rule = None if job is None else job.rule
        task, losses = self._task(job, report)
        pairing = self._pairing()
        agreements = self._agreements(job, pairing)
        slices = tuple(self._slices())
        if rule is not None and error is None:
            self._read_as_labels(rule)
        problems = [] if error is None else [str(error), *self._problems(error, rule, pairing, agreements)]
        warnings = [*self._warnings(rule, slices)]
        if error is None:
            warnings += [f"only columns that are not used: {table.fault}" for table in self.surveys if table.fault]
        return Survey(
            tables=tuple(self.surveys),
            roles=tuple(self._role(role, job) for role in self.slots),
            pairing=pairing,
            agreements=agreements,
            slices=slices,
            task=task,
            losses=losses,
            used=report.inputs if report is not None else (),
            problems=tuple(dict.fromkeys(problems)),
            warnings=(*dict.fromkeys(warnings), *(report.warnings if report is not None else ())),
            notes=tuple(notes),
            version=__version__,
            error=error,
        )

    def _read_as_labels(self, rule: TargetRule) -> None:
        """Leave out what keeps predictions and events from being numbers where they are labels."""
        labels = [f"pred:{model}" for model in rule.decided]
        labels += [f"{role}:{model}" for model, role in self.slots if role == EVENT and rule.event is not None]
        for place, table in enumerate(self.surveys):
            columns = [replace(c, odd=None, fault=None) if set(labels) & set(c.roles) else c for c in table.columns]
            self.surveys[place] = replace(table, columns=tuple(columns))

    def _table(self, place: int) -> TableSurvey:
        table, profile = self.tables[place], self.profiles[place]
        roles: dict[str, list[str]] = {}
        for (model, role), slot in self.slots.items():
            for name in dict.fromkeys(slot.columns) if slot.table == place else ():
                roles.setdefault(name, []).append(role if model is None else f"{role}:{model}")
        slicing = {slot.columns[0]: ["by"] for slots in self.by.values() for slot in slots if slot.table == place}
        key = self.key if self.selection is not None else ()
        columns = []
        for name, column in profile.columns.items():
            parts = (*roles.get(name, ()), *slicing.get(name, ()), *["id"] * (name in key))
            kind = KINDS.get(profile.shapes[name].kind, "other")
            columns.append(column_survey(name, kind, column, parts))
        fault = None if profile.fault is None else str(profile.fault)
        left_out = sum(map(len, table.bad_rows.values()))
        return TableSurvey(table.label, table.format, profile.rows, tuple(columns), fault, left_out)

    def _role(self, role: Role, job: Job | None) -> RoleSurvey:
        """Say how the rows of a role lie in each of its domains."""
        (model, name), slot = role, self.slots[role]
        profile = self.profiles[slot.table].roles.get(role)
        fits = []
        if profile is not None and profile.rows:
            for domain_name, domain in self.domains[role].items():
                breach = profile.outside(domain)
                fits.append(Fit(domain_name, breach.rows, None if breach.row == NEVER else breach.row + 1))
        without = None if self.profiles[slot.table].rows else 0
        return RoleSurvey(
            role=name,
            model=model,
            input=self.tables[slot.table].label,
            columns=slot.columns,
            width=width_of(self.tables, slot),
            rows=without if profile is None else profile.rows,
            fits=tuple(fits),
            activation=job.activations.get(model or "", "none") if job is not None and name == "pred" else "none",
        )

    def _slices(self) -> Iterator[SliceSurvey]:
        """Yield every slicing that could be counted."""
        for name, slices in ((name, slices) for profile in self.profiles for name, slices in profile.slices.items()):
            if slices is None:
                continue
            columns = tuple(slot.columns[0] for slot in self.by[name])
            if slices.counts is None:
                yield SliceSurvey(columns, None, None, None, slices.missing)
                continue
            entries = slices.counts.items()
            ends = (
                min(entries, key=lambda entry: (entry[1], entry[0]), default=None),
                min(entries, key=lambda entry: (-entry[1], entry[0]), default=None),
            )
            smallest, largest = (end and SliceRows(dict(zip(columns, end[0], strict=True)), end[1]) for end in ends)
            yield SliceSurvey(columns, len(slices.counts), smallest, largest, slices.missing)

    def _pairing(self) -> Pairing | None:
        if not self.tables:
            return None
        key = ",".join(as_list(self.options["id"]))
        if not key:
            return Pairing(None, alike=self._key_columns())
        if not self.key or any(table.column(name) is None for table in self.surveys for name in self.key):
            return Pairing(key)
        from lossctl.profile.pairing import survey_keys

        try:
            keys, unpaired = survey_keys(self.tables, self.key)
        except DataError as error:
            return Pairing(key, fault=str(error))
        return Pairing(key, tuple(keys), tuple(unpaired))

    def _key_columns(self) -> tuple[str, ...]:
        """Return the columns of all tables, without a role, that are named or look like a key."""
        first, *more = self.surveys
        return tuple(
            column.name
            for column in first.columns
            if not column.roles
            and column.width == 1
            and (column.name in KEY_NAMES or key_like(column))
            and all(table.column(column.name) is not None for table in more)
        )

    def _agreements(self, job: Job | None, pairing: Pairing | None) -> tuple[Agreement, ...]:
        if job is None or self.selection is None or pairing is None or not pairing.possible:
            return ()
        from lossctl.profile.pairing import agreements

        with suppress(DataError):  # eval says why rows cannot be paired, and the keys are surveyed
            rows = row_source(Query(self.query.data, {**self.options, "note": silent}), self.tables, self.threads)
            return tuple(agreements(self.tables, rows, self.selection, job.rule))
        return ()

    # what eval makes of it -------------------------------------------------------------------------------------------

    def _job(self) -> Job | None:
        """Make the decisions of `evaluate` that the columns alone tell, as far as that goes."""
        if self.selection is None:
            return None
        return Job(
            Query(self.query.data, {**self.options, "note": silent, "per_output": False}), self.tables, self.selection
        )

    def _task(self, job: Job | None, report: Report | None) -> tuple[Task | None, tuple[str, ...]]:
        """Work out the task and its losses as `evaluate` does, as far as that goes."""
        if job is None or self.selection is None:
            return None, ()
        if report is not None:
            return report.task, tuple(report.losses)
        losses: tuple[str, ...] = ()
        with suppress(LossctlError):
            reader = BlockReader(self.tables, ByPosition(self.tables), self.selection, job.rule, "drop")
            first = look_ahead(reader.feeds(1))
            losses = () if first is None else tuple(question.label for question in job.questions(first))
        return job.task, losses

    # problems: what keeps eval from working, beside its own error ----------------------------------------------------

    def _problems(
        self, error: Exception, rule: TargetRule | None, pairing: Pairing | None, agreements: Sequence[Agreement]
    ) -> list[str]:
        """Return what `eval` would come upon after its error."""
        texts: list[str] = []
        for slot, name, kind in self._columns_read(rule):
            column = self.column(slot, name)
            if column is not None:
                texts += self._column_problems(self.tables[slot.table], column, self._profile(slot, name), kind)
        if pairing is not None:
            texts += self._key_problems(pairing)
        texts += [
            f"{self._where(agreement.first, agreement.first_row)}: the target is another one in {agreement.second} "
            f"({agreement.differ} such rows); if rows belong together by a key, add --id COLUMN"
            for agreement in agreements
            if agreement.first_row is not None
        ]
        texts += [table.fault for table in self.surveys if table.fault is not None]
        return [text for text in texts if _without_row(text) != _without_row(str(error))]

    def _columns_read(self, rule: TargetRule | None) -> dict[tuple[Slot, str, Kind], None]:
        """Return the columns that are read, each with how."""
        columns: dict[tuple[Slot, str, Kind], None] = {}
        for role, slot in self.slots.items():
            for name in slot.columns:
                kind = Kind.NUMBER
                if role == TARGET:
                    column = self.column(slot, name)
                    text = column is not None and column.kind == "text"
                    kind = rule.kind if rule is not None else Kind.TEXT if text else Kind.NUMBER
                elif rule is not None and rule.kind_of(*role) is Kind.TEXT:
                    kind = Kind.TEXT
                columns[slot, name, kind] = None
        return columns

    def _profile(self, slot: Slot, name: str) -> ColumnProfile:
        return self.profiles[slot.table].columns[name]

    def _column_problems(self, table: Table, column: ColumnSurvey, profile: ColumnProfile, kind: Kind) -> Iterator[str]:
        name = printable(column.name)
        number = kind is Kind.NUMBER
        if number and profile.fault is not None:
            yield f"{table.label}: column {name!r} {profile.fault}"
        elif number and column.odd is not None:
            need = "true or false, as the rows before it" if column.kind == "boolean" else "a number"
            cells = f" ({column.odd.count} such cells)" if (column.odd.count or 0) > 1 else ""
            yield f"{table.where(column.odd.row - 1)}, column {name!r}: {column.odd.text!r} is not {need}{cells}"
        if self.options["missing"] == "error":
            holes = [("null", column.null + column.empty, profile.first_null)]
            for hole, count, first in [*holes, *([("nan", column.nan, profile.first_nan)] if number else [])]:
                if count:
                    yield missing_value(table.where(first), column.name, hole, count)

    def _key_problems(self, pairing: Pairing) -> Iterator[str]:
        column, is_error = column_words(self.key), self.options["id_missing"] == "error"
        for keys in pairing.keys:
            if keys.first_missing is not None and is_error:
                yield f"{self._where(keys.input, keys.first_missing)}, {column}: {EMPTY_KEY}"
            if keys.repeated:
                yield repeated_fault(keys.input, self.key, keys.repeated, keys.repeated_examples)
        for pair in pairing.unpaired if is_error else ():
            if pair.only_first or pair.only_second:
                missing = pair.only_first, pair.only_first_examples
                extra = pair.only_second, pair.only_second_examples
                yield unpaired_fault(pair.first, pair.second, self.key, missing, extra)

    def _where(self, label: str, row: int) -> str:
        """Say where a row (from 1) of the table of that label stands."""
        return next(table for table in self.tables if table.label == label).where(row - 1)

    # warnings: what works, but may not be meant ----------------------------------------------------------------------

    def _warnings(self, rule: TargetRule | None, slices: Sequence[SliceSurvey]) -> Iterator[str]:
        yield from self._constant()
        yield from self._equal_columns()
        yield from self._odd_labels(rule)
        for slicing in slices:
            largest = slicing.largest[1] if slicing.largest is not None else 0
            if slicing.slices is None or (slicing.slices > 1 and largest == 1):
                yield f"--by {','.join(map(printable, slicing.columns))}: nearly every row is a slice of its own"

    def _constant(self) -> Iterator[str]:
        """Look for targets and predictions that are one value, and predictions that are a key."""
        for (model, role), slot in self.slots.items():
            columns = [column for name in slot.columns if (column := self.column(slot, name)) is not None]
            if not columns or role not in ("target", "pred"):
                continue
            if all(column.constant for column in columns):
                values = ", ".join(printable(column.frequent[0][0]) for column in columns[:3])
                subject = (
                    f"{self.surveys[slot.table].label}: the target" if model is None else f"{model}: the prediction"
                )
                yield f"{subject} is the same in every row: {values}{', ...' if len(columns) > 3 else ''}"
            elif role == "pred" and len(columns) == 1 and key_like(columns[0]):
                name = printable(columns[0].name)
                yield f"{model}: the prediction {name!r} ascends by whole numbers from row to row, as a key does"

    def _equal_columns(self) -> Iterator[str]:
        """Compare predictions with the target and with each other, where their rows stand in one order."""
        preds = [role for role in self.slots if role[1] == "pred"]
        targets = [TARGET] if TARGET in self.slots else []
        for first, second in [*((target, pred) for target in targets for pred in preds), *combinations(preds, 2)]:
            places = [self.slots[role].table for role in (first, second)]
            tables = [self.profiles[place] for place in places]
            profile, second_profile = tables[0].roles.get(first), tables[1].roles.get(second)
            if profile is None or second_profile is None or not profile.rows:
                continue
            if self.key and places[0] != places[1]:
                continue
            if profile.fingerprint == second_profile.fingerprint and tables[0].rows == tables[1].rows:
                if first == TARGET:
                    yield f"{second[0]}: the prediction equals the target in every row; it may be a copy of it"
                else:
                    yield f"{first[0]} and {second[0]}: their predictions are the same in every row"

    def _odd_labels(self, rule: TargetRule | None) -> Iterator[str]:
        """Look at columns that are read as labels for such as stand for nothing, or differ by their spelling alone."""
        slots = [slot for slots in self.by.values() for slot in slots]
        if TARGET in self.slots and (rule is None or rule.kind is Kind.TEXT):
            slots.append(self.slots[TARGET])
        for slot in slots:
            column = self.column(slot, slot.columns[0])
            if column is None or column.kind != "text":
                continue
            counts = self._profile(slot, column.name).values.by_label
            where = f"{self.surveys[slot.table].label}: column {printable(column.name)!r}"
            for word in sorted(set(NULLS) & set(counts)):
                rows = f"{counts[word]} row{'' if counts[word] == 1 else 's'}"
                yield f"{where} holds {word!r} in {rows}: that is a label here, not a missing value"
            spellings: dict[str, list[str]] = {}
            for word in counts:
                spellings.setdefault(" ".join(word.split()).casefold(), []).append(word)
            for words in spellings.values():
                if len(words) > 1:
                    labels = " and ".join(repr(printable(word)) for word in sorted(words)[:3])
                    yield f"{where}: the labels {labels} differ by case or blanks alone"


def column_survey(name: str, kind: ColumnKind, column: ColumnProfile, roles: tuple[str, ...]) -> ColumnSurvey:
    """Return what a report says of a column."""
    numbers = column.numbers
    finite = numbers if numbers is not None and numbers.count else None
    first = min(column.first_null, column.first_nan)
    numeric = kind in ("number", "boolean") or any(role == "weight" or ":" in role for role in roles)
    counts = None if kind == "other" else column.values.counts
    return ColumnSurvey(
        name=name,
        kind=kind,
        width=column.width,
        rows=column.rows,
        null=column.null,
        empty=column.empty,
        nan=column.nan,
        first_missing=None if first == NEVER else first + 1,
        plus_infinite=numbers.plus if numbers else 0,
        minus_infinite=numbers.minus if numbers else 0,
        minimum=finite.low if finite else None,
        maximum=finite.high if finite else None,
        mean=finite.mean if finite else None,
        zeros=numbers.zeros if numbers else None,
        whole=finite.whole_numbers if finite else None,
        ascending=finite.ascending and column.missing == 0 if finite else None,
        distinct=None if counts is None else len(counts),
        frequent=column.values.frequent,
        odd=column.odd if numeric else None,
        fault=column.fault if numeric else None,
        roles=roles,
    )


def key_like(column: ColumnSurvey) -> bool:
    """Whether a column holds whole numbers that ascend from row to row."""
    return bool(column.whole and column.ascending and column.values > 2)


def _without_row(problem: str) -> str:
    """Return a problem without the row that was come upon first, and without how many there are."""
    place, row, text = problem.partition(": row ")
    text = f"{place}: {text.lstrip('0123456789')}" if row else problem
    return text.partition("; ")[0].partition(" (")[0]
