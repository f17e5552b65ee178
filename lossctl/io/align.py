"""Alignment by key: rows of every table in the order of their sorted keys, each key exactly once everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import DataError, printable
from lossctl.io.column import Column, Kind, Numbers, Piece, Shape, Table, Texts, Vocabulary, joined

EXAMPLES = 3


@dataclass
class Reordered:
    """A table whose rows come in another order; it is read whole."""

    table: Table
    order: NDArray[np.int64]

    @property
    def label(self) -> str:
        return self.table.label

    @property
    def names(self) -> tuple[str, ...]:
        return self.table.names

    @property
    def rows(self) -> int:
        return len(self.order)

    def shape(self, name: str) -> Shape:
        return self.table.shape(name)

    def where(self, row: int) -> str:
        return self.table.where(int(self.order[row]))

    def read(self, wanted: Mapping[str, Kind]) -> Iterator[Piece]:
        words = {name: Vocabulary() for name, kind in wanted.items() if kind is Kind.TEXT}
        pieces = [
            {
                name: Texts(words[name].codes(column), ()) if isinstance(column, Texts) else column
                for name, column in piece.items()
            }
            for piece in self.table.read(wanted)
        ]
        if pieces:
            whole = joined(pieces)
            yield {name: self._ordered(column, words.get(name)) for name, column in whole.items()}

    def _ordered(self, column: Column, words: Vocabulary | None) -> Column:
        if isinstance(column, Numbers):
            null = None if column.null is None else column.null[self.order]
            return Numbers(np.ascontiguousarray(column.values[:, self.order]), null)
        return Texts(column.codes[self.order], tuple(words.words if words else ()))


def aligned(tables: Sequence[Table], key: str) -> tuple[list[Table], bytes]:
    """Return the tables in the order of their sorted keys, and a digest of the keys.

    Raises DataError, with counts and examples, for a key that is null, that stands twice in one table, or that
    is not in all of them.
    """
    first, *others = [_keys(table, key) for table in tables]
    known = dict(zip(first, range(len(first)), strict=True))
    for table, keys in zip(tables[1:], others, strict=True):
        there = set(keys)
        missing = [word for word in first if word not in there]
        extra = [word for word in keys if word not in known]
        if missing or extra:
            faults = [
                f"{len(words)} {kind} ({shown(words)})"
                for kind, words in ((f"of {tables[0].label} missing", missing), ("not in it", extra))
                if words
            ]
            raise DataError(f"{table.label}: column {key!r}: keys differ: " + ", ".join(faults))
    digest = blake2b(digest_size=16)
    for word in sorted(first):
        digest.update(word.encode() + b"\0")
    ordered: list[Table] = [
        Reordered(table, np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64))
        for table, keys in zip(tables, [first, *others], strict=True)
    ]
    return ordered, digest.digest()


def _keys(table: Table, key: str) -> list[str]:
    """Read the keys of a table in row order."""
    vocabulary = Vocabulary()
    codes = [
        vocabulary.codes(column) for piece in table.read({key: Kind.TEXT}) if isinstance(column := piece[key], Texts)
    ]
    if not codes:
        return []
    whole = np.concatenate(codes)
    nulls = np.flatnonzero(whole < 0)
    if len(nulls):
        raise DataError(f"{table.where(int(nulls[0]))}, column {key!r}: the key is empty ({len(nulls)} such rows)")
    words = vocabulary.words
    counts = np.bincount(whole, minlength=len(words))
    if (counts > 1).any():
        twice = [words[code] for code in np.flatnonzero(counts > 1)]
        raise DataError(f"{table.label}: column {key!r}: {len(twice)} keys stand more than once ({shown(twice)})")
    return [words[code] for code in whole.tolist()]


def shown(words: list[str]) -> str:
    """Show a few keys."""
    return ", ".join(printable(word) for word in words[:EXAMPLES]) + (", ..." if len(words) > EXAMPLES else "")
