"""In step: several tables read side by side, row by row, in pieces at fixed addresses; cut into parts for threads."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK
from lossctl.core.fingerprint import Hashes, row_hashes
from lossctl.errors import DataError
from lossctl.io.table import Kind, Piece, Raw, Table, keys_of, length, part, rechunked

WORTH: Final = 4  # a part may begin where at most an eighth of a share is read in vain
Wanted = Sequence[tuple[int, Mapping[str, Kind]]]  # table, columns; a table may come twice


@dataclass(frozen=True)
class Rows:
    """The rows of one block, a piece of each stream of columns, some of them not decoded yet.

    `hashes` gives the hashes of the rows' addresses or keys. `stopped` is what made the rows after these unreadable.
    """

    start: int
    rows: int
    pieces: Sequence[tuple[int, Piece | Raw]]
    hashes: Callable[[], Hashes]
    stopped: DataError | None = None

    def decoded(self) -> tuple[int, list[tuple[int, Piece]], DataError | None]:
        """Return how many rows all pieces can give, these, and what stopped the one that gave fewest."""
        rows, stopped = self.rows, self.stopped
        found: list[tuple[int, Piece]] = []
        for place, piece in self.pieces:
            if isinstance(piece, Raw):
                made, why = piece.decode()
                if why is not None and length(made) < rows:
                    rows, stopped = length(made), why
                found.append((place, made))
            else:
                found.append((place, piece))
        return rows, [(place, part(piece, 0, rows)) for place, piece in found], stopped


class ByPosition:
    """Tables whose rows belong together by their position; `key` is a column that tells them apart, too."""

    def __init__(self, tables: Sequence[Table], key: str | None = None) -> None:
        self.tables = tables
        self.key = key

    def feeds(self, wanted: Wanted, parts: int) -> list[Iterator[Rows]]:
        """Return at most `parts` streams that have all rows between them, each in row order."""
        if self.key is not None:
            wanted = [*wanted, (0, {self.key: Kind.KEY})]
        bounds = self._bounds(parts) if parts > 1 else [0]
        if len(bounds) == 1:
            return [self._feed(wanted, 0, None)]
        return [self._feed(wanted, *pair) for pair in zip(bounds, [*bounds[1:], None], strict=True)]

    def _bounds(self, parts: int) -> list[int]:
        """Choose where parts begin: near equal shares, at block addresses up to which little must be read in vain."""
        counts = {table.rows for table in self.tables}
        cuts = [table.cuts for table in self.tables]
        rows = counts.pop()
        if counts or rows is None or any(cut is None for cut in cuts):
            return [0]

        def waste(row: int) -> int:
            return sum(row - cut[bisect_right(cut, row) - 1] for cut in cuts if cut)

        bounds, reach = [0], rows // (2 * parts)
        for k in range(1, parts):
            ideal = k * rows // parts
            near = range(max(ideal - reach, 1) // BLOCK + 1, (ideal + reach) // BLOCK + 1)
            best = min((block * BLOCK for block in near), key=lambda row: (waste(row), abs(row - ideal)), default=0)
            if bounds[-1] < best < rows and waste(best) <= reach * len(cuts) // WORTH:
                bounds.append(best)
        return bounds

    def row_of(self, place: int, address: int) -> int:
        """Return the row of a table that stands at an address."""
        return address

    def rows_at(self, addresses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of the first table that stand at addresses of one block."""
        return addresses

    def _feed(self, wanted: Wanted, start: int, stop: int | None) -> Iterator[Rows]:
        def read(place: int, columns: Mapping[str, Kind]) -> Iterator[Piece | Raw]:
            table = self.tables[place]
            return rechunked(table.read(columns) if table.cuts is None else table.read(columns, start, stop), BLOCK)

        streams = [_Stream(place, read(place, columns)) for place, columns in wanted]
        while True:
            taken = [stream.next() for stream in streams]
            counts = [0 if piece is None else length(piece) for piece in taken]
            rows = min(counts)
            stopped = None
            if rows != max(counts) or not rows:
                short = [stream for stream, count in zip(streams, counts, strict=True) if count == rows]
                stopped = next(filter(None, (stream.ended() for stream in short)), None)
                if stopped is None and rows != max(counts):
                    stopped = self._row_counts(streams, counts, start)
            if rows or stopped is not None:
                pieces = [(s.place, p if p is not None else {}) for s, p in zip(streams, taken, strict=True)]
                hashes = partial(row_hashes, start, rows)
                if self.key is not None:
                    _, piece = pieces.pop()
                    hashes = partial(_key_hashes, piece, self.key)
                yield Rows(start, rows, pieces if rows else [], hashes, stopped)
            if stopped is not None or not rows:
                return
            start += rows

    def _row_counts(self, streams: Sequence[_Stream], counts: Sequence[int], start: int) -> DataError:
        """Count every table to its end, and say that they differ."""
        totals = {stream.place: start + count + stream.left() for stream, count in zip(streams, counts, strict=True)}
        unread = next(filter(None, (stream.error for stream in streams)), None)
        if unread is not None:
            return unread
        shown = ", ".join(f"{self.tables[place].label} has {count}" for place, count in totals.items())
        return DataError(f"row counts differ: {shown}; if rows belong together by a key, add --id COLUMN")


def _key_hashes(piece: Piece | Raw, key: str) -> Hashes:
    return keys_of(piece.decode()[0] if isinstance(piece, Raw) else piece, key).hashes.copy()


class _Stream:
    """Pieces of one table, and the error that has cut them short, if one has."""

    def __init__(self, place: int, pieces: Iterator[Piece | Raw]) -> None:
        self.place = place
        self._pieces = pieces
        self.error: DataError | None = None

    def next(self) -> Piece | Raw | None:
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

    def left(self) -> int:
        """Count the rows that are left."""
        count = 0
        while (piece := self.next()) is not None:
            count += length(piece)
        return count
