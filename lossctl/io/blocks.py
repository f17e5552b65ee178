"""Blocks: the tables' columns, role by role, cut at fixed row addresses, with missing and unknown values found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK
from lossctl.core.block import Block
from lossctl.core.labels import ClassCodes
from lossctl.errors import DataError, UsageError, printable
from lossctl.io.assembly import Assembly, Context, Missing, TargetRule
from lossctl.io.column import Kind, Piece, Table, Texts, Vocabulary, length, part, rechunked
from lossctl.io.columns import Selection, Slot


class BlockReader:
    """Streams several tables in step as blocks; knows afterwards how many rows there were and their digest."""

    def __init__(
        self,
        tables: Sequence[Table],
        selection: Selection,
        rule: TargetRule,
        missing: Missing = "error",
        key_digest: bytes = b"",
        needs_origins: bool = False,
    ) -> None:
        self.tables = tables
        self.selection = selection
        self.rule = rule
        self.missing = missing
        self.needs_origins = needs_origins
        self.rows = 0
        self._hash = blake2b(key_digest, digest_size=8)
        self._context = Context(rule, ClassCodes(rule.classes))
        self._wanted: list[dict[str, Kind]] = [{} for _ in tables]
        self._second: list[dict[str, Kind]] = [{} for _ in tables]
        self._checks = self._other_targets()
        for slot in self._number_slots():
            self._want(slot, Kind.NUMBER)
        if selection.target is not None:
            for slot in (selection.target, *self._checks.values()):
                self._want(slot, rule.kind)
        for slots in selection.by.values():
            for slot in slots:
                self._want(slot, Kind.TEXT)

    def _number_slots(self) -> list[Slot]:
        slots = [slot for roles in self.selection.slots.values() for slot in roles.values()]
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
    def digest(self) -> str:
        """Digest of the row count and the target, weight, key and slice values of all rows read so far."""
        whole = self._hash.copy()
        for slot in self._text_slots():
            for name in slot.columns:
                words = self._context.words.get((slot.table, name))
                whole.update(repr((name, words.words if words else [])).encode())
        whole.update(str(self.rows).encode())
        return whole.hexdigest()

    def _text_slots(self) -> list[Slot]:
        """Return the slots whose words are part of the digest: the target's, if it is text, and the slices'."""
        target = [self.selection.target] if self.selection.target and self.rule.kind is Kind.TEXT else []
        return target + [slot for slots in self.selection.by.values() for slot in slots]

    def never_positive(self) -> str:
        """Say that the positive label stands in no row; nothing where it does."""
        slot = self.selection.target
        if slot is None or self.rule.positive is None:
            return ""
        words = self._context.words[slot.table, slot.columns[0]].words
        if (ClassCodes((self.rule.positive,)).of(words)[:-1] == 0).any():
            return ""
        found = ", ".join(repr(printable(word)) for word in words[:3])
        return (
            f"{self.tables[slot.table].label}: column {slot.named()}: no row holds the positive label "
            f"{printable(self.rule.positive)!r}; it holds {found}"
        )

    def labels(self, name: str) -> list[tuple[str, ...]]:
        """Return the values of a slicing, in the order of its group codes."""
        return list(self._groups[name])

    def __iter__(self) -> Iterator[Block]:
        self._groups: dict[str, dict[tuple[str, ...], int]] = {name: {} for name in self.selection.by}
        self._origins = {name: np.empty(0) for name in self.selection.by}
        streams = [
            (place, rechunked(self._coded(place, self.tables[place].read(wanted)), BLOCK))
            for group in (self._wanted, self._second)
            for place, wanted in enumerate(group)
            if wanted
        ]
        while True:
            pieces = [next(stream, None) for _, stream in streams]
            counts = [0 if piece is None else length(piece) for piece in pieces]
            rows, stopped = min(counts), None
            if rows != max(counts):
                short = [stream for (_, stream), count in zip(streams, counts, strict=True) if count == rows]
                stopped = next(filter(None, map(self._stopped, short)), None)
                if stopped is None:
                    self._raise_row_counts(streams, counts)
            if rows:
                held: dict[tuple[int, str, Kind], Any] = {}
                for (place, _), piece in zip(streams, pieces, strict=True):
                    held.update(keyed(place, part(piece or {}, 0, rows)))
                block = self._block(held, rows)
                self.rows += rows
                yield block
            if stopped is not None:
                raise stopped
            if not rows:
                return

    def _stopped(self, stream: Iterator[Piece]) -> DataError | None:
        """Return the error that has cut a stream short, if that is why it ended early."""
        try:
            next(stream, None)
        except DataError as error:
            return error
        return None

    def _raise_row_counts(self, streams: Sequence[tuple[int, Iterator[Piece]]], counts: list[int]) -> None:
        """Count every table to its end, and say that they differ."""
        totals = {
            place: self.rows + count + sum(map(length, stream))
            for (place, stream), count in zip(streams, counts, strict=True)
        }
        shown = ", ".join(f"{self.tables[place].label} has {count}" for place, count in totals.items())
        raise DataError(f"row counts differ: {shown}; if rows belong together by a key, add --id COLUMN")

    def _coded(self, place: int, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Give text columns codes into one vocabulary per column, so that pieces can be joined."""
        for piece in pieces:
            yield {
                name: Texts(self._context.words.setdefault((place, name), Vocabulary()).codes(column), ())
                if isinstance(column, Texts)
                else column
                for name, column in piece.items()
            }

    def _block(self, held: Mapping[tuple[int, str, Kind], Any], rows: int) -> Block:
        addresses = np.arange(self.rows, self.rows + rows)
        whole = Assembly(self._context, held, addresses)
        models = {
            model: {role: whole.numbers(slot) for role, slot in roles.items()}
            for model, roles in self.selection.slots.items()
        }
        if self.selection.target is not None:
            target = whole.target(self.selection.target)
            self._hash.update(hashable(target))
            for place, slot in self._checks.items():
                whole.same(place, target, whole.target(slot))
            models = {model: {"target": target, **roles} for model, roles in models.items()}
        weight = None
        if self.selection.weight is not None:
            weight = whole.numbers(self.selection.weight)[0]
            self._hash.update(hashable(weight))
        groups = {name: whole.groups(slots, self._groups[name]) for name, slots in self.selection.by.items()}
        for codes in groups.values():
            self._hash.update(codes.tobytes())
        block = whole.block(models, weight, groups, self.missing)
        return replace(block, origins=self._block_origins(block)) if self.needs_origins and groups else block

    def _block_origins(self, block: Block) -> dict[str, NDArray[np.float64]]:
        """Return the first target of each row's group: about it the variance of the group's targets is taken."""
        target = next(iter(block.models.values()))["target"][0]
        found: dict[str, NDArray[np.float64]] = {}
        for name, codes in block.groups.items():
            known = self._origins[name]
            fresh = np.full(len(self._groups[name]) - len(known), np.nan)
            known = self._origins[name] = np.concatenate([known, fresh])
            present, first = np.unique(codes, return_index=True)
            unset = np.isnan(known[present])
            known[present[unset]] = target[first[unset]]
            found[name] = known[codes]
        return found


def hashable(values: NDArray[Any]) -> bytes:
    """Return the bytes of an array in which every NaN is the same NaN."""
    if values.dtype.kind == "f" and np.isnan(values).any():
        values = np.where(np.isnan(values), np.nan, values)
    return np.ascontiguousarray(values).tobytes()


def keyed(place: int, piece: Piece) -> dict[tuple[int, str, Kind], Any]:
    """Key the columns of a piece by table, name and kind; text as its codes."""
    return {
        (place, name, Kind.TEXT if isinstance(column, Texts) else Kind.NUMBER): column.codes
        if isinstance(column, Texts)
        else column
        for name, column in piece.items()
    }


def width_of(tables: Sequence[Table], slot: Slot) -> int:
    """Return how many columns a role has, lists and arrays counted by their length."""
    shapes = [tables[slot.table].shape(name) for name in slot.columns]
    if len(shapes) > 1 and any(shape.width != 1 for shape in shapes):
        raise UsageError(f"{slot.named()} mixes lists and plain columns; give one list or several columns")
    return sum(shape.width for shape in shapes)
