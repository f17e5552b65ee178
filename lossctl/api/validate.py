"""`validate`: what the inputs hold, and whether `evaluate` would work on them. The command line calls it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Unpack

from lossctl import __version__
from lossctl.api.arguments import fitting
from lossctl.api.inputs import Opened, open_inputs
from lossctl.api.job import Job
from lossctl.api.query import InputOptions, Query, only_known, silent
from lossctl.api.remarks import key_like, problems, warnings
from lossctl.api.report import Report
from lossctl.api.session import KEY_NAMES, answer, look_ahead
from lossctl.api.surveyed import Roles, slice_surveys, table_survey
from lossctl.core import survey as core
from lossctl.core.form import checked_task
from lossctl.core.report import Task
from lossctl.core.survey import Agreement, Pairing, TableSurvey
from lossctl.errors import DataError, LossctlError
from lossctl.io.blocks import BlockReader, RowSource
from lossctl.io.column import Table
from lossctl.io.columns import Selection
from lossctl.io.instep import InStep
from lossctl.io.machine import usable_cores
from lossctl.io.survey import Surveyor

NOTHING: Final = Opened([], [], [])


class Survey(core.Survey):
    """The result of `validate`: `works`, `problems`, `warnings`, what was found, and a way out."""

    def to_json(self) -> str:
        """Return the JSON document that `lossctl validate -f json` prints."""
        from lossctl.output.dataset import to_json

        return to_json(self)


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
            reader = BlockReader(self.tables, InStep(self.tables), self.chosen, job.rule, "drop")
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
        from lossctl.io.pairing import survey_keys

        try:
            keys, unpaired = survey_keys(self.tables, key)
        except DataError as error:
            return Pairing(key, fault=str(error))
        return Pairing(key, tuple(keys), tuple(unpaired))

    def _agreements(self, job: Job | None, pairing: Pairing | None) -> tuple[Agreement, ...]:
        if job is None or self.chosen is None or pairing is None or not pairing.possible:
            return ()
        from lossctl.io.pairing import agreements

        try:
            return tuple(agreements(self.tables, self._rows(), self.chosen, job.rule))
        except DataError:  # eval says why rows cannot be paired, and the keys are surveyed
            return ()

    def _rows(self) -> RowSource:
        if self.query.id is None:
            return InStep(self.tables)
        from lossctl.io.join import Joined

        return Joined(self.tables, self.query.id, self.threads)


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
