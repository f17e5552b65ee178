"""Buckets: rows of several tables parted by a hash of their key, on disk if there are many, and paired there.

So memory does not grow with the tables, and the order in which rows stood leaves no trace.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from threading import Event, Lock
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.fingerprint import Hashes
from lossctl.core.labels import label
from lossctl.errors import DataError, printable
from lossctl.io.by_position import ByPosition, Rows, Wanted
from lossctl.io.table import Column, Keys, Kind, Numbers, Piece, Raw, Table, Texts, Vocabulary, decoded, keys_of, length

EXAMPLES: Final = 3


def mismatch(tables: Sequence[Table], key: str, hashes: Sequence[Hashes]) -> DataError:
    """Say which keys stand twice, or else which are not in all tables, from the hashes of each table's keys."""
    column = f"column {printable(key)!r}"
    ordered = [np.sort(keys) for keys in hashes]
    for table, keys in zip(tables, ordered, strict=True):
        again = np.unique(keys[1:][keys[1:] == keys[:-1]])
        if len(again):
            shown = examples(table, key, again)
            return DataError(f"{table.label}: {column}: {len(again)} keys stand more than once ({shown})")
    for table, keys in zip(tables[1:], ordered[1:], strict=True):
        missing = np.setdiff1d(ordered[0], keys, assume_unique=True)
        extra = np.setdiff1d(keys, ordered[0], assume_unique=True)
        faults = [
            f"{len(found)} {kind} ({examples(owner, key, found)})"
            for kind, owner, found in (
                (f"of {tables[0].label} missing", tables[0], missing),
                ("not in it", table, extra),
            )
            if len(found)
        ]
        if faults:
            return DataError(f"{table.label}: {column}: keys differ: " + ", ".join(faults))
    return DataError(f"{column}: two keys have one hash of 64 bits; rename one of them")


def examples(table: Table, key: str, hashes: Hashes) -> str:
    """Show a few of some keys, in the order of their rows."""
    return ", ".join(words_of(table, key, hashes)) + (", ..." if len(hashes) > EXAMPLES else "")


def words_of(table: Table, key: str, hashes: Hashes) -> list[str]:
    """Return the first few of some keys, in the order of their rows."""
    words: list[str] = []
    for rows in ByPosition([table]).feeds([(0, {key: Kind.KEY}), (0, {key: Kind.TEXT})], 1)[0]:
        (_, keys), (_, texts) = rows.decoded()[1]
        text = texts[key]
        assert isinstance(text, Texts)
        for row in np.flatnonzero(np.isin(keys_of(keys, key).hashes, hashes)).tolist():
            word = printable(label(text.words[int(text.codes[row])]))
            if word not in words:
                words.append(word)
        if len(words) > EXAMPLES:
            break
    return words[:EXAMPLES]


Words = NDArray[np.uint64]  # (lines, rows); line 0 is the hash, the last one the check if there is one

BUCKET_BITS: Final = 8
BUCKETS: Final = 1 << BUCKET_BITS
RUN_ROWS: Final = 1 << 19  # rows that are parted together
HELD_BYTES: Final = 1 << 26  # bytes that stay in memory before any go to the file
WORD_BYTES: Final = 8


def bucket_of(hashes: Hashes, bits: int) -> NDArray[np.int64]:
    """Return the first bits of each hash as a number."""
    return (hashes >> np.uint64(64 - bits)).astype(np.int64) if bits else np.zeros(len(hashes), dtype=np.int64)


@dataclass(frozen=True)
class Run:
    """Some rows, in the order of their buckets; `ends[b]` counts the rows of buckets up to b. In memory or a file."""

    ends: NDArray[np.int64]
    words: Words | None
    offset: int
    lines: int
    checked: bool

    @property
    def rows(self) -> int:
        return int(self.ends[-1])


