"""Columns as NumPy: numbers with their nulls, and text as codes into a growing vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from threading import Lock
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lossctl.core.fingerprint import Hashes, text_hash
from lossctl.core.labels import label
from lossctl.errors import DataError
from lossctl.numerics.array import Array, Mask

NOT_SINGLE: Final = "holds lists; one value per row is needed"


class Kind(Enum):
    """How a column is to be read: declared by the role it plays, never guessed from its values."""

    NUMBER = "number"
    TEXT = "text"
    KEY = "key"
    CELL = "cell"  # as it is held, for a survey: nothing about it can be wrong


@dataclass(frozen=True)
class Shape:
    """What a table says of a column before it is read: number, boolean, text or other, and its width."""

    kind: str
    width: int = 1


@dataclass(frozen=True)
class Numbers:
    """(width, rows) float64 values, NaN where null; `null` is (rows,) True for nulls, None where there are none."""

    values: Array
    null: Mask | None = None


@dataclass(frozen=True)
class Texts:
    """(rows,) codes into `words`, -1 where null."""

    codes: NDArray[np.int64]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Keys:
    """(rows,) hashes of keys: equal keys have equal hashes, whatever column type or container holds them.

    `check` is a second hash, None where every key is a whole number, whose first one is one to one. `null` is True
    for empty keys, None where there are none. `order` is what the keys sort by: numbers if all are whole, an Arrow
    array if all are texts and spelled as their labels, else None.
    """

    hashes: Hashes
    check: Hashes | None
    null: Mask | None = None
    order: Any = None


@dataclass(frozen=True)
class Cells:
    """The values as the container holds them: an Arrow array, of bytes where the container is a text file."""

    values: Any


Column = Numbers | Texts | Keys | Cells
Piece = dict[str, Column]


@dataclass(frozen=True)
class Raw:
    """Rows that are cut out of a file and not decoded yet.

    `decode` gives the rows, and, if a row cannot be read, those before it with the reason.
    """

    rows: int
    decode: Callable[[], tuple[Piece, DataError | None]]


class Table(Protocol):
    """A named set of columns that can be streamed, more than once, in row order."""

    @property
    def label(self) -> str:
        """The name of the input, for messages."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""

    @property
    def rows(self) -> int | None:
        """The number of rows, where it is known without reading."""

    def shape(self, name: str) -> Shape:
        """What is known of a column before it is read."""

    @property
    def cuts(self) -> Sequence[int] | None:
        """Rows at which reading may begin without reading what is before; None if only at the first."""

    def read(self, wanted: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Piece | Raw]:
        """Stream the wanted columns of rows start to stop; raise DataError where they cannot be read so.

        A table without cuts is read from its first row to its last.
        """

    def where(self, row: int) -> str:
        """Say where a row (0-based) stands, as `FILE: row N`."""

    def unchanged(self) -> None:
        """Raise DataError if a file is no longer the one that was opened."""


def length(piece: Piece | Raw) -> int:
    """Return the number of rows of a piece."""
    if isinstance(piece, Raw):
        return piece.rows
    column = next(iter(piece.values()), None)
    if column is None:
        return 0
    if isinstance(column, Numbers):
        return column.values.shape[1]
    if isinstance(column, Cells):
        return len(column.values)
    return len(column.codes if isinstance(column, Texts) else column.hashes)


def keys_of(piece: Piece, key: str) -> Keys:
    """Return the key column of a piece."""
    column = piece[key]
    assert isinstance(column, Keys)
    return column


class Vocabulary:
    """Words in order of arrival, so that codes mean the same in every piece of a column; threads may share it."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self._spelled: dict[str, int] = {}
        self._hashes: Hashes = np.zeros(0, dtype=np.uint64)
        self._lock = Lock()

    def codes(self, column: Texts) -> NDArray[np.int64]:
        """Translate a piece's own codes."""
        used = np.flatnonzero(np.bincount(column.codes[column.codes >= 0], minlength=len(column.words)))
        table = np.full(len(column.words) + 1, -1, dtype=np.int64)
        with self._lock:
            for code in used.tolist():
                word = column.words[code]
                place = self._spelled.get(word)
                if place is None:
                    place = self._spelled[word] = self.places.setdefault(label(word), len(self.places))
                table[code] = place
        return table[column.codes]

    @property
    def words(self) -> list[str]:
        with self._lock:
            return list(self.places)

    def hashes(self, codes: NDArray[np.int64]) -> Hashes:
        """Return the hash of each row's word, the same for a word whatever its code."""
        with self._lock:
            if len(self._hashes) < len(self.places):
                fresh = [text_hash(word) for word in islice(self.places, len(self._hashes), None)]
                self._hashes = np.concatenate([self._hashes, np.array(fresh, dtype=np.uint64)])
            table = self._hashes
        return np.where(codes < 0, np.uint64(0), table[codes]) if len(table) else np.zeros(len(codes), np.uint64)


