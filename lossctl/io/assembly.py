"""Assembly: one block in the making, from columns to arrays by role, with the rows that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lossctl.core.block import Block
from lossctl.core.check import Breach
from lossctl.core.domain import Mask
from lossctl.core.labels import ClassCodes
from lossctl.io.column import Kind, Numbers, Vocabulary
from lossctl.io.columns import Slot

Missing = Literal["error", "drop"]


@dataclass(frozen=True)
class TargetRule:
    """How the target column is read: as numbers, as class labels, or as one label against the rest."""

    classes: tuple[str, ...] = ()
    positive: str | None = None

    @property
    def kind(self) -> Kind:
        return Kind.TEXT if self.classes or self.positive is not None else Kind.NUMBER


@dataclass(frozen=True)
class Context:
    """What all blocks share: the target's rule and codes, and the words of text columns by table and name."""

    rule: TargetRule
    codes: ClassCodes
    words: dict[tuple[int, str], Vocabulary] = field(default_factory=dict)


class Assembly:
    """One block in the making: arrays by role, and the rows that have to go."""

    def __init__(
        self, context: Context, held: Mapping[tuple[int, str, Kind], Any], addresses: NDArray[np.int64]
    ) -> None:
        self.context = context
        self.held = held
        self.addresses = addresses
        self.missing: dict[str, Breach] = {}
        self.faults: dict[str, Breach] = {}
        self.lost: Mask = np.zeros(len(addresses), dtype=bool)
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
        null = column.null if column.null is not None else np.zeros(len(self.addresses), dtype=bool)
        holes = np.logical_or.reduce(np.isnan(column.values), axis=0)
        if holes.any():
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
        words = self.context.words[slot.table, name].words
        if rule.positive is None:
            classes = self.context.codes.of(words)[codes]
            self._note(self.faults, f"{slot.table}\0{name}", classes == -2)
            return classes
        yes = ClassCodes((rule.positive,)).of(words)
        others = [code for code, word in enumerate(words) if yes[code] != 0]
        if len(others) > 1:  # a third label is a typo or another task, never silently "not positive"
            self._note(self.faults, f"{slot.table}\0{name}", np.isin(codes, others[1:]))
        return np.where(codes < 0, np.nan, yes[codes] == 0)[np.newaxis]

    def same(self, place: int, target: NDArray[Any], other: NDArray[Any]) -> None:
        """Record rows at which another file has another target."""
        differs = (target != other) & ~((target != target) & (other != other))
        self._note(self.faults, f"{place}\0\0other", differs if differs.ndim == 1 else differs.any(axis=0))

    def groups(self, slots: Sequence[Slot], known: dict[tuple[str, ...], int]) -> NDArray[np.int64]:
        """Return group codes of crossed columns, numbered by first appearance."""
        codes = [self._text(slot.table, slot.columns[0]) for slot in slots]
        words = [self.context.words[slot.table, slot.columns[0]].words for slot in slots]
        stacked = np.stack(codes)
        distinct, first, place = np.unique(stacked, axis=1, return_index=True, return_inverse=True)
        number = np.full(distinct.shape[1], -1, dtype=np.int64)
        for i in np.argsort(first).tolist():
            if (distinct[:, i] >= 0).all():
                key = tuple(words[j][code] for j, code in enumerate(distinct[:, i].tolist()))
                number[i] = known.setdefault(key, len(known))
        return number[place.reshape(-1)]

    def block(
        self,
        models: Mapping[str, Mapping[str, NDArray[Any]]],
        weight: NDArray[Any] | None,
        groups: Mapping[str, NDArray[np.int64]],
        missing: Missing,
    ) -> Block:
        """Leave out the rows that cannot be used, and make the block."""
        keep = ~self.lost if self.lost.any() else None
        kept: dict[int, NDArray[Any]] = {}

        def complete(values: NDArray[Any]) -> NDArray[Any]:
            if keep is None:
                return values
            return kept.setdefault(id(values), np.ascontiguousarray(values[..., keep]))

        return Block(
            start=int(self.addresses[0]) if len(self.addresses) else 0,
            read=len(self.addresses),
            addresses=complete(self.addresses),
            models={
                model: {role: complete(values) for role, values in roles.items()} for model, roles in models.items()
            },
            weight=None if weight is None else complete(weight),
            groups={name: complete(codes) for name, codes in groups.items()},
            missing=self.missing,
            dropped=int(np.count_nonzero(self.lost)) if missing == "drop" else 0,
            faults=self.faults,
        )