class Spill:
    """The rows of one table; several threads may add to it."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._file: IO[bytes] | None = None
        self._held = 0
        self._end = 0
        self._lock = Lock()

    def add(self, words: Words, checked: bool) -> None:
        """Take rows, part them, and keep them or write them out; `checked` says that the last line is a check."""
        buckets = bucket_of(words[0], BUCKET_BITS).astype(np.uint8)
        order = np.argsort(buckets, kind="stable")  # a radix sort
        ends = np.cumsum(np.bincount(buckets, minlength=BUCKETS))
        parted = np.take(words, order, axis=1)
        with self._lock:
            if self._held + parted.nbytes <= HELD_BYTES:
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
            raise _no_room(f"{tempfile.gettempdir()}: {error.strerror}") from None

    @property
    def rows(self) -> int:
        return sum(run.rows for run in self._runs)

    def counts(self) -> NDArray[np.int64]:
        """Return the rows of each bucket."""
        return np.sum([np.diff(run.ends, prepend=0) for run in self._runs], axis=0, initial=0) + np.zeros(BUCKETS, int)

    def read(self, first: int, stop: int) -> tuple[Words, Words]:
        """Return the (lines, rows) words and the (rows,) checks of buckets first to stop, in no particular order."""
        parts = [self._part(run, first, stop) for run in self._runs]
        checks = [
            part[-1] if run.checked else np.zeros(part.shape[1], np.uint64)
            for run, part in zip(self._runs, parts, strict=True)
        ]
        words = [part[:-1] if run.checked else part for run, part in zip(self._runs, parts, strict=True)]
        if not words:
            return np.empty((1, 0), np.uint64), np.empty(0, np.uint64)
        return np.concatenate(words, axis=1), np.concatenate(checks)

    def _part(self, run: Run, first: int, stop: int) -> Words:
        begin, end = int(run.ends[first - 1]) if first else 0, int(run.ends[stop - 1])
        if run.words is not None:
            return run.words[:, begin:end]
        assert self._file is not None
        part = np.empty((run.lines, end - begin), dtype=np.uint64)
        for line in range(run.lines):
            offset = run.offset + (line * run.rows + begin) * WORD_BYTES
            os.preadv(self._file.fileno(), [memoryview(part[line]).cast("B")], offset)
        return part


def _no_room(why: str) -> DataError:
    return DataError(
        f"{why}: the join by --id keeps its rows in temporary files; set TMPDIR to a folder with more room"
    )


BLOCK_ROWS: Final = 49_152  # rows that a block has at most on average
NULL: Final = np.uint64(0x7FF8_0000_0000_0001)  # a NaN of its own stands for null


class Buckets:
    """The rows of all tables, parted by the hashes of their keys."""

    def __init__(self, tables: Sequence[Table], key: str, wanted: Wanted, threads: int, keep_rows: bool) -> None:
        self.tables = tables
        self.key = key
        self.keep_rows = keep_rows
        self.wanted = wanted
        self._words = {(i, name): Vocabulary() for i, (_, kinds) in enumerate(wanted) for name in kinds}
        self._widths: dict[tuple[int, str], int] = {}
        self._spills = [self._parted(place, threads) for place in range(len(tables))]
        counts = [spill.counts() for spill in self._spills]
        if any((count != counts[0]).any() for count in counts):
            raise self._mismatch()
        # the number of rows alone decides what a block is, so that the same rows give the same bits
        self._bits = max(0, (self._spills[0].rows - 1) // BLOCK_ROWS).bit_length()
        together = 1 << max(0, BUCKET_BITS - self._bits)
        ends = np.cumsum(counts[0])
        self._parts = [
            (first, first + together, int(ends[first - 1]) if first else 0, int(ends[first + together - 1]))
            for first in range(0, BUCKETS, together)
        ]

    # parting ------------------------------------------------------------------------------------------------------

    def _parted(self, place: int, threads: int) -> Spill:
        """Read a table once and part its rows."""
        table, spill = self.tables[place], Spill()
        mine = [(i, kinds) for i, (owner, kinds) in enumerate(self.wanted) if owner == place]
        asked: list[tuple[int, dict[str, Kind]]] = [(0, dict(kinds)) for _, kinds in mine]
        alone = not asked or self.key in asked[0][1]
        asked = [(0, {self.key: Kind.KEY}), *asked] if alone else [(0, {self.key: Kind.KEY, **asked[0][1]}), *asked[1:]]
        feeds = ByPosition([table]).feeds(asked, threads)
        over = Event()

        def work(feed: Iterator[Rows]) -> None:
            held: list[tuple[Words, Hashes | None]] = []
            rows = 0
            for taken in feed:
                if over.is_set():
                    return
                count, pieces, stopped = taken.decoded()
                if stopped is not None:
                    raise stopped
                held.append(self._words_of(place, taken.start, pieces, mine, alone))
                rows += count
                if rows >= RUN_ROWS:
                    _add(spill, held)
                    held, rows = [], 0
            _add(spill, held)

        if len(feeds) == 1:
            work(feeds[0])
        else:
            with ThreadPoolExecutor(len(feeds), thread_name_prefix="lossctl-join") as pool:
                try:
                    for done in [pool.submit(work, feed) for feed in feeds]:
                        done.result()
                finally:
                    over.set()  # one that failed, or was interrupted, ends the others too
        return spill

    def _words_of(
        self,
        place: int,
        start: int,
        pieces: Sequence[tuple[int, Piece]],
        mine: Sequence[tuple[int, Mapping[str, Kind]]],
        alone: bool,
    ) -> tuple[Words, Hashes | None]:
        """Return the words of some rows, hash first, and the checks of their keys."""
        keys = keys_of(pieces[0][1], self.key)
        if keys.null is not None:
            row = int(np.argmax(keys.null))
            raise DataError(
                f"{self.tables[place].where(start + row)}, column {printable(self.key)!r}: the key is empty"
            )
        lines = [keys.hashes]
        if self.keep_rows and place == 0:
            lines.append(np.arange(start, start + len(keys.hashes), dtype=np.uint64))
        for (_, piece), (i, kinds) in zip(pieces[1:] if alone else pieces, mine, strict=True):
            for name in kinds:
                lines += self._lines(i, name, piece[name])
        return np.array(lines, dtype=np.uint64), keys.check

    def _lines(self, i: int, name: str, column: Column) -> list[Hashes]:
        """Return a column as words."""
        if isinstance(column, Texts):
            self._widths[i, name] = 1
            return [self._words[i, name].codes(column).view(np.uint64)]
        assert isinstance(column, Numbers)
        self._widths[i, name] = len(column.values)
        values = np.ascontiguousarray(column.values).view(np.uint64)
        return list(values if column.null is None else np.where(column.null, NULL, values))

    # pairing ------------------------------------------------------------------------------------------------------

    def feed(self) -> Iterator[Rows]:
        """Stream the rows in the order of their hashes, one bucket or part of a bucket at a time."""
        for first, stop, start, end in self._parts:
            if start == end:
                continue
            bucket = Bucket(self, first, stop)
            cuts = bucket.cuts(self._bits) if self._bits > BUCKET_BITS else [0, end - start]
            for low, high in pairwise(cuts):
                if low < high:
                    pieces = [
                        (place, Raw(high - low, partial(bucket.piece, i, low, high)))
                        for i, (place, _) in enumerate(self.wanted)
                    ]
                    yield Rows(start + low, high - low, pieces, partial(bucket.hashes, low, high))

    def sorted_words(self, place: int, first: int, stop: int) -> tuple[Words, Hashes]:
        """Return the words and checks of a table in some buckets, in the order of their hashes."""
        words, checks = self._spills[place].read(first, stop)
        order = order_of(words[0], BUCKET_BITS if stop - first == 1 else 0)
        return np.take(words, order, axis=1), np.take(checks, order)

    def columns(self, i: int, words: Words) -> Piece:
        """Return words as the columns of a wanted piece."""
        place, kinds = self.wanted[i]
        line = 1 + int(self.keep_rows and place == 0)
        for before, (owner, earlier) in enumerate(self.wanted[:i]):
            line += sum(self._widths[before, name] for name in earlier) if owner == place else 0
        piece: Piece = {}
        for name, kind in kinds.items():
            width = self._widths[i, name]
            values = words[line : line + width]
            line += width
            if kind is Kind.TEXT:
                piece[name] = Texts(values[0].view(np.int64), tuple(self._words[i, name].words))
            else:
                numbers = values.view(np.float64)
                null = np.logical_or.reduce(values == NULL) if np.isnan(np.minimum.reduce(numbers, axis=None)) else None
                piece[name] = Numbers(numbers, null if null is not None and null.any() else None)
        return piece

    # what goes wrong ----------------------------------------------------------------------------------------------

    def check(self, found: Sequence[tuple[Words, Hashes]]) -> None:
        """Raise DataError unless each key of some buckets stands exactly once in every table."""
        (first, checks), *others = [(words[0], checks) for words, checks in found]
        paired = all(np.array_equal(first, hashes) and np.array_equal(checks, more) for hashes, more in others)
        if not paired or (first[1:] == first[:-1]).any():
            raise self._mismatch()

    def _mismatch(self) -> DataError:
        return mismatch(self.tables, self.key, [spill.read(0, BUCKETS)[0][0] for spill in self._spills])

    def row_of(self, place: int, address: int) -> int:
        """Return the row of a table that stands at an address."""
        first, stop, start, _ = next(part for part in self._parts if part[2] <= address < part[3])
        wanted = self.sorted_words(0, first, stop)[0][0][address - start]
        row = 0
        for piece in decoded(self.tables[place].read({self.key: Kind.KEY})):
            found = np.flatnonzero(keys_of(piece, self.key).hashes == wanted)
            if len(found):
                return row + int(found[0])
            row += length(piece)
        raise AssertionError(address)

    def rows_at(self, addresses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of the first table that stand at addresses of one block."""
        first, stop, start, _ = next(part for part in self._parts if part[2] <= addresses[0] < part[3])
        return self.sorted_words(0, first, stop)[0][1][addresses - start].astype(np.int64)