def decoded(pieces: Iterator[Piece | Raw]) -> Iterator[Piece]:
    """Decode what is raw, and raise what stops it after the rows before."""
    for piece in pieces:
        if isinstance(piece, Raw):
            made, stopped = piece.decode()
            if length(made):
                yield made
            if stopped is not None:
                raise stopped
        else:
            yield piece


def rechunked(pieces: Iterator[Piece | Raw], size: int) -> Iterator[Piece | Raw]:
    """Cut pieces of any size into pieces of exactly `size` rows, the last one shorter.

    Raw pieces of that size stay raw. The rows before a DataError come out before it is raised: one of them may have
    to be named instead.
    """
    held: list[Piece] = []
    rows = 0
    stopped: DataError | None = None
    try:
        for taken in pieces:
            if isinstance(taken, Raw) and taken.rows == size and not held:
                yield taken
                continue
            for piece in decoded(iter([taken])):
                start, count = 0, length(piece)
                while rows + count - start >= size:
                    stop = start + size - rows
                    held.append(part(piece, start, stop))
                    yield joined(held)
                    held, rows, start = [], 0, stop
                if start < count:
                    held.append(part(piece, start, count))
                    rows += count - start
    except DataError as error:
        stopped = error
    if held:
        yield joined(held)
    if stopped is not None:
        raise stopped


def part(piece: Piece, start: int, stop: int) -> Piece:
    """Return rows start to stop of a piece, as views."""
    rows = slice(start, stop)

    def cut(values: Any) -> Any:
        return None if values is None else values[rows]

    found: Piece = {}
    for name, column in piece.items():
        if isinstance(column, Numbers):
            found[name] = Numbers(column.values[:, rows], cut(column.null))
        elif isinstance(column, Texts):
            found[name] = Texts(column.codes[rows], column.words)
        elif isinstance(column, Cells):
            found[name] = Cells(column.values[rows])
        else:
            found[name] = Keys(column.hashes[rows], cut(column.check), cut(column.null), cut(column.order))
    return found


def joined(pieces: list[Piece]) -> Piece:
    """Concatenate pieces, each of which may have words of its own."""
    if len(pieces) == 1:
        return pieces[0]
    return {name: concatenated([piece[name] for piece in pieces]) for name in pieces[0]}


def concatenated(columns: Sequence[Column]) -> Column:
    """Concatenate the pieces of one column."""
    first = columns[0]
    if isinstance(first, Numbers):
        numbers = [column for column in columns if isinstance(column, Numbers)]
        values = np.concatenate([column.values for column in numbers], axis=1)
        return Numbers(values, _nulls([column.null for column in numbers], [c.values.shape[1] for c in numbers]))
    if isinstance(first, Texts):
        words = Vocabulary()
        codes = [words.codes(column) for column in columns if isinstance(column, Texts)]
        return Texts(np.concatenate(codes), tuple(words.words))
    if isinstance(first, Cells):
        import pyarrow as pa

        return Cells(pa.concat_arrays([column.values for column in columns if isinstance(column, Cells)]))
    keys = [column for column in columns if isinstance(column, Keys)]
    sizes = [len(column.hashes) for column in keys]
    checks = [np.zeros(n, np.uint64) if k.check is None else k.check for k, n in zip(keys, sizes, strict=True)]
    check = None if all(column.check is None for column in keys) else np.concatenate(checks)
    hashes = np.concatenate([column.hashes for column in keys])
    return Keys(hashes, check, _nulls([column.null for column in keys], sizes), _order([key.order for key in keys]))


def _order(orders: Sequence[Any]) -> Any:
    """Concatenate what keys sort by, None where they differ in kind."""
    if all(isinstance(order, np.ndarray) for order in orders):
        return np.concatenate(orders)
    if any(order is None or isinstance(order, np.ndarray) for order in orders):
        return None
    import pyarrow as pa

    return pa.concat_arrays(orders)


def _nulls(nulls: Sequence[Mask | None], sizes: Sequence[int]) -> Mask | None:
    """Concatenate null masks, None where there are none at all."""
    if all(null is None for null in nulls):
        return None
    return np.concatenate(
        [np.zeros(n, dtype=bool) if null is None else null for null, n in zip(nulls, sizes, strict=True)]
    )
