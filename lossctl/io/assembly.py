"""Assembly: one block in the making, from columns to arrays by role, with the rows that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lossctl.core.block import Block
from lossctl.core.check import Breach
from lossctl.core.labels import ClassCodes
from lossctl.errors import DataError
from lossctl.io.column import Kind, Numbers, Vocabulary
from lossctl.io.columns import Slot
from lossctl.numerics.array import Mask

Missing = Literal["error", "drop"]
PAIR_BITS = 32


@dataclass(frozen=True)
class TargetRule:
    """How the target column is read: as numbers, as class labels, or as one label against the rest.

    ignored: labels that need not be classes, since no loss counts their rows; their codes come after the classes'.
    """

    classes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    positive: str | None = None

    @property
    def kind(self) -> Kind:
        return Kind.TEXT if self.classes or self.positive is not None else Kind.NUMBER


class Crossing:
    """The combinations of several columns' words that have been seen, in order of arrival; threads may share it."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, ...], int] = {}
        self._lock = Lock()

    def codes(self, distinct: Sequence[tuple[str, ...]]) -> NDArray[np.int64]:
        """Return the codes of combinations."""
        with self._lock:
            return np.array([self._places.setdefault(words, len(self._places)) for words in distinct], dtype=np.int64)

    @property
    def labels(self) -> list[tuple[str, ...]]:
        return list(self._places)


@dataclass(frozen=True)
class Context:
    """What all blocks share: the target's rule and codes, and the words of text columns by table and name."""

    rule: TargetRule
    codes: ClassCodes
    words: dict[tuple[int, str], Vocabulary] = field(default_factory=dict)
    crossings: dict[str, Crossing] = field(default_factory=dict)

    def vocabulary(self, table: int, name: str) -> Vocabulary:
        """Return the words of a text column."""
        return self.words.setdefault((table, name), Vocabulary())


