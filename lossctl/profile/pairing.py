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
from lossctl.io.by_key import HELD_BYTES, KeyedRows, Spill, compared_keys
from lossctl.io.by_position import ByPosition
from lossctl.io.select import Selection
from lossctl.io.table import Kind, Table
from lossctl.results.survey import Agreement, Keys, Unpaired

KEPT: Final = 1000  # hashes of each kind that are kept, to show the first few keys in the order of their rows


class TableKeys:
    """The keys of one table in buckets by their hashes, and how many rows have none."""

    def __init__(self, table: Table, key: Sequence[str], most: int) -> None:
        self.table = table
        self.spill = Spill(most)
        self.rows = self.missing = 0
        self.first_missing: int | None = None
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


def survey_keys(tables: Sequence[Table], key: Sequence[str]) -> tuple[list[Keys], list[Unpaired]]:
    """Count missing, repeated and unpaired keys; raise DataError where a key column cannot be read."""
    columns = [TableKeys(table, key, HELD_BYTES // len(tables)) for table in tables]
    repeated, unpaired = compared_keys([column.spill for column in columns], KEPT)
    keys = [
        Keys(column.table.label, column.rows, column.missing, column.first_missing, *again.shown(column.table, key))
        for column, again in zip(columns, repeated, strict=True)
    ]
    first = tables[0]
    pairs = [
        Unpaired(first.label, table.label, *missing.shown(first, key), *extra.shown(table, key))
        for table, (missing, extra) in zip(tables[1:], unpaired, strict=True)
    ]
    return keys, pairs


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
