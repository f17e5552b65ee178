"""Pairing: what keeps the rows of several tables from being paired by a key, and whether paired rows agree.

Keys are parted by their hashes as for a join, on disk if there are many, so that memory does not grow with the tables.
Two of n different texts have one hash of 64 bits with a probability of about n²/2^65; a join refuses them as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from lossctl.core.block import Breach, Defect, Hashes
from lossctl.io.blocks import BlockReader, TargetRule, targets_beside
from lossctl.io.by_key import BUCKETS, HELD_BYTES, RUN_ROWS, KeyedRows, Spill, words_of
from lossctl.io.by_position import ByPosition
from lossctl.io.select import Selection
from lossctl.io.table import Kind, Table
from lossctl.results.survey import Agreement, Keys, Unpaired

KEPT: Final = 1000  # hashes of each kind that are kept, to show the first few keys in the order of their rows


class KeyCount:
    """A count of keys of one kind, and the hashes of the first ones."""

    def __init__(self) -> None:
        self.count = 0
        self.hashes: list[int] = []

    def add(self, hashes: Hashes) -> None:
        """Add keys."""
        self.count += len(hashes)
        self.hashes += hashes[: KEPT - len(self.hashes)].tolist()

    def examples(self, table: Table, key: Sequence[str]) -> tuple[str, ...]:
        """Read a few of the keys."""
        return tuple(words_of(table, key, np.array(self.hashes, dtype=np.uint64))) if self.hashes else ()


class TableKeys:
    """The keys of one table in buckets by their hashes, and how many rows have none."""

    def __init__(self, table: Table, key: Sequence[str], most: int) -> None:
        self.table = table
        self.spill = Spill(most)
        self.rows = self.missing = 0
        self.first_missing: int | None = None
        self.repeated = KeyCount()
        self.spill.fill(KeyedRows(hashes[np.newaxis]) for hashes in self._hashes(key))

    def _hashes(self, key: Sequence[str]) -> Iterator[Hashes]:
        for pending in ByPosition([self.table]).feeds([(0, dict.fromkeys(key, Kind.KEY))], 1)[0]:
            rows = pending.make()
            if rows.rows:
                keys = rows.pieces[0][1].keys(key)
                if keys.null is not None:
                    self.missing += int(np.count_nonzero(keys.null))
                    if self.first_missing is None:
                        self.first_missing = self.rows + int(np.argmax(keys.null)) + 1
                yield keys.hashes if keys.null is None else keys.hashes[~keys.null]
                self.rows += rows.rows
            if rows.stopped is not None:
                raise rows.stopped

    def distinct(self, first: int, stop: int) -> Hashes:
        """Return the different keys of some buckets, in order, and count those that stand more than once."""
        keys, counts = np.unique(self.spill.read(first, stop).words[0], return_counts=True)
        self.repeated.add(keys[counts > 1])
        return keys


def survey_keys(tables: Sequence[Table], key: Sequence[str]) -> tuple[list[Keys], list[Unpaired]]:
    """Count missing, repeated and unpaired keys; raise DataError where a key column cannot be read."""
    columns = [TableKeys(table, key, HELD_BYTES // len(tables)) for table in tables]
    pairs = [(table, KeyCount(), KeyCount()) for table in tables[1:]]  # keys of the first table alone, and of this one
    step = 1 if max(column.rows for column in columns) > RUN_ROWS else BUCKETS
    for start in range(0, BUCKETS, step):
        first, *following = (column.distinct(start, start + step) for column in columns)
        for (_, only_first, only_second), second in zip(pairs, following, strict=True):
            only_first.add(np.setdiff1d(first, second, assume_unique=True))
            only_second.add(np.setdiff1d(second, first, assume_unique=True))
    keys = [
        Keys(
            input=column.table.label,
            rows=column.rows,
            missing=column.missing,
            first_missing=column.first_missing,
            repeated=column.repeated.count,
            repeated_examples=column.repeated.examples(column.table, key),
        )
        for column in columns
    ]
    unpaired = [
        Unpaired(
            first=tables[0].label,
            second=table.label,
            only_first=only_first.count,
            only_first_examples=only_first.examples(tables[0], key),
            only_second=only_second.count,
            only_second_examples=only_second.examples(table, key),
        )
        for table, only_first, only_second in pairs
    ]
    return keys, unpaired


def agreements(tables: Sequence[Table], rows: ByPosition, selection: Selection, rule: TargetRule) -> list[Agreement]:
    """Compare the target where several tables hold it; raise DataError where rows cannot be paired at all."""
    if selection.target is None:
        return []
    columns, place = selection.target.columns, selection.target.table
    differ = dict.fromkeys(targets_beside(tables, selection), Breach())
    if not differ:
        return []
    reader = BlockReader(tables, rows, Selection([], {}, target=selection.target), rule)
    read, stopped = 0, None
    for feed in reader.feeds(1):
        for pending in feed:
            block = pending.make()
            read += block.read
            stopped = stopped or block.stopped
            for i, breach in differ.items():
                differ[i] = breach.merge(block.faults.get(Defect(i, "", "differs"), Breach()))
    return [
        Agreement(
            first=tables[place].label,
            second=tables[i].label,
            columns=columns,
            rows=read,
            differ=breach.rows,
            first_row=reader.rows.row_of(place, breach.row) + 1 if breach.rows else None,
            fault=None if stopped is None else str(stopped),
        )
        for i, breach in differ.items()
    ]
