"""Blocks: the tables' columns, role by role, cut at fixed row addresses, with missing and unknown values found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from itertools import chain
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lossctl.core.block import Block, MakeBlock, ready
from lossctl.core.fingerprint import Hashes, bits, fingerprint, text_hash
from lossctl.core.form import CODED, GIVEN, QUERY
from lossctl.core.labels import ClassCodes
from lossctl.errors import DataError, UsageError, printable
from lossctl.io.assembly import Assembly, Context, Missing, TargetRule
from lossctl.io.column import NOT_SINGLE, Kind, Piece, Table, Texts
from lossctl.io.columns import WITHIN, Selection, Slot
from lossctl.io.instep import Rows, Wanted
from lossctl.io.wholesets import WholeSets


class RowSource(Protocol):
    """Where the rows of all tables come from, together."""

    def feeds(self, wanted: Wanted, parts: int) -> list[Iterator[Rows]]:
        """Return at most `parts` streams that have all rows between them, each in row order."""

    def row_of(self, place: int, address: int) -> int:
        """Return the row of a table that stands at an address."""


class BlockReader:
    """Streams several tables as blocks."""

    def __init__(
        self,
        tables: Sequence[Table],
        rows: RowSource,
        selection: Selection,
        rule: TargetRule,
        missing: Missing = "error",
        needs_origins: bool = False,
        needs_units: bool = False,
        whole_sets: bool = False,
    ) -> None:
        self.tables = tables
        self.selection = selection
        self.rule = rule
        self.missing = missing
        self._source = rows
        self._needs_units = needs_units
        self._whole_sets = whole_sets
        given = next(iter(selection.slots.values()), {})
        self._coded = [given[role] for role in sorted(CODED) if role in given]
        self._given = [given[role] for role in sorted(GIVEN - CODED) if role in given]
        self._origins = {name: np.empty(0) for name in selection.by} if needs_origins else {}
        self._context = Context(rule, ClassCodes(rule.classes).and_ignored(rule.ignored))
        self._class_hashes = np.array([*map(text_hash, self._context.codes.classes), 0], dtype=np.uint64)
        self._wanted: list[dict[str, Kind]] = [{} for _ in tables]
        self._second: list[dict[str, Kind]] = [{} for _ in tables]
        self._checks = self._other_targets()
        for slot in self._number_slots():
            self._want(slot, Kind.NUMBER)
        if selection.target is not None:
            for slot in (selection.target, *self._checks.values()):
                self._want(slot, rule.kind)
        for slot in self._coded:
            check_single(tables, slot)
        for slot in [*chain.from_iterable(selection.groupings.values()), *self._coded]:
            self._want(slot, Kind.TEXT)

    def _number_slots(self) -> list[Slot]:
        every = self.selection.slots.values()
        slots = [slot for roles in every for role, slot in roles.items() if role not in CODED]
        return slots + ([self.selection.weight] if self.selection.weight else [])

    def _want(self, slot: Slot, kind: Kind) -> None:
        for column in slot.columns:
            wanted = self._wanted[slot.table]
            if wanted.setdefault(column, kind) is not kind:
                self._second[slot.table][column] = kind  # one column in two roles is read a second time

    def _other_targets(self) -> dict[int, Slot]:
        """Other tables that hold the target too: it must be the same there, or the rows do not belong together."""
        target = self.selection.target
        if target is None:
            return {}
        return {
            place: Slot(place, target.columns)
            for place, table in enumerate(self.tables)
            if place != target.table and set(target.columns) <= set(table.names)
        }

    @property
    def in_order(self) -> bool:
        """Whether what a block is depends on the rows before it: a group's origin, which label is the third."""
        return bool(self._origins) or self.rule.positive is not None or self._whole_sets

    def feeds(self, parts: int) -> list[Iterator[MakeBlock]]:
        """Return at most `parts` streams of blocks that have all rows between them, each in row order."""
        wanted = [(place, columns) for place, columns in enumerate(self._wanted) if columns]
        wanted += [(place, columns) for place, columns in enumerate(self._second) if columns]
        return [self._feed(rows) for rows in self._source.feeds(wanted, 1 if self.in_order else parts)]

    def _feed(self, stream: Iterator[Rows]) -> Iterator[MakeBlock]:
        if self._whole_sets:
            sets = WholeSets(list(self.selection.by), self._set_fault)
            yield from map(ready, sets.blocks(map(self._block, stream)))
            return
        for rows in stream:
            yield ready(self._block(rows)) if self.in_order else partial(self._block, rows)

    def _block(self, taken: Rows) -> Block:
        rows, pieces, stopped = taken.decoded()
        held = {key: column for place, piece in pieces for key, column in self._keyed(place, piece)}
        whole = Assembly(self._context, held, taken.start, rows)
        if not rows:
            return whole.block({}, None, {}, self.missing, 0, {}, stopped)
        coded = {slot: whole.codes(slot) for slot in self._coded}
        models: dict[str, Mapping[str, NDArray[Any]]] = {
            model: {role: coded[slot] if role in CODED else whole.numbers(slot) for role, slot in roles.items()}
            for model, roles in self.selection.slots.items()
        }
        columns: list[Hashes] = [self._word_hashes(held, slot) for slot in self._coded]
        columns += [bits(line) for slot in self._given for line in whole.numbers(slot)]
        if self.selection.target is not None:
            target = whole.target(self.selection.target)
            columns += [bits(line) for line in target] if target.ndim == 2 else [self._class_hashes[target]]
            for place, slot in self._checks.items():
                whole.same(place, target, whole.target(slot))
            models = {model: {"target": target, **roles} for model, roles in models.items()}
        weight = None
        if self.selection.weight is not None:
            weight = whole.numbers(self.selection.weight)[0]
            columns.append(bits(weight))
        groups = {name: whole.groups(name, slots) for name, slots in self.selection.groupings.items()}
        columns += [self._word_hashes(held, slot) for slot in chain.from_iterable(self.selection.by.values())]
        own = taken.hashes()[:rows]
        units = self._units(held, own) if self._needs_units else None
        used = int(np.add.reduce(own[~whole.lost] if whole.lost.any() else own))
        digest = fingerprint(own, columns)
        origins = self._block_origins(models, groups, whole) if self._origins else {}
        return whole.block(models, weight, groups, self.missing, digest, origins, stopped, units, used)

    def _word_hashes(self, held: Mapping[tuple[int, str, Kind], Any], slot: Slot) -> Hashes:
        codes = held[slot.table, slot.columns[0], Kind.TEXT]
        return self._context.words[slot.table, slot.columns[0]].hashes(codes)

    def _units(self, held: Mapping[tuple[int, str, Kind], Any], rows: Hashes) -> Hashes:
        """Return the hashes of what is resampled as one: clusters if there are any, else rows by key or address."""
        clusters = self.selection.clusters.get(WITHIN)
        return rows.copy() if clusters is None else self._word_hashes(held, clusters[0])

    def _keyed(self, place: int, piece: Piece) -> Iterator[tuple[tuple[int, str, Kind], Any]]:
        """Key the columns of a piece by table, name and kind; text as codes into one vocabulary per column."""
        for name, column in piece.items():
            if isinstance(column, Texts):
                yield (place, name, Kind.TEXT), self._context.vocabulary(place, name).codes(column)
            else:
                yield (place, name, Kind.NUMBER), column

    def _block_origins(
        self, models: Mapping[str, Mapping[str, NDArray[Any]]], groups: Mapping[str, NDArray[np.int64]], whole: Assembly
    ) -> dict[str, NDArray[np.float64]]:
        """Return the first target of each row's group: about it the variance of the group's targets is taken."""
        keep = ~whole.lost
        target = next(iter(models.values()))["target"][0]
        found: dict[str, NDArray[np.float64]] = {}
        for name in self.selection.by:
            codes = groups[name]
            fresh = np.full(max(int(codes.max()) + 1 - len(self._origins[name]), 0), np.nan)
            known = self._origins[name] = np.concatenate([self._origins[name], fresh])
            present, first = np.unique(codes[keep], return_index=True)
            unset = np.isnan(known[present])
            known[present[unset]] = target[keep][first[unset]]
            found[name] = known[codes] if len(known) else np.full(len(codes), np.nan)
        return found

    def _set_fault(self, address: int, what: str, code: int) -> DataError:
        """Word what is wrong with a set of rows."""
        model = next(iter(self.selection.slots.values()))
        if QUERY not in model:
            return DataError(
                f"{what} differs within the file, which is one set: --role {QUERY}=COLUMN tells sets apart"
            )
        slot = model[QUERY]
        word = printable(self._context.vocabulary(slot.table, slot.columns[0]).words[code])
        place = f"{self.where(slot.table, address)}: {QUERY} {slot.named()} {word!r}"
        if what == "again":
            return DataError(f"{place} comes back after other sets; rows of a set must stand together: sort by it")
        return DataError(f"{place} has another {printable(what)} than the row before; it must be one within a set")

    def row_of(self, place: int, address: int) -> int:
        """Return the row of a table that stands at an address."""
        return self._source.row_of(place, address)

    def where(self, place: int, address: int) -> str:
        """Say where the row at an address stands in a table."""
        return self.tables[place].where(self.row_of(place, address))

    def digest(self, rows: int, fingerprints: int) -> str:
        """Return the digest of the row count and the target, weight, key and slice values of all rows."""
        return blake2b(f"{rows} {fingerprints}".encode(), digest_size=8).hexdigest()

    def never_positive(self) -> str:
        """Say that the positive label stands in no row; nothing where it does."""
        slot = self.selection.target
        if slot is None or self.rule.positive is None:
            return ""
        words = self._context.vocabulary(slot.table, slot.columns[0]).words
        if (ClassCodes((self.rule.positive,)).of(words)[:-1] == 0).any():
            return ""
        found = ", ".join(repr(printable(word)) for word in words[:3])
        return (
            f"{self.tables[slot.table].label}: column {slot.named()}: no row holds the positive label "
            f"{printable(self.rule.positive)!r}; it holds {found}"
        )

    def never_ignored(self) -> list[str]:
        """Return the labels that are ignored, no class, and in no row."""
        slot = self.selection.target
        if slot is None or not self.rule.ignored:
            return []
        words = self._context.vocabulary(slot.table, slot.columns[0]).words
        return [label for label in self.rule.ignored if not (ClassCodes((label,)).of(words)[:-1] == 0).any()]

    def labels(self, name: str) -> list[tuple[str, ...]]:
        """Return the values of a slicing, in the order of its group codes."""
        slots = self.selection.groupings[name]
        if len(slots) > 1:
            return self._context.crossings[name].labels
        return [(word,) for word in self._context.vocabulary(slots[0].table, slots[0].columns[0]).words]


def check_single(tables: Sequence[Table], slot: Slot) -> None:
    """Raise DataError where a column that is read as labels holds several values per row."""
    for name in slot.columns:
        if tables[slot.table].shape(name).width != 1:
            raise DataError(f"{tables[slot.table].label}: column {printable(name)!r} {NOT_SINGLE}")


def width_of(tables: Sequence[Table], slot: Slot) -> int:
    """Return how many columns a role has, lists and arrays counted by their length."""
    shapes = [tables[slot.table].shape(name) for name in slot.columns]
    if len(shapes) > 1 and any(shape.width != 1 for shape in shapes):
        raise UsageError(f"{slot.named()} mixes lists and plain columns; give one list or several columns")
    width = sum(shape.width for shape in shapes)
    if not width:
        raise DataError(f"{tables[slot.table].label}: column {slot.named()} holds vectors of no length")
    return width
