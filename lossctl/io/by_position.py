"""Rows of several tables that belong together by their position: read side by side, cut into parts for threads."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice, pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK, block_rows
from lossctl.core.block import Hashes, Pending, row_hashes
from lossctl.errors import DataError
from lossctl.io.table import Kind, Piece, Table, Texts, decoded, rechunked

WORTH: Final = 4  # a part may begin where at most an eighth of a share is read in vain
Columns = Sequence[tuple[int, Mapping[str, Kind]]]  # the columns to read of a table; a table may come twice
Share = tuple[int, int | None]  # addresses from one on, up to another or the end
EVERYTHING: Final[Share] = (0, None)


class Rows(NamedTuple):
    """The rows of one block: a piece for each entry of `Columns`.

    `keys` are the hashes of the rows' keys, None where rows are told apart by their addresses. `stopped` is what made
    the rows after these unreadable.
    """

    start: int
    rows: int
    pieces: Sequence[tuple[int, Piece]]
    keys: Hashes | None = None
    stopped: DataError | None = None

    def hashes(self) -> Hashes:
        """Return the hashes of the rows' addresses or keys, to be overwritten."""
        return row_hashes(self.start, self.rows) if self.keys is None else self.keys[: self.rows].copy()


class ByPosition:
    """Tables whose rows belong together by their position.

    key: columns that together tell rows apart, too. several_models: whether tables that were meant as parts of one may
    have been read as models, for messages.
    """

    def __init__(self, tables: Sequence[Table], key: Sequence[str] = (), *, several_models: bool = False) -> None:
        self.tables = tables
        self.key = tuple(key)
        more = "; if the files are parts of one table, add --concat" if several_models else ""
        self.advice = f"; if rows belong together by a key, add --id COLUMN{more}"

    def feeds(
        self, columns: Columns, parts: int, *, short: bool = False, share: Share = EVERYTHING
    ) -> list[Iterator[Pending[Rows]]]:
        """Return at most `parts` streams that have all rows of a share between them, in row order.

        short: BLOCK by BLOCK.
        """
        if self.key:
            columns = [*columns, (0, dict.fromkeys(self.key, Kind.KEY))]
        widths = [None if short else self.tables[place].row_width(kinds) for place, kinds in columns]
        size = BLOCK if None in widths else block_rows(sum(filter(None, widths)))
        if share[0] == share[1]:
            return []
        bounds = self._bounds(parts, share) if parts > 1 else [share[0]]
        return [self._feed(columns, size, *pair) for pair in zip(bounds, [*bounds[1:], share[1]], strict=True)]

    def shares(self, columns: Columns, count: int) -> list[Share]:
        """Cut all rows into so many shares at block addresses, the last of which may be empty.

        Of a table whose rows are not known, as of text, they are counted.
        """
        bounds = self._bounds(count, EVERYTHING)
        if any(table.cuts is None for table in self.tables) and count > 1:
            place, kinds = columns[0]
            table = self.tables[place]
            rows = table.rows
            if rows is None:
                rows = sum(pending.rows for pending in table.read(dict([*kinds.items()][:1])))
            bounds = list(dict.fromkeys(rows * k // (count * BLOCK) * BLOCK for k in range(count)))
        return shares_between(bounds, count)

    def _bounds(self, parts: int, share: Share) -> list[int]:
        """Choose where parts begin: near equal shares, at block addresses up to which little must be read in vain."""
        start, stop = share
        counts = {table.rows for table in self.tables}
        cuts = [table.cuts for table in self.tables]
        rows = counts.pop()
        if counts or rows is None or any(cut is None for cut in cuts):
            return [start]
        rows = (rows if stop is None else min(stop, rows)) - start

        def waste(row: int) -> int:
            return sum(row - cut[bisect_right(cut, row) - 1] for cut in cuts if cut)

        bounds, reach = [start], rows // (2 * parts)
        for k in range(1, parts):
            ideal = start + k * rows // parts
            near = range(max(ideal - reach, 1) // BLOCK + 1, (ideal + reach) // BLOCK + 1)
            best = min((block * BLOCK for block in near), key=lambda row: (waste(row), abs(row - ideal)), default=0)
            if bounds[-1] < best < start + rows and waste(best) <= reach * len(cuts) // WORTH:
                bounds.append(best)
        return bounds

    def _feed(self, columns: Columns, size: int, start: int, stop: int | None) -> Iterator[Pending[Rows]]:
        streams = [_Stream(place, self.tables[place], kinds, size, start, stop) for place, kinds in columns]
        while True:
            pieces = [stream.next() for stream in streams]
            counts = [0 if piece is None else piece.rows for piece in pieces]
            rows = min(counts)
            stopped = None
            if rows != max(counts) or not rows:
                short = [stream for stream, count in zip(streams, counts, strict=True) if count == rows]
                stopped = next(filter(None, (stream.ended() for stream in short)), None)
                if stopped is None and rows != max(counts):
                    stopped = self._row_counts(streams, counts, start)
            if rows or stopped is not None:
                side_by_side = [(s.table, p) for s, p in zip(streams, pieces, strict=True) if p is not None and rows]
                yield Pending(rows, partial(_decoded, start, rows, side_by_side, self.key, stopped))
            if stopped is not None or not rows:
                return
            start += rows

    def _row_counts(self, streams: Sequence[_Stream], counts: Sequence[int], start: int) -> DataError:
        """Count every table to its end, and say that they differ."""
        totals: dict[int, int] = {}
        for stream, count in zip(streams, counts, strict=True):
            rows = start + count + stream.count_to_end()
            if totals.setdefault(stream.table, rows) != rows:  # an archive whose arrays are read as texts and numbers
                label = self.tables[stream.table].label
                return DataError(f"{label}: its columns differ in length: {totals[stream.table]} and {rows}")
        unread = next(filter(None, (stream.error for stream in streams)), None)
        if unread is not None:
            return unread
        counts_by_table = ", ".join(f"{self.tables[place].label} has {count}" for place, count in totals.items())
        return DataError(f"row counts differ: {counts_by_table}{self.advice}")

    def unpaired(self) -> Mapping[int, int]:
        """Count the rows of each table (by its place) that were left out, as others lack their keys."""
        return {}

    def absent_keys(self) -> Counter[tuple[int, int]]:
        """Count the keys that one table (by its place) lacks and another has, and as (-1, -1) those not all have."""
        return Counter()

    def row_of(self, table: int, address: int) -> int:
        """Return the row of a table that stands at an address."""
        return address

    def rows_at(self, addresses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of the first table that stand at addresses of one block."""
        return addresses

    def words_at(self, table: int, columns: Sequence[str], addresses: Collection[int]) -> dict[int, dict[str, str]]:
        """Read the words of columns again, in the rows at some addresses; without those that are missing."""
        words: dict[int, dict[str, str]] = {}
        rows = sorted((self.row_of(table, address), address) for address in addresses) if columns else []
        places, start = iter(rows), 0
        row, address = next(places, (-1, -1))
        for piece in decoded(self.tables[table].read(dict.fromkeys(columns, Kind.TEXT))) if rows else ():
            while start <= row < start + piece.rows:
                texts = {name: piece.column(name, Texts).word(row - start) for name in columns}
                words[address] = {name: text for name, text in texts.items() if text}
                row, address = next(places, (-1, -1))
            start += piece.rows
            if row < 0:
                break
        return words


def shares_between(bounds: Sequence[int], count: int) -> list[Share]:
    """Return `count` shares that begin at bounds; where these are fewer, the last shares are empty."""
    return [*pairwise(bounds), (bounds[-1], None)] + [(bounds[-1], bounds[-1])] * (count - len(bounds))


def _decoded(
    start: int,
    rows: int,
    side_by_side: Sequence[tuple[int, Pending[Piece]]],
    key: Sequence[str],
    stopped: DataError | None,
) -> Rows:
    """Decode pieces side by side, as many rows as all of them can give; the last one are keys if there is a `key`."""
    pieces = [(table, pending.make()) for table, pending in side_by_side]
    for _, piece in pieces:
        if piece.stopped is not None and piece.rows < rows:
            rows, stopped = piece.rows, piece.stopped
    keys = pieces.pop()[1].keys(key).hashes if key and pieces else None
    return Rows(start, rows, [(table, piece.cut(0, rows)) for table, piece in pieces], keys, stopped)


class _Stream:
    """Pieces of one table, and the error that has cut them short, if one has."""

    def __init__(
        self, place: int, table: Table, columns: Mapping[str, Kind], size: int, start: int, stop: int | None
    ) -> None:
        self.table = place
        self._pieces: Iterator[Pending[Piece]]
        if table.cuts is None:  # what is before is cut into blocks, but not decoded
            ends = None if stop is None else stop // size
            self._pieces = islice(rechunked(table.read(columns), size), start // size, ends)
        else:
            self._pieces = rechunked(table.read(columns, start, stop), size)
        self.error: DataError | None = None

    def next(self) -> Pending[Piece] | None:
        """Return the next piece, None at the end."""
        try:
            return None if self.error else next(self._pieces, None)
        except DataError as error:
            self.error = error
            return None

    def ended(self) -> DataError | None:
        """Return why the stream has ended early, None if it has not, or has ended as it should."""
        if self.error is None:
            self.next()
        return self.error

    def count_to_end(self) -> int:
        """Count the rows that have not been read."""
        count = 0
        while (piece := self.next()) is not None:
            count += piece.rows
        return count
