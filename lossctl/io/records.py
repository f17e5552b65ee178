"""Records: text cut into pieces of whole records that any thread may decode, and records read strictly one by one.

`TextTable` is what the tables made of such text have in common.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK
from lossctl.core.block import Pending, ready
from lossctl.errors import DataError, listed
from lossctl.io.source import BLANKS, NONE, Dialect
from lossctl.io.table import Column, FileTable, Kind, Piece
from lossctl.numerics.array import Mask

STEP: Final = 1 << 20  # bytes read at a time
LONGEST: Final = 1 << 25  # bytes that a chunk may have, whatever the number of its records
LONG_FIELD: Final = 100  # lines of a record beyond which its quotes may belong to two rows
MOST_QUOTES: Final = 0.9  # of the characters of a text: fields of escaped quotes alone have four of five
NEWLINE, RETURN, SPACE, TAB = b"\n\r \t"
RETURNS: Final = re.compile(rb"\r(?=[^\n])")
LINE: Final = re.compile(rb"([^\r\n]*+)(?:\r\n?|\n|\Z)")
INDENT: Final = re.compile(rb"(?m)^[ \t]+")

UNCLOSED: Final = "a quote opens a field and is never closed"
ENDS_ESCAPED: Final = "the file ends with an escape, and nothing that it escapes"
OVERRUN: Final = "text stands after the closing quote of a field"
WRONG: Final = {  # what bad rows are, for notes on those left out
    "fields": "of another number of fields than the header",
    "quote": "with quotes where none may stand",
    "json": "that are no JSON object",
}


class Fault(Exception):
    """What is wrong with a row: a text that follows the place in the message."""


class TooLong(Exception):
    """A record has more than `LONGEST` bytes."""


class Record(NamedTuple):
    """One record as it stands: where it begins and ends, its fields, and which of them hold a quote that opens none.

    `fault` says why it cannot be told apart into fields; overrun: the stray field begins with a quote that is closed
    before its end.
    """

    start: int
    end: int
    fields: list[bytes]
    stray: tuple[int, ...] = ()
    fault: str = ""
    overrun: bool = False


class Chunk(NamedTuple):
    """Whole records: their text in pieces, without lines that are none, and their number.

    records: the same read strictly, where a reader that does not check quotes might read something else. stray: whether
    quotes may stand inside fields that none opens, and are text there.
    """

    pieces: list[bytes | memoryview]
    rows: int
    records: list[Record] | None = None
    stray: bool = False

    @property
    def text(self) -> bytes:
        """The text in one piece."""
        return b"".join(self.pieces)


class Lines(NamedTuple):
    """The records before `rest` of a text; `ends` are their last characters: a mask of the text, or their places.

    stray: whether quotes stand inside fields without quotes around them. heights: how many lines each record has, empty
    where no record has many.
    """

    text: bytes
    ends: NDArray[Any]
    rest: bytes
    stray: bool = False
    heights: Sequence[int] | NDArray[np.int64] = ()

    @property
    def rows(self) -> int:
        return int(np.count_nonzero(self.ends)) if self.ends.dtype == bool else len(self.ends)

    def end(self, row: int) -> int:
        """Return where the n-th record ends."""
        return (_place(self.ends, row) if self.ends.dtype == bool else int(self.ends[row - 1])) + 1


class Format:
    """How records are told apart: by a dialect and the delimiter of a file, which is None where a line is a record.

    keeps_empty: an empty line is a record, as in a file of one column, unless nothing comes after it.
    """

    def __init__(self, delimiter: str | None, dialect: Dialect, keeps_empty: bool = False) -> None:
        self.by_blanks = delimiter == BLANKS
        self.delimiter = b"\t" if self.by_blanks else (delimiter or "").encode()
        self.quote = dialect.quote.encode() if self.delimiter and dialect.quote != NONE else b""
        self.escape = (dialect.escape or "").encode() if self.delimiter else b""
        self.comment = (dialect.comment or "").encode() if self.delimiter else b""
        self.keeps_empty = keeps_empty and not self.by_blanks
        self.recovers = dialect.bad_rows == "drop"  # goes on after the first line of what is no record
        blanks = b" \t" if self.by_blanks else b" \t".replace(self.delimiter or b"\n", b"")
        heads = b"" if self.keeps_empty else blanks + b"\r\n"
        self._heads = flags_of(heads + self.comment[:1])  # with which a line that is no record may begin
        self._borders = flags_of(self.delimiter + b"\r\n")  # beside which a field begins or ends
        self._ends = flags_of(self.delimiter + b"\r\n" + self.quote)  # a doubled quote closes and opens again
        ignored = [] if self.keeps_empty else [rb"(?:[%b]*+(?:\r\n?|\n))++" % blanks]  # all that follow each other
        ignored += [rb"%b[^\r\n]*(?:\r\n?|\n)" % re.escape(self.comment)] if self.comment else []
        self._ignored = re.compile(b"|".join(ignored)) if ignored else None
        self._escaped = re.compile(rb"(?s)%b(.)" % re.escape(self.escape))
        self._field, self._unclosed, self._overrun = self._patterns()
        self.long: tuple[int, int] | None = None  # the first record of more than LONG_FIELD lines, and how many

    def _patterns(self) -> tuple[re.Pattern[bytes], ...]:
        """Return the patterns of a field with what ends it, of a quote that is never closed, and of an overrun field.

        That is one whose quote is closed before its end, and which ends at the same place if quotes mean nothing.
        """
        delimiter, quote, escape = map(re.escape, (self.delimiter, self.quote, self.escape))
        escaped = rb"|%b." % escape if escape else b""
        # runs of what means nothing are one step each: a text between quotes may be as long as the file
        inside = rb"%b(?:[^%b%b]++%b|%b%b)*+" % (quote, quote, escape, escaped, quote, quote) if quote else b"(?!)"
        first = rb"[^%b%b%b\r\n]%b" % (delimiter, quote, escape, escaped)
        later = rb"[^%b%b\r\n]++%b" % (delimiter, escape, escaped)
        end = rb"%b|\r\n?|\n|\Z" % delimiter
        field = rb"(?s)(?:(%b%b)|((?:(?:%b)(?:%b)*+)?))(%b)" % (inside, quote, first, later, end)
        overrun = rb"(%b(?:[^%b%b\r\n]++|%b%b)*+%b[^%b\r\n]++)(%b)"
        overrun %= quote, quote, delimiter, quote, quote, quote, delimiter, end
        unread = overrun if quote and not escape else b"(?!)"
        return re.compile(field), re.compile(rb"(?s)%b\Z" % inside), re.compile(unread)

    # pieces ----------------------------------------------------------------------------------------------------------

    def chunks(self, stream: pa.NativeFile, ahead: bool) -> Iterator[Chunk]:
        """Cut a stream of text, from where it stands, into chunks of BLOCK records; some and the last are shorter.

        `ahead` lets another thread read (and so decompress) the next bytes meanwhile. Raises TooLong.
        """
        waiting: list[bytes | memoryview] = []
        rows, size, text, stray, enough = 0, 0, b"", False, 0
        before = 0
        for step, last in steps(stream, ahead):
            text += step
            if len(text) < enough and not last:
                continue
            if last and text and not text.endswith(b"\n") and not (self.escape and text.endswith(self.escape)):
                text += b"\n"
            while text:
                lines = self._lines(text, last)
                if lines is None:
                    if rows:
                        yield Chunk(waiting, rows, stray=stray)
                        waiting, rows, size, stray = [], 0, 0, False
                    records, stop = self._records(text, last)
                    self._note(before, [text.count(b"\n", record.start, record.end) for record in records])
                    before += len(records)
                    if records:
                        yield Chunk([text[:stop]], len(records), records)
                    text = text[stop:]
                    if not records:
                        break
                    continue
                text, view, count = lines.rest, memoryview(lines.text), lines.rows
                self._note(before, lines.heights)
                before += count
                stray |= lines.stray
                row = start = 0
                while rows + count - row >= BLOCK:
                    row += BLOCK - rows
                    end = lines.end(row)
                    yield Chunk([*waiting, view[start:end]], BLOCK, stray=stray)
                    waiting, rows, size, start, stray = [], 0, 0, end, lines.stray
                if count > row:
                    waiting.append(view[start:])
                    rows, size = rows + count - row, size + len(waiting[-1])
                if not (last and text):
                    break
            if rows and (size >= LONGEST or len(text) >= LONGEST):
                yield Chunk(waiting, rows, stray=stray)
                waiting, rows, size, stray = [], 0, 0, False
            if len(text) >= LONGEST:
                raise TooLong
            enough = min(2 * len(text), LONGEST)  # so that a text without an end is not looked through step by step
        if rows:
            yield Chunk(waiting, rows, stray=stray)

    def _lines(self, text: bytes, last: bool) -> Lines | None:
        """Return the records at the beginning of a text; None where only reading one by one tells what they are.

        That is so where a quote neither opens nor closes a field, a character is escaped, or a return ends a line and
        there are quotes.
        """
        if self.escape and self.escape in text:
            return None
        if self.delimiter and RETURN in text:
            codes = np.frombuffer(text, np.uint8)
            if ((codes[:-1] == RETURN) > (codes[1:] == NEWLINE)).any():  # one alone, which ends a line as of old
                if self.quote and self.quote in text:
                    return None
                text = RETURNS.sub(b"\n", text)
        empty = b""
        if self.keeps_empty:  # an empty line is a missing value only if something comes after it
            content = len(text.rstrip(b" \t\r\n"))
            end = (text.find(b"\n", content) + 1 or len(text)) if content else 0
            text, empty = text[:end], b"" if last else text[end:]
        codes = np.frombuffer(text, np.uint8)
        newlines = codes == NEWLINE
        places = self._suspicious(text, codes, newlines)
        if len(places):
            text = self._without_ignored(text, places)
            codes = np.frombuffer(text, np.uint8)
            newlines = codes == NEWLINE
        stop = text.rfind(b"\n") + 1
        rest = text[stop:]
        if self.by_blanks:
            text = self.by_tabs(text[:stop])
            codes = np.frombuffer(text, np.uint8)
            newlines = codes == NEWLINE
            stop = len(text)
        if not self.quote or self.quote not in text:
            return Lines(text[:stop] if rest else text, newlines[:stop], rest + empty)
        marks = codes == self.quote[0]
        if np.count_nonzero(marks) > MOST_QUOTES * len(text):  # their places would take much more room than the text
            return None
        quotes, places = np.flatnonzero(marks), np.flatnonzero(newlines)
        ends, stop = _ends(quotes, places)
        stray = False
        if not stop or not self._well_quoted(codes[:stop], quotes[: np.searchsorted(quotes, stop)]):
            meant = self._without_stray(codes, quotes, places)
            other_ends, other_stop = _ends(meant, places)
            if other_stop and self._well_quoted(codes[:other_stop], meant[: np.searchsorted(meant, other_stop)]):
                ends, stop, stray = other_ends, other_stop, True
            elif stop:
                return None
        if stop < len(text) and (self.by_blanks or (not stop and (last or len(text) >= LONGEST))):
            return None
        lines = np.searchsorted(places, [*ends, stop])
        heights = np.diff(lines[:-1], prepend=-1) if lines[-1] - len(ends) >= LONG_FIELD else ()
        return Lines(text[:stop], ends, rest if self.by_blanks else text[stop:] + empty, stray, heights)

    def _note(self, before: int, heights: Sequence[int] | NDArray[np.int64]) -> None:
        """Note the first record of too many lines. before: records before these. heights: the lines of each."""
        long = np.flatnonzero(np.asarray(heights) > LONG_FIELD)
        if len(long) and self.long is None:
            self.long = before + int(long[0]), int(heights[long[0]])

    def _without_stray(
        self, codes: NDArray[np.uint8], quotes: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the quotes but for those of lines that begin between fields and in which none opens a field."""
        if self.by_blanks:  # whose blanks were told apart by all quotes
            return quotes
        opening = self._borders[codes[quotes - 1]] | (quotes == 0)
        line = np.searchsorted(ends, quotes)
        opened = np.zeros(len(ends) + 1, dtype=bool)
        opened[line[opening]] = True
        stray = ~opened[line]
        meant = quotes[~stray]
        between = np.searchsorted(meant, quotes[stray]) % 2 == 0
        return meant if between.all() else quotes

    def _suspicious(self, text: bytes, codes: NDArray[np.uint8], newlines: Mask) -> NDArray[np.int64]:
        """Return where lines begin that may be none, by their first character."""
        if self._ignored is None:
            return np.empty(0, np.int64)
        if self.keeps_empty:
            heads = np.zeros(len(codes) - 1, dtype=bool)
        elif any(blank in text for blank in (SPACE, TAB, RETURN)):
            heads = newlines[:-1] & (codes[1:] <= SPACE)
        else:  # without blanks, a line to be skipped is empty
            heads = newlines[:-1] & newlines[1:]
        if self.comment:
            heads |= newlines[:-1] & (codes[1:] == self.comment[0])
        places = np.flatnonzero(heads) + 1 if heads.any() else np.empty(0, np.int64)
        places = np.concatenate([np.zeros(min(len(codes), 1), np.int64), places])
        return places[self._heads[codes[places]]]

    def _without_ignored(self, text: bytes, places: NDArray[np.int64]) -> bytes:
        """Leave out lines that are empty or comments and not between quotes."""
        pieces: list[bytes] = []
        start = counted = quotes = end = 0
        for place in places.tolist():
            match = self._ignored.match(text, place) if self._ignored and place >= end else None
            if match is None:
                continue
            end = match.end()
            quotes += text.count(self.quote, counted, place) if self.quote else 0
            counted = place
            if quotes % 2 == 0:
                pieces.append(text[start:place])
                start = counted = end
        return b"".join([*pieces, text[start:]]) if pieces else text

    def _well_quoted(self, codes: NDArray[np.uint8], quotes: NDArray[np.int64]) -> bool:
        """Whether quotes, an even number of them, open at the start of a field and close at its end."""
        before = np.concatenate([np.array([NEWLINE], np.uint8), codes])[quotes[::2]]
        after = np.concatenate([codes, np.array([NEWLINE], np.uint8)])[quotes[1::2] + 1]
        return len(quotes) % 2 == 0 and bool(self._ends[before].all() and self._ends[after].all())

    def by_tabs(self, text: bytes) -> bytes:
        """Put one tab for blanks between fields, and none for those at the ends of a line."""
        text = INDENT.sub(b"", text)
        codes = np.frombuffer(text, np.uint8)
        blank = (codes == SPACE) | (codes == TAB)
        if self.quote and self.quote in text:
            blank &= np.cumsum(codes == self.quote[0]) % 2 == 0
        following = np.concatenate([codes[1:], np.array([NEWLINE], np.uint8)])
        runs_on = np.concatenate([blank[1:], np.zeros(1, dtype=bool)])
        stays = ~blank | ~(runs_on | (following == NEWLINE) | (following == RETURN))
        return np.where(blank, np.uint8(TAB), codes)[stays].tobytes()

    # one by one ------------------------------------------------------------------------------------------------------

    def _records(self, text: bytes, last: bool) -> tuple[list[Record], int]:
        """Return at most BLOCK records at the beginning of a text, none that may go on, and where they end."""
        records: list[Record] = []
        place = 0
        while place < len(text) and len(records) < BLOCK:
            if self._ignored and (match := self._ignored.match(text, place)):
                place = match.end()
                continue
            record = self.record(text, place)
            if record.end == len(text) and not last and len(text) < LONGEST:
                break
            if record.fault and self.recovers:
                record = record._replace(end=line_end(text, record.start))
            records.append(record)
            place = record.end
        return records, place

    def record(self, text: bytes, start: int) -> Record:
        """Read the record that begins at a place of a text."""
        if not self.by_blanks:
            return self._record(text, start)
        end = line_end(text, start)
        return self._record(self.by_tabs(text[start:end]), 0)._replace(start=start, end=end)

    def _record(self, text: bytes, start: int) -> Record:
        line = LINE.match(text, start)
        if line and not any(mark and mark in line[1] for mark in (self.quote, self.escape)):
            return Record(start, line.end(), line[1].split(self.delimiter))
        fields: list[bytes] = []
        stray: list[int] = []
        overrun = 0
        place = start
        while True:
            if match := self._field.match(text, place):
                quoted, field, end = match.groups()
                if quoted is not None:
                    field = quoted[1:-1].replace(self.quote * 2, self.quote)
                elif self.quote and self.quote in (self._escaped.sub(b"", field) if self.escape else field):
                    stray.append(len(fields))
                if self.escape:
                    field = self._escaped.sub(rb"\1", field)
            elif match := self._overrun.match(text, place):
                field, end = match.groups()
                stray.append(len(fields))
                overrun += 1
            else:
                break
            fields.append(field)
            place = match.end()
            if end == self.delimiter:
                continue
            if overrun and len(stray) > 1:  # where two fields are odd, they may be one
                return Record(start, place, fields, fault=OVERRUN)
            return Record(start, place, fields, tuple(stray), overrun=overrun > 0)
        if self._unclosed.match(text, place):
            return Record(start, len(text), fields, fault=UNCLOSED)
        escaped = self.escape and text.endswith(self.escape) and self.quote != text[place : place + 1]
        return Record(start, line_end(text, place), fields, fault=ENDS_ESCAPED if escaped else OVERRUN)

    def first_records(self, text: bytes, start: int, most: int) -> list[Record]:
        """Read at most so many records of a text from a place on."""
        return list(islice(self.all_records(text, start), most))

    def all_records(self, text: bytes, start: int = 0) -> Iterator[Record]:
        """Read the records of a text from a place on."""
        while start < len(text):
            if self._ignored and (match := self._ignored.match(text, start)):
                start = match.end()
                continue
            yield (record := self.record(text, start))
            start = record.end


