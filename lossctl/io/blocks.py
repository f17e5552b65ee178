"""Blocks: the tables' columns, role by role, cut at fixed row addresses, with missing and unknown values found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from itertools import chain
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lossctl.core.block import Block, MakeBlock, ready
from lossctl.core.breach import Breach
from lossctl.core.fingerprint import Hashes, bits, fingerprint, text_hash
from lossctl.core.form import CODED, GIVEN, QUERY
from lossctl.core.labels import ClassCodes
from lossctl.errors import DataError, UsageError, printable
from lossctl.io.by_position import Rows, Wanted
from lossctl.io.select import WITHIN, Selection, Slot
from lossctl.io.table import NOT_SINGLE, Kind, Numbers, Piece, Table, Texts, Vocabulary, decoded
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


class WholeSets:
    """Holds back the rows of the set that may go on in the next block.

    constant: the names of groups that rows of a set must share. fault: makes the error for a row.
    """

    def __init__(self, constant: Sequence[str], fault: Callable[[int, str, int], DataError]) -> None:
        self._constant, self._fault = constant, fault
        self._held: list[Block] = []
        self._closed = np.zeros(0, dtype=bool)

    def blocks(self, stream: Iterator[Block]) -> Iterator[Block]:
        """Yield blocks of whole sets; every block that comes in is accounted for in one that goes out."""
        for block in stream:
            codes = query_of(block)
            first = 0 if not block.rows else int(np.flatnonzero(np.diff(codes, prepend=codes[0] + 1))[-1])
            goes_on = bool(self._held and block.rows and codes[0] == query_of(self._held[0])[0])
            if not block.rows or (goes_on and first == 0):
                self._held += [bare(block)] if block.rows else []
                yield self._checked(replace(cut(block, 0, 0), **facts(block)))
            else:
                done = self._checked(joined([*self._held, cut(block, 0, first)]))
                self._held = [bare(cut(block, first, block.rows))]
                yield replace(done, **facts(block))
        if self._held:
            yield self._checked(replace(joined(self._held), start=self._held[-1].stop))
            self._held = []

    def _checked(self, block: Block) -> Block:
        """Return a block as it is; raise DataError where a set comes back, or its rows do not agree."""
        if not block.rows:
            return block
        codes = query_of(block)
        starts = np.flatnonzero(np.diff(codes, prepend=codes[0] + 1))
        opened = codes[starts].astype(np.int64)
        grown = np.zeros(max(int(opened.max()) + 1 - len(self._closed), 0), dtype=bool)
        self._closed = np.concatenate([self._closed, grown])
        _, once = np.unique(opened, return_index=True)
        again = self._closed[opened]
        again[np.setdiff1d(np.arange(len(opened)), once)] = True
        if again.any():
            place = int(np.argmax(again))
            raise self._fault(int(block.addresses[starts[place]]), "again", int(opened[place]))
        self._closed[opened] = True
        inner = np.ones(block.rows, dtype=bool)
        inner[starts] = False
        lines: dict[str, NDArray[Any]] = {name: block.groups[name] for name in self._constant}
        if block.weight is not None:
            lines["weight"] = block.weight
        for name, line in lines.items():
            differs: Mask = inner & (np.diff(line, prepend=line[:1]) != 0)
            if differs.any():
                row = int(np.argmax(differs))
                raise self._fault(int(block.addresses[row]), name, int(codes[row]))
        return block


def query_of(block: Block) -> NDArray[Any]:
    """Return the set codes of a block's rows; one set where no role tells."""
    roles = next(iter(block.models.values()), {})
    return roles[QUERY][0] if QUERY in roles else np.zeros(block.rows)


def facts(block: Block) -> dict[str, Any]:
    """Return what a block says of all rows that were read, kept or not."""
    return {
        "start": block.start,
        "read": block.read,
        "missing": block.missing,
        "dropped": block.dropped,
        "faults": block.faults,
        "digest": block.digest,
        "used": block.used,
        "stopped": block.stopped,
    }


