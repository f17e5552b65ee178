"""Pairing, surveyed: what keeps the rows of several tables from being paired, and whether paired rows agree.

Keys are parted by their hashes as for a join, on disk if there are many, so that memory does not grow with the tables.
Two of n different texts have one hash of 64 bits with a probability of about n²/2^65; a join refuses them as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lossctl.core.block import Defect
from lossctl.core.breach import Breach
from lossctl.core.fingerprint import Hashes
from lossctl.io.blocks import BlockReader, TargetRule
from lossctl.io.by_key import BUCKETS, RUN_ROWS, Spill, words_of
from lossctl.io.by_position import ByPosition, RowSource
from lossctl.io.select import Selection
from lossctl.io.table import Keys as KeyColumn
from lossctl.io.table import Kind, Table
from lossctl.results.survey import Agreement, Keys, Unpaired

KEPT: Final = 1000  # hashes of each kind that are kept, to show the first few keys in the order of their rows


@dataclass
class _Found:
    """Keys of one kind: how many, and the hashes of some."""

    count: int = 0
    some: list[int] = field(default_factory=list)

    def add(self, hashes: Hashes) -> None:
        """Take some more."""
        self.count += len(hashes)
        self.some += hashes[: KEPT - len(self.some)].tolist()

    def examples(self, table: Table, key: str) -> tuple[str, ...]:
        """Read a few of the keys."""
        return tuple(words_of(table, key, np.array(self.some, dtype=np.uint64))) if self.some else ()


class _Parted:
    """The keys of one table, parted by their hashes, and how many rows have none."""

    def __init__(self, table: Table, key: str) -> None:
        self.table = table
        self.spill = Spill()
        self.rows = self.missing = 0
        self.first_missing: int | None = None
        self.repeated = _Found()
        self.spill.fill((hashes[np.newaxis], None) for hashes in self._hashes(key))

    def _hashes(self, key: str) -> Iterator[Hashes]:
        for taken in ByPosition([self.table]).feeds([(0, {key: Kind.KEY})], 1)[0]:
            rows = taken.make()
            if rows.rows:
                keys = rows.pieces[0][1].column(key, KeyColumn)
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
        keys, counts = np.unique(self.spill.read(first, stop)[0][0], return_counts=True)
        self.repeated.add(keys[counts > 1])
        return keys


def survey_keys(tables: Sequence[Table], key: str) -> tuple[list[Keys], list[Unpaired]]:
    """Count missing, repeated and unpaired keys; raise DataError where a key column cannot be read."""
    parted = [_Parted(table, key) for table in tables]
    lost = [_Found() for _ in tables]
    extra = [_Found() for _ in tables]
    step = 1 if max(keys.rows for keys in parted) > RUN_ROWS else BUCKETS
    for first in range(0, BUCKETS, step):
        ours, *others = (keys.distinct(first, first + step) for keys in parted)
        for place, theirs in enumerate(others, 1):
            lost[place].add(np.setdiff1d(ours, theirs, assume_unique=True))
            extra[place].add(np.setdiff1d(theirs, ours, assume_unique=True))
    found = [
        Keys(
            table.label,
            keys.rows,
            keys.missing,
            keys.first_missing,
            keys.repeated.count,
            keys.repeated.examples(table, key),
        )
        for table, keys in zip(tables, parted, strict=True)
    ]
    unpaired = [
        Unpaired(
            tables[0].label,
            tables[place].label,
            lost[place].count,
            lost[place].examples(tables[0], key),
            extra[place].count,
            extra[place].examples(tables[place], key),
        )
        for place in range(1, len(tables))
    ]
    return found, unpaired


def agreements(tables: Sequence[Table], rows: RowSource, chosen: Selection, rule: TargetRule) -> list[Agreement]:
    """Compare the target where several tables hold it; raise DataError where rows cannot be paired at all."""
    if chosen.target is None:
        return []
    columns, place = chosen.target.columns, chosen.target.table
    others = [i for i, table in enumerate(tables) if i != place and set(columns) <= set(table.names)]
    if not others:
        return []
    reader = BlockReader(tables, rows, Selection([], {}, target=chosen.target), rule)
    differ = {i: Breach() for i in others}
    read, stopped = 0, None
    for feed in reader.feeds(1):
        for pending in feed:
            block = pending.make()
            read += block.read
            stopped = stopped or block.stopped
            for i in others:
                differ[i] = differ[i].merge(block.faults.get(Defect(i, "", "differs"), Breach()))
    return [
        Agreement(
            tables[place].label,
            tables[i].label,
            columns,
            read,
            found.count,
            reader.row_of(place, found.row) + 1 if found.count else None,
            None if stopped is None else str(stopped),
        )
        for i, found in differ.items()
    ]


def keys_alike(tables: Sequence[Table], names: Sequence[str]) -> tuple[str, ...]:
    """Return those names of keys that every table has as a column."""
    return tuple(name for name in names if all(name in table.names for table in tables))
