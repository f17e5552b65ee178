"""JSON lines, plain or compressed: one object on each line, streamed with declared types.

The columns are the keys of the records in the first MiB. A record may lack some of them, which is a missing value, and
have others, which are left alone; but one that a pattern such as `p_*` would have taken, had it come in time, is an
error. Arrow parses the pieces that it can read exactly; the lines of all others are read one by one.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.json as arrow_json

from lossctl.errors import DataError, printable
from lossctl.io import csvchunks
from lossctl.io.column import Kind, Piece, Raw, Shape
from lossctl.io.csvchunks import Chunk, Rest, chunks
from lossctl.io.jsonrecords import Fault, record
from lossctl.io.jsonvalues import Gathered, Held, first_values, quick
from lossctl.io.source import COMPRESSED, Source

HEAD: Final = 1 << 20  # bytes whose records name the columns
BLANKS: Final = b" \t\r\n"
BOM: Final = b"\xef\xbb\xbf"
NEWLINE, RETURN, BRACE, END = b"\n\r{}"
OPENINGS: Final = 0x7B  # the code of [ and { with one bit set
MOST_HELD: Final = 4  # pieces; more of them empty are no end of a file
DEEPEST: Final = 1000  # lists and objects of one line that Arrow may follow
NO_JSON: Final = (b"NaN", b"Inf")  # taken for numbers by Arrow


class JsonTable:
    """One file of JSON lines; see the module for what its columns are."""

    format = "jsonl"

    def __init__(self, source: Source) -> None:
        self.source = source
        self.label = source.label
        self.rows: int | None = None
        self.patterns: set[str] = set()
        self._later: dict[str, Held] | None = None

    def watch(self, pattern: str) -> None:
        """Refuse keys that come after the first MiB and match a pattern by which columns were chosen."""
        self.patterns.add(pattern)

    @cached_property
    def _head(self) -> tuple[int, list[dict[str, Any]]]:
        """Where the first record begins, and the records in the first MiB, up to one that cannot be read."""
        try:
            with self.source.stream() as stream:
                raw = bytes(stream.read(HEAD))
                while b"\n" not in raw.removeprefix(BOM).lstrip(BLANKS) and len(raw) < csvchunks.LONGEST:
                    more = stream.read(HEAD)
                    if not more:
                        break
                    raw += more
                whole = not stream.read(1)
        except OSError as error:
            raise DataError(f"{self.label}: {self.source.explained(error)}") from None
        text = raw.removeprefix(BOM).lstrip(BLANKS)
        if not text:
            raise DataError(f"{self.label}: the file is empty")
        if not text.startswith(b"{"):
            raise DataError(f"{self.label}: not JSON lines: it does not begin with {{; one object on each line is read")
        begin = len(raw) - len(text)
        lines = text.rstrip(BLANKS).split(b"\n") if whole else text.split(b"\n")[:-1]
        found: list[dict[str, Any]] = []
        for line in lines:
            try:
                found.append(record(line))
            except Fault as fault:
                if not found:
                    raise DataError(f"{self.where(0)}{fault}") from None
                break
        if not lines:
            raise self._too_long(0)
        return begin, found

    @cached_property
    def names(self) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name for values in self._head[1] for name in values))
        if not names:
            raise DataError(f"{self.label}: its records have no keys")
        for name in names:
            try:
                name.encode()
            except UnicodeEncodeError:
                raise DataError(
                    f"{self.label}: the key {printable(name)!r} is no text: half of a surrogate pair"
                ) from None
        return names

    @cached_property
    def _known(self) -> dict[str, Held]:
        return first_values(self._head[1], self.names)

    def _held(self, name: str) -> Held:
        """Return what a column holds; where the first records do not say it, the first that has a value does."""
        if name in self._known:
            return self._known[name]
        if self._later is None:
            self._later = self._looked_up()
        return self._later.get(name, Held())

    def _looked_up(self) -> dict[str, Held]:
        left = set(self.names) - set(self._known)
        found: dict[str, Held] = {}
        for piece in self._chunks():
            for line in piece.text.split(b"\n") if isinstance(piece, Chunk) else ():
                try:
                    seen = first_values([record(line)], left) if line.strip() else {}
                except Fault:  # reading comes upon it
                    return found
                found |= seen
                left -= set(seen)
                if not left:
                    return found
        return found

    def shape(self, name: str) -> Shape:
        return self._held(name).shape

    def unchanged(self) -> None:
        self.source.unchanged()

    def where(self, row: int) -> str:
        return f"{self.label}: row {row + 1}"

    @property
    def cuts(self) -> None:
        """A row is found only by counting the line ends before it."""

    def read(self, wanted: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Piece | Raw]:
        columns = {name: (kind, self._held(name)) for name, kind in wanted.items()}
        row = 0
        for chunk in self._chunks():
            if isinstance(chunk, Rest):
                raise self._too_long(row)
            yield Raw(chunk.rows, partial(self._decoded, chunk, columns, row))
            row += chunk.rows
        self.source.unchanged()

    def _chunks(self) -> Iterator[Chunk | Rest]:
        """Cut the text into pieces of whole lines; empty lines at its end are none."""
        held: list[Chunk] = []  # a piece, and others of empty lines alone
        try:
            with self.source.stream(self._head[0]) as stream:
                for chunk in chunks(stream, None, ahead=self.source.format in COMPRESSED):
                    if isinstance(chunk, Rest) or chunk.text.lstrip(BLANKS) or len(held) == MOST_HELD:
                        yield from held
                        held = []
                    if isinstance(chunk, Rest):
                        yield chunk
                        return
                    held.append(chunk)
        except OSError as error:
            self.source.unchanged()
            raise DataError(f"{self.label}: {self.source.explained(error)}") from None
        text = held[0].text.rstrip(BLANKS)
        if text:
            yield Chunk(text, text.count(b"\n") + 1, held[0].offset)

    def _too_long(self, row: int) -> DataError:
        size = csvchunks.LONGEST >> 20
        return DataError(f"{self.label}: row {row + 1} or one after it: one line is longer than {size} MiB")

    def _decoded(
        self, chunk: Chunk, columns: Mapping[str, tuple[Kind, Held]], first: int
    ) -> tuple[Piece, DataError | None]:
        piece = self._by_arrow(chunk, columns)
        return (piece, None) if piece is not None else self._by_line(chunk, columns, first)

    def _by_arrow(self, chunk: Chunk, columns: Mapping[str, tuple[Kind, Held]]) -> Piece | None:
        """Parse a piece of text at once; None where that may not be what its lines say."""
        schema = [(name, column.arrow(kind)) for name, (kind, column) in columns.items()]
        if any(kind is None for _, kind in schema) or not _plain(chunk):
            return None
        try:
            table = arrow_json.read_json(
                pa.BufferReader(chunk.text),
                read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(chunk.text) + 1),
                parse_options=arrow_json.ParseOptions(
                    explicit_schema=pa.schema(schema), unexpected_field_behavior="ignore"
                ),
            )
            if table.num_rows != chunk.rows:
                return None
            batch = table.combine_chunks().to_batches()[0]
            piece: Piece = {}
            for name, (kind, column) in columns.items():
                found = quick(batch.column(name), kind, column)
                if found is None:
                    return None
                piece[name] = found
        except (pa.ArrowException, DataError):
            return None
        return piece if self._without_later_keys(chunk, batch) else None

    def _without_later_keys(self, chunk: Chunk, batch: pa.RecordBatch) -> bool:
        """Whether no record can have a key of a pattern that is not among the columns."""
        for pattern in self.patterns:
            chosen = set(fnmatch.filter(self.names, pattern))
            if not chosen <= set(batch.schema.names):
                continue  # another reading of the table has these columns
            if any(batch.column(name).null_count for name in chosen) or b"\\u" in chunk.text:
                return False
            start = pattern[: min(pattern.find(mark) for mark in "*?[" if mark in pattern)]
            if not start.isascii() or chunk.text.count(f'"{start}'.encode()) != chunk.rows * len(chosen):
                return False
        return True

    def _by_line(
        self, chunk: Chunk, columns: Mapping[str, tuple[Kind, Held]], first: int
    ) -> tuple[Piece, DataError | None]:
        """Read line by line; of a piece with a bad row, the rows before it, and what is wrong with it."""
        gathered = {name: Gathered(kind, column) for name, (kind, column) in columns.items()}
        rows, stopped = 0, None
        for line in chunk.text.removesuffix(b"\n").split(b"\n"):
            try:
                values = record(line, columns)
                self._no_later_key(values, columns)
                for name, column in gathered.items():
                    _add(column, name, values.get(name))
            except Fault as fault:
                stopped = DataError(f"{self.where(first + rows)}{fault}")
                break
            rows += 1
        return {name: column.made(rows) for name, column in gathered.items()}, stopped

    def _no_later_key(self, values: Mapping[str, Any], columns: Mapping[str, object]) -> None:
        for pattern in self.patterns:
            chosen = set(fnmatch.filter(self.names, pattern))
            later = set(fnmatch.filter(values, pattern)) - chosen
            if later and chosen <= columns.keys():
                raise Fault(
                    f": the key {printable(min(later))!r} matches {printable(pattern)!r}, but no record in the first "
                    "MiB has it; name every column in the first record, with null where it has no value"
                )


def _add(column: Gathered, name: str, value: Any) -> None:
    try:
        column.add(value)
    except Fault as fault:
        raise Fault(f", column {printable(name)!r}: {fault}") from None


def _plain(chunk: Chunk) -> bool:
    """Whether Arrow reads a text as JSON lines are: an object from start to end of each line, and nothing but JSON."""
    text = chunk.text
    if any(word in text for word in NO_JSON):
        return False
    codes = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(codes == NEWLINE)
    if not len(ends) or ends[-1] != len(codes) - 1:
        ends = np.append(ends, len(codes))
    starts = np.concatenate([[0], ends[:-1] + 1])
    last = codes[ends - 1]
    if (last == RETURN).any():
        last = np.where(last == RETURN, codes[ends - 2], last)
    if (codes[starts] != BRACE).any() or (last != END).any():
        return False
    openings = (codes | np.uint8(0x20)) == OPENINGS
    if np.count_nonzero(openings) > len(starts) and np.add.reduceat(openings, starts, dtype=np.int64).max() > DEEPEST:
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
