"""Scan of one table: one pass over all its columns, piece by piece in threads, with bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from lossctl.core.batch import BLOCK
from lossctl.core.block import Pending, ready
from lossctl.core.domain import Domain, label
from lossctl.core.state import merged, merged_fields
from lossctl.engine.run import Progress, Watch, in_order, reading
from lossctl.errors import DataError
from lossctl.io.table import Kind, Piece, Shape, Table, Texts
from lossctl.profile.columns import ColumnProfile, NumberRows, column_labels, profile_columns
from lossctl.profile.roles import RoleProfile
from lossctl.results.survey import MOST_SLICES

WIDEST: Final = 64  # columns of a BLOCK of rows that are read together where each can be read alone
AHEAD: Final = 2  # pieces per thread that are read before they are needed
Role = tuple[str | None, str]  # a model, None where all share the columns, and the role


@dataclass(frozen=True)
class RoleColumns:
    """The columns of a role, and the domains that their rows are held against."""

    columns: tuple[str, ...]
    domains: tuple[Domain, ...]


@dataclass(frozen=True)
class SliceCounts:
    """Rows by the values of a slicing; None once there are more of them than are counted."""

    counts: Mapping[tuple[str, ...], int] | None = field(default_factory=dict)
    missing: int = 0

    def merge(self, other: SliceCounts) -> SliceCounts:
        counts = merged(self.counts, other.counts)
        is_few = counts is not None and len(counts) <= MOST_SLICES
        return SliceCounts(counts if is_few else None, self.missing + other.missing)


@dataclass(frozen=True)
class TableProfile:
    """Some rows of a table. A role is None where its columns hold no numbers, a slicing where they hold no labels.

    shapes: what the table says of its columns. fault: what ended the scan.
    """

    rows: int = 0
    columns: Mapping[str, ColumnProfile] = field(default_factory=dict)
    roles: Mapping[Role, RoleProfile | None] = field(default_factory=dict)
    slices: Mapping[str, SliceCounts | None] = field(default_factory=dict)
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    fault: DataError | None = None

    def merge(self, other: TableProfile) -> TableProfile:
        """Add the next rows of the same columns."""
        return merged_fields(self, other, shapes=self.shapes, fault=self.fault or other.fault)

    def beside(self, other: TableProfile) -> TableProfile:
        """Add further columns of the same rows."""
        return replace(self.merge(other), rows=max(self.rows, other.rows))


class TableScan:
    """A pass over one table.

    Parameters
    ----------
    table
        The table.
    roles
        Roles whose columns this table has.
    by
        Slicings by their names, whose columns it has.
    watch
        Takes the name of what is being done: read, decode or compute.
    """

    def __init__(
        self,
        table: Table,
        roles: Mapping[Role, RoleColumns] | None = None,
        by: Mapping[str, Sequence[str]] | None = None,
        watch: Watch = nullcontext,
    ) -> None:
        self.table, self.roles, self.by, self.watch = table, roles or {}, by or {}, watch
        self._shapes: dict[str, Shape] = {}

    def run(self, threads: int = 1, progress: Progress | None = None) -> TableProfile:
        """Read the table from its first row to its last, or to the first that cannot be read.

        `progress` takes the rows of each piece.
        """
        profile = TableProfile(slices={name: SliceCounts() for name in self.by}, shapes=self._shapes)
        try:
            counts = Counter(self.table.names)
            self._shapes.update({name: self._shape(name) for name, count in counts.items() if count == 1})
            groups = self._groups()
        except DataError as error:
            return replace(profile, fault=error)
        for group in groups:
            profile = profile.beside(self._scan(group, threads, progress if group is groups[0] else None))
        return replace(profile, columns={name: profile.columns.get(name, ColumnProfile(0)) for name in self._shapes})

    def _shape(self, name: str) -> Shape:
        try:
            return self.table.shape(name)
        except DataError:  # lists whose first one cannot be read as numbers: the column's fault says why
            return Shape("number")

    def _groups(self) -> list[list[str]]:
        """Part the columns into those that are read together; a text file is read once, for all of them."""
        names = list(self._shapes)
        if not self.table.columnar:
            return [names]
        role_names = {name for role in self.roles.values() for name in role.columns}.union(*self.by.values())
        unused = [name for name in names if name not in role_names]
        width = WIDEST * max(1, BLOCK // max(1, self.table.rows or BLOCK))
        parts = [unused[first : first + width] for first in range(0, len(unused), width)]
        return [part for part in ([name for name in names if name in role_names], *parts) if part]

    def _scan(self, names: Sequence[str], threads: int, progress: Progress | None) -> TableProfile:
        """Read some columns."""
        profile = TableProfile()
        try:
            for piece in in_order(self._pieces(names), self._profile, threads, AHEAD * threads):
                profile = profile.merge(piece)
                if progress is not None:
                    progress(piece.rows)
                if piece.fault is not None:
                    break
        except DataError as error:
            profile = replace(profile, fault=error)
        return profile

    def _pieces(self, names: Sequence[str]) -> Iterator[tuple[int, Pending[Piece]]]:
        row = 0
        for piece in reading(self.table.read(dict.fromkeys(names, Kind.CELL)) if names else iter(()), self.watch):
            for part in _shortened(piece):
                yield row, part
                row += part.rows

    def _profile(self, task: tuple[int, Pending[Piece]]) -> TableProfile:
        """Profile one piece of the table, from a row on."""
        start, pending = task
        with self.watch("decode"):
            piece = pending.make()
        if not piece.rows:
            return TableProfile(fault=piece.stopped)
        with self.watch("compute"):
            profiles = profile_columns(piece.columns, self._shapes, start)
            columns = {name: column for name, (column, _) in profiles.items()}
            numbers = {name: values for name, (_, values) in profiles.items()}
            roles = {
                role: _profile_role(part.domains, [numbers[name] for name in part.columns], start)
                for role, part in self.roles.items()
                if set(part.columns) <= piece.columns.keys()
            }
            slices = {
                name: _count_slices([column_labels(piece[column], self._shapes[column]) for column in by])
                for name, by in self.by.items()
                if set(by) <= piece.columns.keys()
            }
        return TableProfile(piece.rows, columns, roles, slices, fault=piece.stopped)


def _shortened(piece: Pending[Piece]) -> list[Pending[Piece]]:
    """Cut a piece that is longer than a BLOCK, so that sums are the same in every container; such pieces are made."""
    if piece.rows <= BLOCK:
        return [piece]
    rows = piece.make()
    return [ready(rows.cut(start, min(start + BLOCK, rows.rows))) for start in range(0, rows.rows, BLOCK)]


def _profile_role(domains: Sequence[Domain], columns: Sequence[NumberRows | None], start: int) -> RoleProfile | None:
    numbers = [column for column in columns if column is not None]
    if len(numbers) < len(columns):
        return None
    values = numbers[0].values if len(numbers) == 1 else np.concatenate([column.values for column in numbers])
    complete = np.logical_and.reduce([column.complete for column in numbers])
    return RoleProfile.fingerprinted(values, complete, start, domains)


def _count_slices(columns: Sequence[Texts | None]) -> SliceCounts | None:
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
    slices: dict[tuple[str, ...], int] = {}
    for row, count in zip(rows, counts.tolist(), strict=True):
        values = tuple(texts[code] for texts, code in zip(words, row, strict=True))
        slices[values] = slices.get(values, 0) + count
    return SliceCounts().merge(SliceCounts(slices, int(np.count_nonzero(~complete))))