class Assembly:
    """One block in the making: arrays by role, and the rows that have to go."""

    def __init__(self, context: Context, held: Mapping[tuple[int, str, Kind], Any], start: int, rows: int) -> None:
        self.context = context
        self.held = held
        self.start = start
        self.addresses = np.arange(start, start + rows)
        self.missing: dict[str, Breach] = {}
        self.faults: dict[str, Breach] = {}
        self.lost: Mask = np.zeros(rows, dtype=bool)
        self._made: dict[Slot, NDArray[Any]] = {}

    def _note(self, record: dict[str, Breach], name: str, rows: Mask) -> None:
        """Record rows that cannot be used, once per column and kind."""
        if name not in record and rows.any():
            record[name] = Breach(int(np.count_nonzero(rows)), int(self.addresses[np.argmax(rows)]))
            self.lost |= rows

    def numbers(self, slot: Slot) -> NDArray[Any]:
        """Return the (width, rows) values of number columns, one array per slot however many models share it."""
        if slot not in self._made:
            columns = [self._number(slot.table, name) for name in slot.columns]
            self._made[slot] = columns[0] if len(columns) == 1 else np.concatenate(columns)
        return self._made[slot]

    def _number(self, table: int, name: str) -> NDArray[Any]:
        column: Numbers = self.held[table, name, Kind.NUMBER]
        label = f"{table}\0{name}"
        if column.null is not None or np.isnan(np.minimum.reduce(column.values, axis=None)):
            null = column.null if column.null is not None else np.zeros(len(self.addresses), dtype=bool)
            holes = np.logical_or.reduce(np.isnan(column.values), axis=0)
            self._note(self.missing, f"{label}\0null", null)
            self._note(self.missing, f"{label}\0nan", holes & ~null)
        return column.values

    def _text(self, table: int, name: str) -> NDArray[np.int64]:
        codes: NDArray[np.int64] = self.held[table, name, Kind.TEXT]
        self._note(self.missing, f"{table}\0{name}\0null", codes < 0)
        return codes

    def target(self, slot: Slot) -> NDArray[Any]:
        """Return the target as the rule says: numbers (width, rows), class codes (rows,), or 0/1 (1, rows)."""
        rule = self.context.rule
        if rule.kind is Kind.NUMBER:
            return self.numbers(slot)
        name = slot.columns[0]
        codes = self._text(slot.table, name)
        words = self.context.vocabulary(slot.table, name).words
        if rule.positive is None:
            classes = self.context.codes.of(words)[codes]
            self._note(self.faults, f"{slot.table}\0{name}", classes == -2)
            return classes
        yes = ClassCodes((rule.positive,)).of(words)
        others = [code for code, word in enumerate(words) if yes[code] != 0]
        if len(others) > 1:  # a third label is a typo or another task, never silently "not positive"
            self._note(self.faults, f"{slot.table}\0{name}", np.isin(codes, others[1:]))
        return np.where(codes < 0, np.nan, yes[codes] == 0)[np.newaxis]

    def codes(self, slot: Slot) -> NDArray[np.float64]:
        """Return the codes (1, rows) of a column of which only equality counts."""
        return self._text(slot.table, slot.columns[0]).astype(np.float64)[np.newaxis]

    def same(self, place: int, target: NDArray[Any], other: NDArray[Any]) -> None:
        """Record rows at which another file has another target."""
        differs = (target != other) & ~((target != target) & (other != other))
        self._note(self.faults, f"{place}\0\0other", differs if differs.ndim == 1 else differs.any(axis=0))

    def groups(self, name: str, slots: Sequence[Slot]) -> NDArray[np.int64]:
        """Return the codes of a slicing: a column's own, or those of combinations; -1 where a word is missing."""
        codes, *others = [self._text(slot.table, slot.columns[0]) for slot in slots]
        if not others:
            return codes
        columns = [codes, *others]
        pairs = codes
        for other in others:
            pairs = np.unique((pairs << PAIR_BITS) | (other + 1), return_inverse=True)[1]
        _, first = np.unique(pairs, return_index=True)
        words = [self.context.vocabulary(slot.table, slot.columns[0]).words for slot in slots]
        complete = np.logical_and.reduce([column[first] >= 0 for column in columns])
        number = np.full(len(first), -1, dtype=np.int64)
        number[complete] = self.context.crossings.setdefault(name, Crossing()).codes(
            [
                tuple(known[code] for known, code in zip(words, row, strict=True))
                for row in zip(*(column[first[complete]].tolist() for column in columns), strict=True)
            ]
        )
        return number[pairs]

    def block(
        self,
        models: Mapping[str, Mapping[str, NDArray[Any]]],
        weight: NDArray[Any] | None,
        groups: Mapping[str, NDArray[np.int64]],
        missing: Missing,
        digest: int,
        origins: Mapping[str, NDArray[np.float64]],
        stopped: DataError | None,
        units: NDArray[np.uint64] | None = None,
        used: int = 0,
    ) -> Block:
        """Leave out the rows that cannot be used, and make the block."""
        keep = ~self.lost if self.lost.any() else None
        kept: dict[int, NDArray[Any]] = {}

        def complete(values: NDArray[Any]) -> NDArray[Any]:
            if keep is None:
                return values
            return kept.setdefault(id(values), np.ascontiguousarray(values[..., keep]))

        return Block(
            start=self.start,
            read=len(self.addresses),
            addresses=complete(self.addresses),
            models={
                model: {role: complete(values) for role, values in roles.items()} for model, roles in models.items()
            },
            weight=None if weight is None else complete(weight),
            groups={name: complete(codes) for name, codes in groups.items()},
            origins={name: complete(values) for name, values in origins.items()},
            missing=self.missing,
            dropped=int(np.count_nonzero(self.lost)) if missing == "drop" else 0,
            faults=self.faults,
            digest=digest,
            used=used,
            units=None if units is None else complete(units),
            stopped=stopped,
        )