def flags_of(characters: bytes) -> Mask:
    """Return (256,) flags of some characters, which tell by its code whether one is among them."""
    flags = np.zeros(256, dtype=bool)
    flags[list(characters)] = True
    return flags


def _ends(quotes: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Return the line ends that are not between quotes, and where the last of these lines ends."""
    ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return ends, int(ends[-1]) + 1 if len(ends) else 0


def line_end(text: bytes, place: int) -> int:
    """Return where the line of a place ends."""
    match = LINE.match(text, place)
    assert match is not None
    return match.end()


def steps(stream: pa.NativeFile, ahead: bool) -> Iterator[tuple[bytes, bool]]:
    """Read a stream step by step, and say when it is at its end."""
    for step in _read_ahead(stream) if ahead else iter(lambda: stream.read(STEP), b""):
        yield step, False
    yield b"", True


def _read_ahead(stream: pa.NativeFile) -> Iterator[bytes]:
    from concurrent.futures import ThreadPoolExecutor  # here, so that starting costs nothing

    pool = ThreadPoolExecutor(1, thread_name_prefix="lossctl-unpack")
    try:
        coming = pool.submit(stream.read, STEP)
        while step := coming.result():
            coming = pool.submit(stream.read, STEP)
            yield step
    finally:  # without waiting: garbage may be collected in a thread that is only starting, or in the pool's own
        pool.shutdown(wait=False)


def _place(marks: Mask, n: int) -> int:
    """Return the place of the n-th mark, by halving: counting marks is far quicker than listing them."""
    low, high = 0, len(marks)
    while high - low > 1:
        middle = (low + high) // 2
        count = int(np.count_nonzero(marks[low:middle]))
        if count >= n:
            high = middle
        else:
            n, low = n - count, middle
    return low


# tables of text -------------------------------------------------------------------------------------------------------


class Readable(Protocol):
    """How the values of a column are read."""

    def column(self, values: Sequence[Any]) -> Column:
        """Return values without a fault as a column."""


Field = TypeVar("Field", bound=Readable)
Row = TypeVar("Row")


class TextTable(FileTable, Generic[Field, Row]):
    """A table in one text file. Arrow parses the pieces that it is sure to read right; others are read row by row.

    `unit` is what the format calls a record, for the message on one that is too long.
    """

    unit: str
    position = 0
    _bad: Mapping[str, Sequence[int]] = MappingProxyType({})  # by kind, those of the reading that met most of them

    @property
    def is_text(self) -> bool:
        return True

    @property
    def most_rows(self) -> int | None:
        return None if self.source.compressed else self.source.size  # a row has a byte

    @property
    def bytes_read(self) -> tuple[int, int]:
        return self.position, self.source.size

    @property
    def bad_rows(self) -> Mapping[str, Sequence[int]]:
        return dict(self._bad)

    @property
    def remarks(self) -> list[str]:
        return [
            f"{self.label}: {len(bad)} bad row{'s' * (len(bad) > 1)} left out, {WRONG[kind]}: row "
            f"{listed([str(row + 1) for row in bad], 3)}"
            for kind, bad in sorted(self._bad.items())
        ]

    def where(self, row: int) -> str:
        for bad in sorted(chain.from_iterable(self._bad.values())):
            row += bad <= row
        return super().where(row)

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        fields = {name: self._field(name, kind) for name, kind in columns.items()}
        row, bad = 0, dict[str, list[int]]()
        try:
            for chunk in self._chunks():
                self.position = self.source.position
                pending = Pending(chunk.rows, partial(self._decoded, chunk, fields, row, bad))
                yield ready(pending.make()) if self.dialect.bad_rows == "drop" else pending
                row += chunk.rows
        except TooLong:
            raise self._too_long(row) from None
        self.source.unchanged()

    @abstractmethod
    def _field(self, name: str, kind: Kind) -> Field:
        """Return how a column is read."""

    @abstractmethod
    def _chunks(self) -> Iterator[Chunk]:
        """Cut the text into pieces of whole rows."""

    @abstractmethod
    def _by_arrow(self, chunk: Chunk, fields: Mapping[str, Field]) -> Piece | None:
        """Parse a piece of text at once; None where Arrow might read it otherwise than row by row."""

    @abstractmethod
    def _rows(self, chunk: Chunk) -> Iterable[Row]:
        """Return the rows of a piece of text."""

    @abstractmethod
    def _values(self, row: Row, chunk: Chunk, fields: Mapping[str, Field]) -> Sequence[Any]:
        """Return the values of a row, one for each field; raise Fault for what is wrong with it."""

    @abstractmethod
    def _badness(self, row: Row) -> str:
        """Return why a row is bad whatever columns are read: a key of `WRONG`, or an empty text."""

    def _cut(self, start: int, cut: Callable[[pa.NativeFile, bool], Iterator[Chunk]]) -> Iterator[Chunk]:
        """Cut the text into chunks from byte `start` on, by a function of its stream."""
        with self.source.reading(), self.source.rows(start) as stream:
            yield from cut(stream, self.source.compressed)

    def _too_long(self, row: int) -> DataError:
        size = LONGEST >> 20
        return DataError(f"{self.label}: row {row + 1} or one after it: one {self.unit} is longer than {size} MiB")

    def _decoded(self, chunk: Chunk, fields: Mapping[str, Field], first: int, bad: dict[str, list[int]]) -> Piece:
        """Parse a piece of text: all rows, or those before the first faulty row, with its error.

        Bad rows are noted in `bad` and left out where the dialect says so.
        """
        drops = self.dialect.bad_rows == "drop"
        is_odd = drops and (chunk.stray or chunk.records is not None)
        if not is_odd and (piece := self._by_arrow(chunk, fields)):
            return piece
        values: list[Sequence[Any]] = []
        stopped, first_good = None, first - sum(map(len, bad.values()))
        rows = self._rows(chunk)
        if drops:  # all that are bad are noted, also behind a fault: by them rows of other columns are told
            judged = [(self._badness(row), place, row) for place, row in enumerate(rows, first)]
            for badness, place, _ in judged:
                if badness:
                    bad.setdefault(badness, []).append(place)
            self._bad = max(self._bad, bad, key=lambda account: sum(map(len, account.values())))
            rows = [row for badness, _, row in judged if not badness]
        for row in rows:
            try:
                values.append(self._values(row, chunk, fields))
            except Fault as fault:
                stopped = DataError(f"{self.where(first_good + len(values))}{fault}")
                break
        if stopped and not values:
            return Piece({}, stopped)
        columns = zip(*values, strict=True) if values else [()] * len(fields)
        named = zip(fields.items(), columns, strict=True)
        return Piece({name: field.column(column) for (name, field), column in named}, stopped)