class Bucket:
    """The rows of one bucket (or of a few small ones) in all tables, sorted and paired when first asked for."""

    def __init__(self, buckets: Buckets, first: int, stop: int) -> None:
        self._all = buckets
        self._first, self._stop = first, stop
        self._tables: list[Words] | None = None

    def _paired(self) -> list[Words]:
        if self._tables is None:
            found = [self._all.sorted_words(i, self._first, self._stop) for i in range(len(self._all.tables))]
            self._all.check(found)
            self._tables = [words for words, _ in found]
        return self._tables

    def cuts(self, bits: int) -> list[int]:
        """Return where the rows begin whose hashes begin with other bits."""
        prefix = bucket_of(self._paired()[0][0], bits)
        edges = np.arange(self._first << (bits - BUCKET_BITS), (self._stop << (bits - BUCKET_BITS)) + 1)
        return [int(cut) for cut in np.searchsorted(prefix, edges)]

    def hashes(self, low: int, high: int) -> Hashes:
        """Return the hashes of the keys of some rows, to be overwritten."""
        return self._paired()[0][0][low:high].copy()

    def piece(self, i: int, low: int, high: int) -> tuple[Piece, DataError | None]:
        """Return some rows of the i-th wanted piece."""
        try:
            words = self._paired()[self._all.wanted[i][0]]
        except DataError as error:
            return {}, error
        return self._all.columns(i, words[:, low:high]), None