def bare(block: Block) -> Block:
    """Return a block's rows without what is said of all rows read."""
    return replace(block, start=block.stop, read=0, missing={}, dropped=0, faults={}, digest=0, used=0, stopped=None)


def cut(block: Block, start: int, stop: int) -> Block:
    """Return some of a block's kept rows."""
    return _with(block, lambda values: values[..., start:stop])


def joined(blocks: Sequence[Block]) -> Block:
    """Return the rows of several blocks as one; arrays that models share stay shared."""
    if len(blocks) == 1:
        return blocks[0]
    last = blocks[-1]
    made: dict[int, NDArray[Any]] = {}

    def gather(pick: Callable[[Block], NDArray[Any]]) -> NDArray[Any]:
        pieces = [pick(block) for block in blocks]
        if id(pieces[-1]) not in made:
            made[id(pieces[-1])] = np.ascontiguousarray(np.concatenate(pieces, axis=-1))
        return made[id(pieces[-1])]

    return replace(
        last,
        addresses=gather(lambda block: block.addresses),
        models={model: {role: gather(_role(model, role)) for role in roles} for model, roles in last.models.items()},
        weight=None if last.weight is None else gather(_weight),
        groups={name: gather(_entry("groups", name)) for name in last.groups},
        origins={name: gather(_entry("origins", name)) for name in last.origins},
        units=None if last.units is None else gather(_units),
    )


def _role(model: str, role: str) -> Callable[[Block], NDArray[Any]]:
    return lambda block: block.models[model][role]


def _entry(kind: str, name: str) -> Callable[[Block], NDArray[Any]]:
    return lambda block: getattr(block, kind)[name]


def _weight(block: Block) -> NDArray[Any]:
    assert block.weight is not None
    return block.weight


def _units(block: Block) -> NDArray[Any]:
    assert block.units is not None
    return block.units


def _with(block: Block, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Block:
    made: dict[int, NDArray[Any]] = {}

    def changed(values: NDArray[Any]) -> NDArray[Any]:
        if id(values) not in made:
            made[id(values)] = np.ascontiguousarray(change(values))
        return made[id(values)]

    def each(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {name: changed(values) for name, values in arrays.items()}

    return replace(
        block,
        addresses=changed(block.addresses),
        models={model: each(roles) for model, roles in block.models.items()},
        weight=None if block.weight is None else changed(block.weight),
        groups=each(block.groups),
        origins=each(block.origins),
        units=None if block.units is None else changed(block.units),
    )


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


def explain_fault(reader: BlockReader, name: str, found: Breach) -> str:
    """Word a fault of a block: an unknown label, or a target that differs between files."""
    if name.endswith("\0other"):
        label = reader.tables[int(name.split("\0")[0])].label
        target = reader.selection.target
        assert target is not None
        return (
            f"{reader.where(target.table, found.row)}: the target is another one in {label} "
            f"({found.count} such rows); if rows belong together by a key, add --id COLUMN"
        )
    place, column = name.split("\0")
    table = reader.tables[int(place)]
    text = cell(table, column, reader.row_of(int(place), found.row))
    where = f"{reader.where(int(place), found.row)}, column {printable(column)!r}: label {printable(text)!r}"
    count = f" ({found.count} such rows)" if found.count > 1 else ""
    if reader.rule.positive is not None:
        return f"{where} is a third label{count}; --positive-label {reader.rule.positive} allows one other"
    classes = ", ".join(printable(label) for label in reader.rule.classes[:12])
    return f"{where} is no class{count}; the classes are {classes}; name them with --classes if they are others"


def cell(table: Table, column: str, row: int) -> str:
    """Read one text cell again, for a message."""
    start = 0
    for piece in decoded(table.read({column: Kind.TEXT})):
        texts = piece[column]
        assert isinstance(texts, Texts)
        if row < start + len(texts.codes):
            code = int(texts.codes[row - start])
            return texts.words[code] if code >= 0 else ""
        start += len(texts.codes)
    return ""
