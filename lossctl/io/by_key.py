"""Rows of several tables that belong together by a key: parted by a hash of it, on disk if there are many, and paired.

So memory does not grow with the tables, and the order in which rows stood leaves no trace.
"""

from __future__ import annotations

import os
import weakref
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property, partial, reduce
from itertools import pairwise, permutations
from threading import Event, Lock
from typing import IO, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossctl.core.block import Hashes, Pending
from lossctl.core.domain import label
from lossctl.errors import DataError, printable
from lossctl.io.by_position import EVERYTHING, ByPosition, Columns, Rows, Share, shares_between
from lossctl.io.table import Column, Keys, Kind, Numbers, Piece, Table, Texts, Vocabulary, decoded

BLOCK_ROWS: Final = 49_152  # rows that a block has at most on average
BUCKET_BITS: Final = 8
BUCKETS: Final = 1 << BUCKET_BITS
RUN_ROWS: Final = 1 << 18  # rows that are parted together
HELD_BYTES: Final = 5 << 26  # bytes that the tables of a join keep in memory before any go to the file
WORD_BYTES: Final = 8
NULL: Final = np.uint64(0x7FF8_0000_0000_0001)  # a NaN of its own stands for null
EXAMPLES: Final = 3
EMPTY_KEY: Final = "the key is empty; --id-missing drop leaves such rows out"

Words = NDArray[np.uint64]  # (lines, rows) of one table: line 0 is the hash of the key