def order_of(hashes: Hashes, known: int) -> NDArray[np.int64]:
    """Return the order that sorts hashes, of which the first `known` bits are the same.

    A hash and its place share a word: sorting words takes a third of the time of sorting places by words.
    """
    low = np.uint64((1 << len(hashes).bit_length()) - 1)
    packed = ((hashes << np.uint64(known)) & ~low) | np.arange(len(hashes), dtype=np.uint64)
    packed.sort()
    order = (packed & low).astype(np.int64)
    ordered = hashes[order]
    if (ordered[1:] < ordered[:-1]).any():  # two differ only in the bits that gave way to the place
        return np.argsort(hashes, kind="stable")
    return order


def _add(spill: Spill, held: Sequence[tuple[Words, Hashes | None]]) -> None:
    """Hand rows over, with their checks as the last line if any have one."""
    if not held:
        return
    words = np.concatenate([words for words, _ in held], axis=1)
    if all(check is None for _, check in held):
        spill.add(words, checked=False)
        return
    checks = [np.zeros(words.shape[1], np.uint64) if check is None else check for words, check in held]
    spill.add(np.concatenate([words, np.concatenate(checks)[np.newaxis]]), checked=True)


class Joined:
    """Tables whose rows belong together by a key."""

    def __init__(self, tables: Sequence[Table], key: str, threads: int, keep_rows: bool = False) -> None:
        self.tables = tables
        self.key = key
        self.threads = threads
        self.keep_rows = keep_rows
        self._buckets: Buckets | None = None

    def feeds(self, wanted: Wanted, parts: int) -> list[Iterator[Rows]]:
        """Return at most `parts` streams that have all rows between them."""
        if self._ascend_alike():
            return ByPosition(self.tables, self.key).feeds(wanted, parts)
        self._buckets = Buckets(self.tables, self.key, wanted, self.threads, self.keep_rows)
        return [self._buckets.feed()]

    def row_of(self, place: int, address: int) -> int:
        """Return the row of a table that stands at an address."""
        return address if self._buckets is None else self._buckets.row_of(place, address)

    def rows_at(self, addresses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of the first table that stand at addresses of one block."""
        return addresses if self._buckets is None else self._buckets.rows_at(addresses)

    def _ascend_alike(self) -> bool:
        """Whether all tables hold the same ascending keys; they are read only as far as they do."""
        wanted = [(place, {self.key: Kind.KEY}) for place in range(len(self.tables))]
        last = None
        for rows in ByPosition(self.tables).feeds(wanted, 1)[0]:
            _, pieces, stopped = rows.decoded()
            if stopped is not None:
                return False
            first, *others = (keys_of(piece, self.key) for _, piece in pieces)
            if not ascends(last, first.order) or not all(same_keys(first, other) for other in others):
                return False
            last = first.order
        return True


def ascends(before: Any, order: Any) -> bool:
    """Whether keys ascend, also from the last of those `before`; text by its code points."""
    if order is None or (before is not None and type(before) is not type(order)):
        return False
    if isinstance(order, np.ndarray):
        return bool((order[1:] > order[:-1]).all()) and (before is None or bool(before[-1] < order[0]))
    import pyarrow.compute as pc

    rise = len(order) == 1 or pc.all(pc.less(order[:-1], order[1:])).as_py()
    return rise and (before is None or before[-1].as_py() < order[0].as_py())


def same_keys(left: Keys, right: Keys) -> bool:
    """Whether two pieces hold the same keys in the same order."""
    if right.null is not None or (left.hashes != right.hashes).any():
        return False
    return (left.check is None) == (right.check is None) and (
        left.check is None or right.check is None or not (left.check != right.check).any()
    )
