"""Survey of one table: one pass over all its columns, piece by piece in threads, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np

from lossctl.core.block import Pending
from lossctl.core.domain import Domain
from lossctl.core.labels import label
from lossctl.errors import DataError
from lossctl.io.table import Kind, Piece, Shape, Table, Texts
from lossctl.profile.cells import Measured, labels, summary
from lossctl.profile.columns import ColumnState, RoleState
from lossctl.results.survey import MOST_SLICES

WIDEST: Final = 64  # columns that are read together where each can be read alone
AHEAD: Final = 2  # pieces per thread that are read before they are needed
Watch = Callable[[str], AbstractContextManager[object]]
Task = TypeVar("Task")
Done = TypeVar("Done")


@dataclass(frozen=True)
class Asked:
    """The columns of a role, and the domains that their rows are to be held against."""

    columns: tuple[str, ...]
    domains: tuple[Domain, ...]


@dataclass
class Slices:
    """Rows by the values of a slicing; None once there are more of them than are counted."""

    counts: dict[tuple[str, ...], int] | None = field(default_factory=dict)
    missing: int = 0

    def add(self, counts: Mapping[tuple[str, ...], int], missing: int) -> None:
        """Take the slices of some more rows."""
        self.missing += missing
        if self.counts is None:
            return
        for words, count in counts.items():
            self.counts[words] = self.counts.get(words, 0) + count
        if len(self.counts) > MOST_SLICES:
            self.counts = None


@dataclass
class TableSummary:
    """What one pass has found. A role is None where its columns hold no numbers; `fault` ended the pass."""

    rows: int = 0
    columns: dict[str, ColumnState] = field(default_factory=dict)
    roles: dict[str, RoleState | None] = field(default_factory=dict)
    slices: dict[str, Slices] = field(default_factory=dict)
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    fault: DataError | None = None


@dataclass(frozen=True)
class _PieceSummary:
    rows: int
    columns: Mapping[str, ColumnState]
    roles: Mapping[str, RoleState | None]
    slices: Mapping[str, tuple[Mapping[tuple[str, ...], int], int] | None]
    stopped: DataError | None


class Surveyor:
    """Surveys one table.

    Parameters
    ----------
    table
        The table.
    roles
        Roles by any names, of columns of this table.
    by
        Slicings by their names, as columns of this table.
    """

    def __init__(
        self, table: Table, roles: Mapping[str, Asked] | None = None, by: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.table = table
        self.roles = roles or {}
        self.by = by or {}
        self._shapes: dict[str, Shape] = {}
        self._watch: Watch = nullcontext

    def run(
        self, threads: int = 1, progress: Callable[[int], None] | None = None, watch: Watch = nullcontext
    ) -> TableSummary:
        """Read the table from its first row to its last, or to the first that cannot be read.

        `progress` takes the rows of each piece, `watch` the name of what is being done: read, decode or compute.
        """
        self._watch = watch
        found = TableSummary(slices={name: Slices() for name in self.by}, shapes=self._shapes)
        try:
            self._shapes.update({name: self._shape(name) for name in self.table.names})
            groups = self._groups()
        except DataError as error:
            found.fault = error
            return found
        for group in groups:
            self._read(found, group, threads, progress if group is groups[0] else None)
        found.columns = {name: found.columns.get(name, ColumnState(0)) for name in self._shapes}
        return found

    def _groups(self) -> list[list[str]]:
        """Part the columns into those that are read together; a text file is read once, whatever is asked of it."""
        names = list(self._shapes)
        if self.table.cuts is None:
            return [names]
        asked = {name for role in self.roles.values() for name in role.columns}
        asked.update(*self.by.values())
        others = [name for name in names if name not in asked]
        parts = [others[first : first + WIDEST] for first in range(0, len(others), WIDEST)]
        return [part for part in ([name for name in names if name in asked], *parts) if part]

    def _read(
        self, found: TableSummary, names: Sequence[str], threads: int, progress: Callable[[int], None] | None
    ) -> None:
        rows = 0
        try:
            for piece in in_order(self._pieces(names), self._summarised, threads):
                self._take(found, piece)
                rows += piece.rows
                if progress is not None:
                    progress(piece.rows)
                if piece.stopped is not None:
                    raise piece.stopped
        except DataError as error:
            found.fault = found.fault or error
        found.rows = max(found.rows, rows)

    def _shape(self, name: str) -> Shape:
        try:
            return self.table.shape(name)
        except DataError:  # lists whose first one cannot be read as numbers: the column's fault says why
            return Shape("number")

    def _pieces(self, names: Sequence[str]) -> Iterator[tuple[int, Pending[Piece]]]:
        row = 0
        pieces = self.table.read(dict.fromkeys(names, Kind.CELL)) if names else iter(())
        while True:
            with self._watch("read"):
                piece = next(pieces, None)
            if piece is None:
                return
            yield row, piece
            row += piece.rows

    def _summarised(self, task: tuple[int, Pending[Piece]]) -> _PieceSummary:
        start, pending = task
        with self._watch("decode"):
            piece = pending.make()
        with self._watch("compute"):
            return self._of_piece(piece, start)

    def _of_piece(self, piece: Piece, start: int) -> _PieceSummary:
        if not piece.rows:
            return _PieceSummary(0, {}, {}, {}, piece.stopped)
        columns: dict[str, ColumnState] = {}
        numbers: dict[str, Measured | None] = {}
        for name, column in piece.columns.items():
            columns[name], numbers[name] = summary(column, self._shapes[name], start)
        roles = {
            role: _judged(asked, numbers, start)
            for role, asked in self.roles.items()
            if set(asked.columns) <= piece.columns.keys()
        }
        slices = {
            name: _sliced([labels(piece[column], self._shapes[column]) for column in by])
            for name, by in self.by.items()
            if set(by) <= piece.columns.keys()
        }
        return _PieceSummary(piece.rows, columns, roles, slices, piece.stopped)

    def _take(self, found: TableSummary, piece: _PieceSummary) -> None:
        for name, column in piece.columns.items():
            found.columns[name] = found.columns[name].merge(column) if name in found.columns else column
        for role, state in piece.roles.items():
            before = found.roles.get(role, state)
            first = role not in found.roles
            found.roles[role] = state if first else before.merge(state) if before and state else None
        for name, counted in piece.slices.items():
            if counted is None:
                found.slices.pop(name, None)
            elif name in found.slices:
                found.slices[name].add(*counted)


def in_order(tasks: Iterable[Task], work: Callable[[Task], Done], threads: int) -> Iterator[Done]:
    """Do tasks in threads, and give what came of them in the order of the tasks; few are ahead of the others."""
    if threads == 1:
        yield from map(work, tasks)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="lossctl-survey") as pool:
        waiting: deque[Future[Done]] = deque()
        stopped: DataError | None = None
        try:
            for task in tasks:
                waiting.append(pool.submit(work, task))
                if len(waiting) > AHEAD * threads:
                    yield waiting.popleft().result()
        except DataError as error:  # what was read before it comes first
            stopped = error
        while waiting:
            yield waiting.popleft().result()
        if stopped is not None:
            raise stopped


def _judged(asked: Asked, numbers: Mapping[str, Measured | None], start: int) -> RoleState | None:
    found = [measured for name in asked.columns if (measured := numbers.get(name)) is not None]
    if len(found) < len(asked.columns):
        return None
    values = found[0].values if len(found) == 1 else np.concatenate([measured.values for measured in found])
    complete = np.logical_and.reduce([measured.complete for measured in found])
    return RoleState.of(values, complete, start, asked.domains)


def _sliced(columns: Sequence[Texts | None]) -> tuple[dict[tuple[str, ...], int], int] | None:
    """Count the rows of each combination of values; None where a column has no labels."""
    texts = [column for column in columns if column is not None]
    if len(texts) < len(columns):
        return None
    words = [tuple(map(label, column.words)) for column in texts]
    codes = np.stack([column.codes for column in texts])
    complete = (codes >= 0).all(axis=0)
    if len(texts) == 1:
        present = np.bincount(codes[0][complete], minlength=len(words[0]))
        rows = [(code,) for code in np.flatnonzero(present).tolist()]
        counts = present[present > 0]
    else:
        distinct, counts = np.unique(codes[:, complete], axis=1, return_counts=True)
        rows = list(map(tuple, distinct.T.tolist()))
    found: dict[tuple[str, ...], int] = {}
    for row, count in zip(rows, counts.tolist(), strict=True):
        named = tuple(known[code] for known, code in zip(words, row, strict=True))
        found[named] = found.get(named, 0) + count
    return found, int(np.count_nonzero(~complete))
