"""Columns as NumPy: numbers with their nulls, and text as codes into a growing vocabulary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lossctl.core.domain import Array, Mask
from lossctl.core.labels import label
from lossctl.errors import DataError


class Kind(Enum):
    """How a column is to be read: declared by the role it plays, never guessed from its values."""

    NUMBER = "number"
    TEXT = "text"


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


Column = Numbers | Texts
Piece = dict[str, Column]


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

    def read(self, wanted: Mapping[str, Kind]) -> Iterator[Piece]:
        """Stream the wanted columns; raise DataError where they cannot be read so."""

    def where(self, row: int) -> str:
        """Say where a row (0-based) stands, as `FILE: row N`."""


def length(piece: Piece) -> int:
    """Return the number of rows of a piece."""
    column = next(iter(piece.values()))
    return column.values.shape[1] if isinstance(column, Numbers) else len(column.codes)


class Vocabulary:
    """Words in order of first appearance, so that codes mean the same in every piece of a column."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def codes(self, column: Texts) -> NDArray[np.int64]:
        """Translate a piece's own codes."""
        table = np.full(len(column.words) + 1, -1, dtype=np.int64)
        distinct, first = np.unique(column.codes, return_index=True)
        for code in distinct[np.argsort(first)].tolist():
            if code >= 0:
                table[code] = self.places.setdefault(label(column.words[code]), len(self.places))
        return table[column.codes]

    @property
    def words(self) -> list[str]:
        return list(self.places)


def rechunked(pieces: Iterator[Piece], size: int) -> Iterator[Piece]:
    """Cut pieces of any size into pieces of exactly `size` rows, the last one shorter.

    The rows before a DataError come out before it is raised: one of them may have to be named instead.
    """
    held: list[Piece] = []
    rows = 0
    stopped: DataError | None = None
    try:
        for piece in pieces:
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
    return {
        name: Numbers(column.values[:, start:stop], None if column.null is None else column.null[start:stop])
        if isinstance(column, Numbers)
        else Texts(column.codes[start:stop], column.words)
        for name, column in piece.items()
    }


def joined(pieces: list[Piece]) -> Piece:
    """Concatenate pieces; text pieces must share one vocabulary."""
    if len(pieces) == 1:
        return pieces[0]
    whole: Piece = {}
    for name, first in pieces[0].items():
        columns = [piece[name] for piece in pieces]
        if isinstance(first, Numbers):
            numbers = [column for column in columns if isinstance(column, Numbers)]
            nulls = [np.zeros(c.values.shape[1], dtype=bool) if c.null is None else c.null for c in numbers]
            any_null = any(column.null is not None for column in numbers)
            values = np.concatenate([column.values for column in numbers], axis=1)
            whole[name] = Numbers(values, np.concatenate(nulls) if any_null else None)
        else:
            texts = [column for column in columns if isinstance(column, Texts)]
            whole[name] = Texts(np.concatenate([column.codes for column in texts]), texts[-1].words)
    return whole