class ByKey(ByPosition):
    """Tables whose rows belong together by a key; by their position, too, where all keys ascend alike.

    drop_unpaired: leave out the rows whose keys not all tables have, which are an error otherwise. keep_rows: keep the
    first table's row numbers, for `rows_at`. several_models: as of `ByPosition`. has_targets: whether the last table is
    the truth, so that a key which it lacks is one that no model need have.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        key: Sequence[str],
        threads: int,
        *,
        drop_unpaired: bool = False,
        keep_rows: bool = False,
        several_models: bool = False,
        has_targets: bool = False,
    ) -> None:
        super().__init__(tables, key)
        self.advice = ""
        self.has_targets = has_targets
        self.several_models = several_models
        self.threads = threads
        self.drop_unpaired = drop_unpaired
        self.keep_rows = keep_rows
        self._columns: Columns = ()  # of the rows on disk
        self._parts: list[Part] = []
        self._unpaired: dict[Part, list[int]] = {}
        self._absent: dict[Part, Counter[tuple[int, int]]] = {}
        self._without_keys: list[list[int]] = [[] for _ in tables]  # counts of rows without a key
        self._begins = True

    def feeds(
        self, columns: Columns, parts: int, *, short: bool = False, share: Share = EVERYTHING
    ) -> list[Iterator[Pending[Rows]]]:
        """Return at most `parts` streams that have all rows of a share between them."""
        if self._ascend_alike:
            return super().feeds(columns, parts, short=short, share=share)
        self._part(columns)
        return [self._feed_parts(share)]

    def shares(self, columns: Columns, count: int) -> list[Share]:
        """Cut all rows into so many shares, nearly equal ones: at block addresses, or where buckets of keys begin."""
        if self._ascend_alike:
            return super().shares(columns, count)
        self._part(columns)
        starts, rows = [part.start for part in self._parts], self._parts[-1].end
        bounds = dict.fromkeys(starts[bisect_right(starts, k * rows // count) - 1] for k in range(count))
        return shares_between([*bounds], count)

    @cached_property
    def _ascend_alike(self) -> bool:
        """Whether all tables hold the same ascending keys; they are read only as far as they do."""
        columns = [(place, dict.fromkeys(self.key, Kind.KEY)) for place in range(len(self.tables))]
        last = None
        for pending in ByPosition(self.tables).feeds(columns, 1)[0]:
            rows = pending.make()
            if rows.stopped is not None:
                return False
            first, *more = (piece.keys(self.key) for _, piece in rows.pieces)
            if not ascends(last, first.order) or not all(same_keys(first, keys) for keys in more):
                return False
            last = first.order
        return True

    # parting ---------------------------------------------------------------------------------------------------------

    def _part(self, columns: Columns) -> None:
        """Read all tables, and part their rows by the hashes of their keys."""
        if self._columns == columns and self._parts:
            return
        self._columns, self._parts = columns, []
        self._vocabularies = {
            (i, name): Vocabulary(partial(self.tables[place].keeps_words, name))
            for i, (place, kinds) in enumerate(columns)
            for name in kinds
        }
        self._lines: dict[tuple[int, str], slice] = {}
        self._without_keys = [[] for _ in self.tables]
        self._spills = [self._parted(place) for place in range(len(self.tables))]
        counts = [spill.counts() for spill in self._spills]
        if not self.drop_unpaired and any((count != counts[0]).any() for count in counts):
            raise self._mismatch()
        # the number of rows alone decides what a block is, so that the same rows give the same bits
        self._bits = max(0, (self._spills[0].rows - 1) // BLOCK_ROWS).bit_length()
        together = 1 << max(0, BUCKET_BITS - self._bits)
        most = np.maximum.reduce(counts)  # rows of a table, where the tables differ: addresses for all that may be left
        ends = [0, *np.cumsum(most).tolist()]
        firsts = range(0, BUCKETS, together)
        self._parts = [Part(first, first + together, ends[first], ends[first + together]) for first in firsts]

    def _parted(self, place: int) -> Spill:
        """Read a table once and part its rows."""
        spill = Spill(HELD_BYTES // len(self.tables))
        entries = [i for i, (owner, _) in enumerate(self._columns) if owner == place]
        readings = [dict(self._columns[i][1]) for i in entries]
        key_first = not readings or any(name in readings[0] for name in self.key)  # the key is a piece of its own
        if key_first:
            readings.insert(0, {})
        readings[0] = {**dict.fromkeys(self.key, Kind.KEY), **readings[0]}
        feeds = ByPosition([self.tables[place]]).feeds([(0, kinds) for kinds in readings], self.threads)
        over = Event()

        def words(feed: Iterator[Pending[Rows]]) -> Iterator[KeyedRows]:
            for pending in feed:
                if over.is_set():
                    return
                rows = pending.make()
                if rows.stopped is not None:
                    raise rows.stopped
                pieces = [piece for _, piece in rows.pieces]
                keys = pieces[0].keys(self.key)
                if keys.null is not None and not self.drop_unpaired:
                    raise self._without_key(place, rows.start, pieces[0])
                columns = zip(entries, pieces[1:] if key_first else pieces, strict=True)
                keyed = KeyedRows(self._words(place, rows.start, keys, dict(columns)), keys.check)
                if keys.null is not None:
                    self._without_keys[place].append(int(np.count_nonzero(keys.null)))
                    keyed = keyed.take(np.flatnonzero(~keys.null))
                yield keyed

        if len(feeds) == 1:
            spill.fill(words(feeds[0]))
            return spill
        with ThreadPoolExecutor(len(feeds), thread_name_prefix="lossctl-join") as pool:
            try:
                for task in [pool.submit(spill.fill, words(feed)) for feed in feeds]:
                    task.result()
            finally:
                over.set()  # one that failed, or was interrupted, ends the others too
        return spill

    def _without_key(self, place: int, start: int, piece: Piece) -> DataError:
        """Say which row is the first without a key."""
        nulls = {name: piece.column(name, Keys).null for name in self.key}
        name, null = next((name, null) for name, null in nulls.items() if null is not None)
        row = start + int(np.argmax(null))
        return DataError(f"{self.tables[place].where(row)}, column {printable(name)!r}: {EMPTY_KEY}")

    def _words(self, place: int, start: int, keys: Keys, pieces: Mapping[int, Piece]) -> Words:
        """Return rows as words: the hash, the row number if it is kept, and the columns."""
        lines = [keys.hashes]
        if self.keep_rows and place == 0:
            lines.append(np.arange(start, start + keys.rows, dtype=np.uint64))
        for i, piece in pieces.items():
            for name in self._columns[i][1]:
                words = self._words_of(i, name, piece[name])
                self._lines[i, name] = slice(len(lines), len(lines) + len(words))
                lines += words
        return np.array(lines, dtype=np.uint64)

    def _words_of(self, i: int, name: str, column: Column) -> list[Hashes]:
        if isinstance(column, Texts):
            return [self._vocabularies[i, name].codes(column).view(np.uint64)]
        assert isinstance(column, Numbers)
        values = np.ascontiguousarray(column.values).view(np.uint64)
        return list(values if column.null is None else np.where(column.null, NULL, values))

    def _piece(self, i: int, words: Words) -> Piece:
        """Return words as the columns of an entry of `Columns`."""
        columns: dict[str, Column] = {}
        for name, kind in self._columns[i][1].items():
            lines = words[self._lines[i, name]]
            if kind is Kind.TEXT:
                columns[name] = Texts(lines[0].view(np.int64), tuple(self._vocabularies[i, name].words))
            else:
                values = lines.view(np.float64)
                null = np.logical_or.reduce(lines == NULL) if np.isnan(np.minimum.reduce(values, axis=None)) else None
                columns[name] = Numbers(values, null if null is not None and null.any() else None)
        return Piece(columns)

    # pairing ---------------------------------------------------------------------------------------------------------

    def _feed_parts(self, share: Share) -> Iterator[Pending[Rows]]:
        """Stream the rows in the order of their hashes, one bucket or part of a bucket at a time.

        What is left out is counted of those of the last share alone, rows without a key where the first ones are read.
        """
        start, stop = share
        self._unpaired.clear()
        self._absent.clear()
        self._begins = start == 0
        for part in self._parts:
            if part.start == part.end or part.start < start or (stop is not None and part.start >= stop):
                continue
            tables = cache(partial(self._paired, part))  # sorted and paired when first needed, by whichever thread
            cuts = self._cuts(tables(), part) if self._bits > BUCKET_BITS else [0, part.end - part.start]
            for low, high in pairwise(cuts):
                if low < high:
                    yield Pending(high - low, partial(self._rows, tables, part.start + low, slice(low, high)))

    def _cuts(self, tables: Sequence[Words], part: Part) -> list[int]:
        """Return where the rows of a bucket begin whose hashes begin with other bits."""
        shift = self._bits - BUCKET_BITS
        edges = np.arange(part.first << shift, (part.stop << shift) + 1)
        return [int(cut) for cut in np.searchsorted(first_bits(tables[0][0], self._bits), edges)]

    def _rows(self, tables: Callable[[], list[Words]], start: int, rows: slice) -> Rows:
        """Return some rows of a bucket."""
        try:
            words = [table[:, rows] for table in tables()]
        except DataError as error:
            return Rows(start, 0, [], stopped=error)
        if not words[0].shape[1]:  # all were left out
            return Rows(start, 0, [])
        pieces = [(place, self._piece(i, words[place])) for i, (place, _) in enumerate(self._columns)]
        return Rows(start, words[0].shape[1], pieces, words[0][0])

    def _sorted(self, place: int, part: Part) -> KeyedRows:
        """Return the rows of a table in some buckets, in the order of their hashes."""
        rows = self._spills[place].read(part.first, part.stop)
        return rows.take(order_of(rows.words[0], BUCKET_BITS if part.stop - part.first == 1 else 0))

    def _paired(self, part: Part) -> list[Words]:
        """Return the words of each table; raise DataError where a key stands twice, or is not in every table."""
        tables = [self._sorted(place, part) for place in range(len(self.tables))]
        if self.drop_unpaired:
            tables = self._shared(part, tables)
        keys, checks = tables[0].words[0], tables[0].checks
        alike = all(np.array_equal(keys, rows.words[0]) and same_checks(checks, rows.checks) for rows in tables[1:])
        if not alike or (keys[1:] == keys[:-1]).any():
            raise self._mismatch()
        return [rows.words for rows in tables]

    def _shared(self, part: Part, tables: Sequence[KeyedRows]) -> list[KeyedRows]:
        """Return the rows of tables whose keys are in all of them, and count the others."""
        keys = [rows.words[0] for rows in tables]
        if any((hashes[1:] == hashes[:-1]).any() for hashes in keys):
            raise self._mismatch()
        shared = reduce(partial(np.intersect1d, assume_unique=True), keys)
        self._unpaired[part] = [len(hashes) - len(shared) for hashes in keys]
        if any(self._unpaired[part]):
            union = reduce(np.union1d, keys)
            couples = permutations(range(len(keys)), 2)
            needed = [np.intersect1d(hashes, keys[-1]) for hashes in keys] if self.has_targets else keys
            absent = {(i, j): len(np.setdiff1d(needed[j], keys[i], assume_unique=True)) for i, j in couples}
            self._absent[part] = Counter({**absent, (-1, -1): len(union) - len(shared)})
        return [rows.take(np.searchsorted(hashes, shared)) for rows, hashes in zip(tables, keys, strict=True)]

    def unpaired(self) -> Mapping[int, int]:
        counts = np.sum(list(self._unpaired.values()), axis=0, initial=0) + np.array(
            [sum(counts) * self._begins for counts in self._without_keys]
        )
        return {place: count for place, count in enumerate(counts.tolist()) if count}

    def absent_keys(self) -> Counter[tuple[int, int]]:
        return sum(self._absent.values(), Counter())

    def _mismatch(self) -> DataError:
        """Say which keys stand twice, or else which are not in all tables."""
        repeated, unpaired = compared_keys(self._spills)
        for table, again in zip(self.tables, repeated, strict=True):
            if again.count:
                return DataError(repeated_fault(table.label, self.key, *again.shown(table, self.key)))
        first = self.tables[0]
        for table, (missing, extra) in zip(self.tables[1:], unpaired, strict=True):
            advice = "; --id-missing drop leaves such rows out"
            if missing.count == self._spills[0].rows:  # the tables share no key
                advice = "; if the files are parts of one table, add --concat" if self.several_models else ""
            if missing.count or extra.count:
                sides = missing.shown(first, self.key), extra.shown(table, self.key)
                return DataError(unpaired_fault(first.label, table.label, self.key, *sides) + advice)
        return DataError(f"{column_words(self.key)}: two keys have one hash of 64 bits; rename one of them")

    def _part_at(self, address: int) -> Part:
        return next(part for part in self._parts if part.start <= address < part.end)

    def row_of(self, table: int, address: int) -> int:
        if not self._parts:
            return address
        part = self._part_at(address)
        key = self._first_words(part)[0][address - part.start]
        row = 0
        for piece in decoded(self.tables[table].read(dict.fromkeys(self.key, Kind.KEY))):
            places = np.flatnonzero(piece.keys(self.key).hashes == key)
            if len(places):
                return row + int(places[0])
            row += piece.rows
        raise AssertionError(address)

    def rows_at(self, addresses: NDArray[np.int64]) -> NDArray[np.int64]:
        if not self._parts:
            return addresses
        part = self._part_at(int(addresses[0]))
        return self._first_words(part)[1][addresses - part.start].astype(np.int64)

    def _first_words(self, part: Part) -> Words:
        """Return the words of the first table, in the order of their addresses."""
        return self._paired(part)[0] if self.drop_unpaired else self._sorted(0, part).words


def ascends(before: Any, order: Any) -> bool:
    """Whether keys ascend, also from the last of those `before`; text by its code points."""
    if order is None or (before is not None and type(before) is not type(order)):
        return False
    if isinstance(order, np.ndarray):
        return bool((order[1:] > order[:-1]).all()) and (before is None or bool(before[-1] < order[0]))
    import pyarrow.compute as pc

    rise = len(order) == 1 or pc.all(pc.less(order[:-1], order[1:])).as_py()
    return rise and (before is None or before[-1].as_py() < order[0].as_py())


def same_keys(first: Keys, second: Keys) -> bool:
    """Whether two pieces hold the same keys in the same order."""
    if second.null is not None or (first.hashes != second.hashes).any():
        return False
    return same_checks(first.check, second.check)


def same_checks(first: Hashes | None, second: Hashes | None) -> bool:
    """Whether second hashes are equal; None stands for those of whole numbers, which are all 0."""
    if first is None or second is None:
        return all(checks is None or not checks.any() for checks in (first, second))
    return np.array_equal(first, second)


class KeyedRows(Column):
    """Rows of one table as words, and the second hashes of their keys, None where all keys are whole numbers."""

    ARRAYS = ("words", "checks")

    def __init__(self, words: Words, checks: Hashes | None = None) -> None:
        self.words, self.checks = words, checks


class Part(NamedTuple):
    """Buckets `first` to `stop`, whose rows have the addresses `start` to `end`."""

    first: int
    stop: int
    start: int
    end: int


def first_bits(hashes: Hashes, bits: int) -> NDArray[np.int64]:
    """Return the first bits of each hash as a number."""
    return (hashes >> np.uint64(64 - bits)).astype(np.int64) if bits else np.zeros(len(hashes), dtype=np.int64)


def order_of(hashes: Hashes, alike: int) -> NDArray[np.int64]:
    """Return the order that sorts hashes whose first `alike` bits are equal.

    They are sorted by two digits of 16 bits, by radix, which is several times as quick as by their values.
    """
    digits = hashes << np.uint64(alike)
    order = np.argsort((digits >> np.uint64(32)).astype(np.uint16), kind="stable")
    order = order[np.argsort((digits >> np.uint64(48)).astype(np.uint16)[order], kind="stable")]
    ordered = hashes[order]
    if (ordered[1:] < ordered[:-1]).any():  # two differ only in the bits that follow: few, which sort in one go
        order = order[np.argsort(ordered, kind="stable")]
    return order


@dataclass(frozen=True)
class Run:
    """Some rows, in the order of their buckets; `ends[b]` counts the rows of buckets up to b. In memory or a file.

    checked: whether the last line is the second hash of the keys.
    """

    ends: NDArray[np.int64]
    words: Words | None
    offset: int
    lines: int
    checked: bool


class Spill:
    """The rows of one table, parted by the hashes of their keys; several threads may add to it.

    most: the bytes of it that stay in memory.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._runs: list[Run] = []
        self._file: IO[bytes] | None = None
        self._held = 0
        self._end = 0
        self._lock = Lock()

    def fill(self, pieces: Iterable[KeyedRows]) -> None:
        """Add rows, many pieces at a time."""
        waiting: list[KeyedRows] = []
        rows = 0
        for piece in pieces:
            waiting.append(piece)
            rows += piece.rows
            if rows >= RUN_ROWS:
                self._add(waiting)
                waiting, rows = [], 0
        if waiting:
            self._add(waiting)

    def _add(self, pieces: Sequence[KeyedRows]) -> None:
        """Part rows, and keep them or write them out."""
        rows = KeyedRows.joined(pieces)
        words, checked = rows.words, rows.checks is not None
        if rows.checks is not None:
            words = np.concatenate([words, rows.checks[np.newaxis]])
        buckets = first_bits(words[0], BUCKET_BITS).astype(np.uint8)
        order = np.argsort(buckets, kind="stable")  # a radix sort
        ends = np.cumsum(np.bincount(buckets, minlength=BUCKETS))
        parted = np.take(words, order, axis=1)
        with self._lock:
            if self._held + parted.nbytes <= self._most:
                self._held += parted.nbytes
                self._runs.append(Run(ends, parted, 0, len(parted), checked))
                return
            if self._file is None:
                self._file = self._opened()
            offset = self._end
            self._end += parted.nbytes
            self._runs.append(Run(ends, None, offset, len(parted), checked))
        self._write(parted, offset)

    def _opened(self) -> IO[bytes]:
        import tempfile

        try:
            file = tempfile.TemporaryFile(prefix="lossctl-join-")  # noqa: SIM115  # goes with the rows
        except OSError as error:
            raise _no_room(str(error.strerror or error)) from None
        weakref.finalize(self, file.close)
        return file

    def _write(self, parted: Words, offset: int) -> None:
        assert self._file is not None
        view = parted.data.cast("B")
        try:
            while view:
                written = os.pwrite(self._file.fileno(), view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            import tempfile

            raise _no_room(f"{tempfile.gettempdir()}: {error.strerror}") from None

    @property
    def rows(self) -> int:
        return int(self.counts().sum())

    def counts(self) -> NDArray[np.int64]:
        """Return the rows of each bucket."""
        counts = [np.zeros(BUCKETS, dtype=np.int64), *(np.diff(run.ends, prepend=0) for run in self._runs)]
        return np.add.reduce(counts)

    def read(self, first: int, stop: int) -> KeyedRows:
        """Return the rows of buckets first to stop, in no particular order."""
        if not self._runs:
            return KeyedRows(np.empty((1, 0), np.uint64))
        parts = [(self._part(run, first, stop), run.checked) for run in self._runs]
        return KeyedRows.joined(
            [KeyedRows(part[:-1], part[-1]) if checked else KeyedRows(part) for part, checked in parts]
        )

    def _part(self, run: Run, first: int, stop: int) -> Words:
        begin, end = int(run.ends[first - 1]) if first else 0, int(run.ends[stop - 1])
        if run.words is not None:
            return run.words[:, begin:end]
        assert self._file is not None
        part = np.empty((run.lines, end - begin), dtype=np.uint64)
        rows = int(run.ends[-1])
        for line in range(run.lines):
            offset = run.offset + (line * rows + begin) * WORD_BYTES
            os.preadv(self._file.fileno(), [memoryview(part[line]).cast("B")], offset)
        return part


def _no_room(reason: str) -> DataError:
    return DataError(
        f"{reason}: the join by --id keeps its rows in temporary files; set TMPDIR to a folder with more room"
    )


def column_words(key: Sequence[str]) -> str:
    """Name the columns of a key for a message."""
    return f"column{'s' if len(key) > 1 else ''} {', '.join(repr(printable(name)) for name in key)}"


def repeated_fault(label: str, key: Sequence[str], count: int, examples: Sequence[str]) -> str:
    """Say of an input that keys stand in it more than once."""
    return f"{label}: {column_words(key)}: {count} keys stand more than once ({_listed(count, examples)})"


def unpaired_fault(
    first: str, second: str, key: Sequence[str], missing: tuple[int, Sequence[str]], extra: tuple[int, Sequence[str]]
) -> str:
    """Say of a second input which keys of the first one are not in it, and which are in it alone: counts, examples."""
    sides = ((*missing, f"of {first} missing"), (*extra, "not in it"))
    faults = [f"{count} {words} ({_listed(count, examples)})" for count, examples, words in sides if count]
    return f"{second}: {column_words(key)}: keys differ: {', '.join(faults)}"


def _listed(count: int, examples: Sequence[str]) -> str:
    return ", ".join(examples) + (", ..." if count > EXAMPLES else "")


class KeyCount:
    """Keys of one kind: how many there are, and the hashes of the first ones, at most so many."""

    def __init__(self, most: int | None = None) -> None:
        self.count, self._most, self._hashes = 0, most, list[Hashes]()

    def add(self, hashes: Hashes) -> None:
        """Add keys."""
        self._hashes.append(hashes if self._most is None else hashes[: max(self._most - self.count, 0)])
        self.count += len(hashes)

    def shown(self, table: Table, key: Sequence[str]) -> tuple[int, tuple[str, ...]]:
        """Return how many there are, and a few of them in the order of the rows of a table."""
        return self.count, tuple(words_of(table, key, np.concatenate(self._hashes))) if self.count else ()


def compared_keys(
    spills: Sequence[Spill], most: int | None = None
) -> tuple[list[KeyCount], list[tuple[KeyCount, KeyCount]]]:
    """Return each table's repeated keys, and for each but the first table those of the first one alone and its own.

    most: how many hashes are kept of each kind, None for all.
    """
    repeated = [KeyCount(most) for _ in spills]
    unpaired = [(KeyCount(most), KeyCount(most)) for _ in spills[1:]]
    step = 1 if max(spill.rows for spill in spills) > RUN_ROWS else BUCKETS
    for start in range(0, BUCKETS, step):
        distinct: list[Hashes] = []
        for spill, again in zip(spills, repeated, strict=True):
            keys, counts = np.unique(spill.read(start, start + step).words[0], return_counts=True)
            again.add(keys[counts > 1])
            distinct.append(keys)
        for (missing, extra), keys in zip(unpaired, distinct[1:], strict=True):
            missing.add(np.setdiff1d(distinct[0], keys, assume_unique=True))
            extra.add(np.setdiff1d(keys, distinct[0], assume_unique=True))
    return repeated, unpaired


def words_of(table: Table, key: Sequence[str], hashes: Hashes) -> list[str]:
    """Return the first few of some keys, in the order of their rows."""
    words: list[str] = []
    columns = [(0, dict.fromkeys(key, kind)) for kind in (Kind.KEY, Kind.TEXT)]
    for rows in ByPosition([table]).feeds(columns, 1)[0]:
        (_, keys), (_, texts) = rows.make().pieces
        for row in np.flatnonzero(np.isin(keys.keys(key).hashes, hashes)).tolist():
            word = ",".join(printable(label(texts.column(name, Texts).word(row))) for name in key)
            if word not in words:
                words.append(word)
        if len(words) > EXAMPLES:
            break
    return words[:EXAMPLES]
