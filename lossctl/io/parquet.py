"""Parquet, streamed by row groups; what its footer and page headers say is held against each other before decoding.

Where they contradict each other Arrow ends the process, or reads other values without a word. So they are read here
first, as far as columns are asked for; both are structs in Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import accumulate, pairwise
from typing import Any, Final, NamedTuple

import pyarrow as pa

try:
    from pyarrow._parquet import ParquetReader  # what pyarrow.parquet gives too, but not without file systems and ssl
except ImportError:
    from pyarrow.parquet.core import ParquetReader

from lossctl.core.batch import BLOCK, block_rows
from lossctl.core.block import Pending, ready
from lossctl.errors import DataError, first_line, printable
from lossctl.files import explained
from lossctl.io import arrow
from lossctl.io.source import ENCRYPTED_PARQUET, PARQUET, Source
from lossctl.io.table import FileTable, Kind, Piece, Shape


class Contradiction(Exception):
    """What a footer or a page header says cannot be, or not beside what else the file says."""


# Thrift's compact protocol --------------------------------------------------------------------------------------------

TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12  # 4 to 6 are integers
INTEGER: Final = int
TEXT: Final = bytes


class Struct(NamedTuple):
    """The members of a struct that are read, by number: INTEGER, TEXT, Struct or [one of these]; what it becomes."""

    members: Mapping[int, Any]
    make: Callable[[dict[int, Any]], Any] = dict


def read_struct(data: bytes, place: int, members: Mapping[int, Any]) -> tuple[dict[int, Any], int]:
    """Read a struct that begins at a place: some of its members by number, and where it ends."""
    values: dict[int, Any] = {}
    number = 0
    while head := data[place]:
        place += 1
        wire = head & 15
        if head > 15:
            number += head >> 4
        else:
            number, place = _integer(data, place)
        member = members.get(number)
        if member is None:
            place = _end(data, place, wire)
        elif number in values:
            raise Contradiction("a value stands twice")
        elif member is INTEGER and BYTE < wire < DOUBLE and (value := data[place]) < 128:
            values[number], place = (value >> 1) ^ -(value & 1), place + 1
        else:
            values[number], place = _value(data, place, wire, member)
    return values, place + 1


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = data[place]
    place += 1
    if value > 127:
        value &= 127
        shift = 7
        while (byte := data[place]) > 127:
            value |= (byte & 127) << shift
            shift += 7
            place += 1
        value |= byte << shift
        place += 1
    return value, place


def _integer(data: bytes, place: int) -> tuple[int, int]:
    value, place = _varint(data, place)
    return (value >> 1) ^ -(value & 1), place


def _value(data: bytes, place: int, wire: int, member: Any) -> tuple[Any, int]:
    if member is INTEGER and BYTE < wire < DOUBLE:
        return _integer(data, place)
    if member is TEXT and wire == BINARY:
        size, place = _varint(data, place)
        return data[place : place + size], place + size
    if isinstance(member, Struct) and wire == STRUCT:
        values, place = read_struct(data, place, member.members)
        return member.make(values), place
    if isinstance(member, list) and wire == LIST:
        count, wire, place = _list_head(data, place)
        entries = []
        for _ in range(count):
            entry, place = _value(data, place, wire, member[0])
            entries.append(entry)
        return entries, place
    raise Contradiction("a value has another type than Parquet gives it")


def _list_head(data: bytes, place: int) -> tuple[int, int, int]:
    """Return how many entries a list has, of which type, and where they begin."""
    head, place = data[place], place + 1
    count = head >> 4
    if count == 15:
        count, place = _varint(data, place)
    return count, head & 15, place


def _end(data: bytes, place: int, wire: int) -> int:
    """Return where a value ends that is not read."""
    if wire == BINARY:
        size, place = _varint(data, place)
        return place + size
    if wire == STRUCT:
        while head := data[place]:
            place = place + 1 if head > 15 else _varint(data, place + 1)[1]
            wire = head & 15
            if BYTE < wire < DOUBLE:
                while data[place] > 127:
                    place += 1
                place += 1
            elif wire == BINARY and (size := data[place]) < 128:
                place += size + 1
            else:
                place = _end(data, place, wire)
        return place + 1
    if BYTE < wire < DOUBLE:
        while data[place] > 127:
            place += 1
        return place + 1
    if wire in (TRUE, FALSE):
        return place
    if wire in (BYTE, DOUBLE):
        return place + (1 if wire == BYTE else 8)
    if wire in (LIST, SET):
        count, kind, place = _list_head(data, place)
        kinds = [kind] * min(count, len(data))
    elif wire == MAP:
        count, place = _varint(data, place)
        kinds = [data[place] >> 4, data[place] & 15] * min(count, len(data)) if count else []
        place += bool(count)
    else:
        raise Contradiction("a value has a type that there is not")
    for kind in kinds:
        place = place + 1 if kind in (TRUE, FALSE) else _end(data, place, kind)
    return place


# footer and page headers ----------------------------------------------------------------------------------------------

ENCRYPTED: Final = "is encrypted, which is not read; write the file again without encryption"
TAIL: Final = 1 << 16  # bytes at the end of a file that are read at once
REQUIRED, OPTIONAL, REPEATED = 0, 1, 2
PLAIN_PAGE, DICTIONARY_PAGE, PAGE_2 = 0, 2, 3
HEADER: Final = 256  # bytes in which most page headers end
LONGEST_HEADER: Final = 1 << 24
OLD_HEADER: Final = 100  # bytes that early writers left out of the size of a chunk
DELTAS: Final = {6, 7}  # encodings of texts by their lengths, or by what they share with the text before
SAME_ENCODING: Final = {2: 8}  # the encoding of a dictionary's places has two numbers


class Leaf(NamedTuple):
    """Single values in the schema, as `pred.v.list.element`."""

    path: tuple[bytes, ...]
    type: int
    optional: bool
    repeated: bool

    @property
    def column(self) -> str:
        """The words for it in a message."""
        name = b".".join(self.path).decode("utf-8", "backslashreplace")
        return f"column {printable(name)!r}"


class Chunk(NamedTuple):
    """The pages of a leaf in one row group, as the footer describes them; `fault` says why they cannot be read."""

    fault: str
    type: int = 0
    encodings: tuple[int, ...] = ()
    path: tuple[bytes, ...] = ()
    codec: int = 0
    values: int = 0
    unpacked: int = 0
    start: int = 0
    size: int = 0

    @classmethod
    def of(cls, members: Mapping[int, Any]) -> Chunk:
        """Return what the footer says; the sizes of what is encrypted are unknown."""
        if members.get(8) or 3 not in members:
            return cls(ENCRYPTED)
        fault = "lies in another file, which is not read" if members.get(1) else ""
        facts = members[3]
        data, dictionary = facts[9], facts.get(11, 0)
        start = dictionary if 0 < dictionary < data else data
        return cls(fault, facts[1], tuple(facts[2]), tuple(facts[3]), facts[4], facts[5], facts[6], start, facts[7])


class Group(NamedTuple):
    """A row group."""

    rows: int
    chunks: Sequence[Chunk]

    @classmethod
    def of(cls, members: Mapping[int, Any]) -> Group:
        """Return what the footer says."""
        return cls(members[3], members[1])


class Footer(NamedTuple):
    """What must fit together before Arrow reads a file: the leaves of the schema, and a chunk of each in each group."""

    leaves: Sequence[Leaf]
    groups: Sequence[Group]


SCHEMA_ELEMENT: Final = Struct({1: INTEGER, 3: INTEGER, 4: TEXT, 5: INTEGER})  # type, repetition, name, members
# type, encodings, path, codec, values, bytes unpacked and packed, first data page, dictionary
CHUNK_FACTS: Final = Struct(
    {1: INTEGER, 2: [INTEGER], 3: [TEXT], 4: INTEGER, 5: INTEGER, 6: INTEGER, 7: INTEGER, 9: INTEGER, 11: INTEGER}
)
CHUNK: Final = Struct({1: TEXT, 3: CHUNK_FACTS, 8: Struct({1: Struct({}), 2: Struct({})})}, Chunk.of)
GROUP: Final = Struct({1: [CHUNK], 3: INTEGER}, Group.of)
FOOTER: Final = {2: [SCHEMA_ELEMENT], 3: INTEGER, 4: [GROUP]}
PAGE: Final = {
    1: INTEGER,  # type
    2: INTEGER,  # bytes unpacked
    3: INTEGER,  # bytes packed
    5: Struct({1: INTEGER, 2: INTEGER}),  # values, encoding
    8: Struct(dict.fromkeys(range(1, 7), INTEGER)),  # values, nulls, rows, encoding, bytes of two kinds of levels
}


def read_footer(data: bytes, end: int) -> Footer:
    """Read a footer, which begins at `end` in the file; raise Contradiction where it says what cannot be."""
    try:
        members, _ = read_struct(data, 0, FOOTER)
        elements, groups, rows = iter(members[2]), members[4], members[3]
        leaves = [*_leaves(elements, next(elements)[5])]
    except (IndexError, KeyError, RecursionError, StopIteration) as error:
        raise Contradiction("its footer is none that Parquet knows") from error
    if next(elements, None) is not None:
        raise Contradiction("its schema is no tree")
    if any(len(group.chunks) != len(leaves) for group in groups):
        raise Contradiction("its footer has a row group of other columns than its schema")
    if any(group.rows < 0 for group in groups) or sum(group.rows for group in groups) != rows:
        raise Contradiction("its footer counts its rows in two ways")
    chunks = (chunk for group in groups if group.rows for chunk in group.chunks if chunk.size)
    bounds = sorted((chunk.start, chunk.start + chunk.size) for chunk in chunks)
    if any(stop < start for start, stop in bounds) or any(stop > start for (_, stop), (start, _) in pairwise(bounds)):
        raise Contradiction("by its footer columns overlap")
    if bounds and not len(PARQUET) <= bounds[0][0] <= bounds[-1][1] <= end:
        raise Contradiction("by its footer a column lies outside of the file")
    return Footer(leaves, groups)


def _leaves(
    elements: Iterator[Mapping[int, Any]],
    count: int,
    path: tuple[bytes, ...] = (),
    optional: bool = False,
    repeated: bool = False,
) -> Iterator[Leaf]:
    """Yield the leaves of the next elements with all that they hold, which stands behind them."""
    for _ in range(count):
        element = next(elements, {})
        repetition, names, members = element[3], (*path, element[4]), element.get(5, 0)
        if repetition not in (REQUIRED, OPTIONAL, REPEATED) or members < 0:
            raise Contradiction("its schema is no tree")
        below = names, optional or repetition != REQUIRED, repeated or repetition == REPEATED
        if 1 in element and not members:
            yield Leaf(below[0], element[1], *below[1:])
        else:
            yield from _leaves(elements, members, *below)


def check_chunk(leaf: Leaf, chunk: Chunk, rows: int) -> None:
    """Raise Contradiction where a footer describes a chunk in two ways."""
    if chunk.type != leaf.type or chunk.path != leaf.path:
        raise Contradiction("schema and row groups describe it in two ways")
    if chunk.values < 0 or chunk.unpacked < 0 or (chunk.values != rows and not leaf.repeated):
        raise Contradiction("the footer counts its values in two ways")


def check_pages(file: pa.NativeFile, leaf: Leaf, chunk: Chunk, rows: int) -> None:
    """Raise Contradiction where the headers of a chunk's pages say something else than the footer."""
    encodings = {SAME_ENCODING.get(encoding, encoding) for encoding in chunk.encodings}
    values, starts, kinds, place, end = 0, 0, set[int](), chunk.start, chunk.start + chunk.size
    while place < end:
        header, length = _page_header(file, place)
        kind, unpacked, packed = header.get(1), header.get(2, -1), header.get(3, -1)
        if unpacked < 0 or packed < 0 or (chunk.codec == 0 and unpacked != packed):
            raise Contradiction("a page tells its size in two ways")
        place += length + packed
        if kind not in (PLAIN_PAGE, PAGE_2):
            continue
        page = header.get(5 if kind == PLAIN_PAGE else 8, {})
        encoding = page.get(2 if kind == PLAIN_PAGE else 4)
        if page.get(1, -1) < 0 or SAME_ENCODING.get(encoding, encoding) not in encodings:
            raise Contradiction("a page is encoded in another way than the footer says")
        values += page[1]
        if kind == PAGE_2 and not _fits(page, leaf, unpacked):
            raise Contradiction("a page counts its values in two ways")
        starts += page.get(3, 0)
        kinds.add(kind)
    if values != chunk.values or place > end + OLD_HEADER or (kinds == {PAGE_2} and starts != rows):
        raise Contradiction("footer and pages count its values in two ways")


def _fits(page: Mapping[int, int], leaf: Leaf, unpacked: int) -> bool:
    """Whether a page of the second version has the nulls, rows and levels that its leaf may have."""
    values, nulls, rows, levels = page[1], page.get(2, 0), page.get(3, 0), (page.get(5, 0), page.get(6, 0))
    return (
        0 <= nulls <= (values if leaf.optional else 0)
        and 0 <= rows <= values
        and (rows == values or leaf.repeated)
        and 0 <= levels[0] <= (unpacked if leaf.optional else 0)
        and 0 <= levels[1] <= (unpacked - levels[0] if leaf.repeated else 0)
    )


def _page_header(file: pa.NativeFile, place: int) -> tuple[dict[int, Any], int]:
    """Read the header of the page at a place, and say how long it is."""
    size = HEADER
    while True:
        data = file.read_at(size, place)
        try:
            return read_struct(data, 0, PAGE)
        except (IndexError, RecursionError):
            if len(data) < size or size >= LONGEST_HEADER:
                raise Contradiction("a page has no header") from None
            size <<= 4


# the table ------------------------------------------------------------------------------------------------------------


class ParquetTable(FileTable):
    """One Parquet file."""

    kind = "parquet"

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._checked: set[tuple[int, int]] = set()

    @cached_property
    def footer(self) -> Footer:
        """What the footer says, if it does not contradict itself."""
        try:
            with self.source.file() as file:
                size = file.size()
                tail = file.read_at(min(size, TAIL), max(size - TAIL, 0))
                if tail[-4:] == ENCRYPTED_PARQUET:
                    raise DataError(f"{self.label}: its footer {ENCRYPTED}")
                length = int.from_bytes(tail[-8:-4], "little") + 8
                if tail[-4:] != PARQUET or length + len(PARQUET) > size:
                    raise DataError(
                        f"{self.label}: not a readable Parquet file: it does not end as one; is it cut short?"
                    )
                self.source.tail = max(self.source.tail, length)
                if length > len(tail):
                    tail = file.read_at(length, size - length)
        except OSError as error:
            self.source.unchanged(error)
            raise DataError(f"{self.label}: {explained(error)}") from None
        try:
            return read_footer(tail[-length:-8], size - length)
        except Contradiction as error:
            self.source.unchanged()
            raise DataError(f"{self.label}: the file is damaged: {error}") from None

    @cached_property
    def metadata(self) -> Any:
        """The footer, pyarrow's FileMetaData; of its chunks none is asked for, as what is wrong ends the process."""
        assert self.footer  # else even opening the file may do so
        reader = ParquetReader()
        try:
            with self.source.file() as file:
                reader.open(file)
                return reader.metadata
        except (pa.ArrowException, OSError) as error:
            self.source.unchanged(error)
            raise DataError(f"{self.label}: not a readable Parquet file: {first_line(error)}") from None

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns with their Arrow types, those in structs as `pred.score`."""
        try:
            schema = arrow.flat_schema(self.metadata.schema.to_arrow_schema())
            schema.names  # decodes them  # noqa: B018
        except UnicodeDecodeError as error:
            raise DataError(f"{self.label}: a column name is not UTF-8 text: {error.object!r}") from None
        return schema

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self.schema.names)

    @cached_property
    def _types(self) -> dict[str, Shape]:
        """What the Arrow type of each column tells; the schema would look for every name anew."""
        return {field.name: arrow.shape(field.type) for field in self.schema}

    @property
    def rows(self) -> int:
        return sum(group.rows for group in self.footer.groups)

    def shape(self, name: str) -> Shape:
        return self.completed(name, self._types[name])

    @cached_property
    def cuts(self) -> tuple[int, ...]:
        """The first rows of the row groups that hold any."""
        counts = [group.rows for group in self.footer.groups]
        starts = accumulate(counts, initial=0)
        return tuple(start for start, count in zip(starts, counts, strict=False) if count) or (0,)

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        leaves = self._leaves(columns)
        self._check_claims(leaves)
        self._check_single(columns)
        stop, size = self.rows if stop is None else stop, block_rows(self.row_width(columns))
        reader = ParquetReader()
        words = {name: arrow.DictionaryWords() for name, kind in columns.items() if kind is Kind.TEXT}
        try:
            with self.source.file() as file:
                # pre-buffering would keep every row group read so far
                reader.open(
                    file,
                    metadata=self.metadata,
                    page_checksum_verification=True,
                    pre_buffer=False,
                    buffer_size=self.source.buffer_bytes,
                    read_dictionary=[name for name in words if self._reads_dictionary(name)],
                    arrow_extensions_enabled=True,
                )
                first, groups = self._groups(start, stop)
                batches = reader.iter_batches(size, row_groups=groups, column_indices=leaves, use_threads=False)
                while max(first, start) < stop:
                    self._check_pages(file, leaves, first, first + size)
                    batch = next(batches)
                    low, high = max(start - first, 0), min(batch.num_rows, stop - first)
                    if low < high:
                        rows, row = arrow.flat(batch.slice(low, high - low)), first + low
                        yield ready(arrow.piece(self, rows, columns, row, words))
                    first += batch.num_rows
        except StopIteration:
            raise DataError(f"{self.label}: the file is damaged: it has fewer rows than its footer says") from None
        except pa.ArrowMemoryError as error:
            raise DataError(f"{self.label}: not enough memory, or the file is damaged: {first_line(error)}") from None
        except (pa.ArrowException, OSError) as error:
            self.source.unchanged(error)
            raise DataError(f"{self.label}: the file is damaged: {first_line(error)}") from None
        self.source.unchanged()

    def _reads_dictionary(self, name: str) -> bool:
        """Whether Arrow reads a column of texts as a dictionary: not in structs, nor encoded as deltas."""
        places = [place for place, leaf in enumerate(self.footer.leaves) if leaf.path == (name.encode(),)]
        encodings = {code for group in self.footer.groups for place in places for code in group.chunks[place].encodings}
        return bool(places) and not encodings & DELTAS

    def row_width(self, columns: Collection[str]) -> int | None:
        return sum(self._types[name].width or BLOCK for name in columns)

    def _groups(self, start: int, stop: int) -> tuple[int, list[int]]:
        """Return the first row of the row groups that hold rows start to stop, and these groups."""
        first, groups, end = 0, list[int](), 0
        for place, group in enumerate(self.footer.groups):
            begin, end = end, end + group.rows
            if begin < stop and end > start:
                first = first if groups else begin
                groups.append(place)
        return first, groups

    def _check_single(self, columns: Mapping[str, Kind]) -> None:
        """Refuse labels and keys of several values before reading: a nested column has no pages of its own name."""
        for name, kind in columns.items():
            if kind in (Kind.TEXT, Kind.KEY):
                with self.naming(name):
                    arrow.check_single(self.schema.field(name).type)

    @cached_property
    def _places(self) -> dict[bytes, list[int]]:
        """The places of the leaves of each column or struct, as `pred.v.list.element` is one of `pred` and `pred.v`."""
        places: dict[bytes, list[int]] = {}
        for place, leaf in enumerate(self.footer.leaves):
            for path in accumulate(b".".join(leaf.path).split(b"."), lambda path, name: path + b"." + name):
                places.setdefault(path, []).append(place)
        return places

    def _leaves(self, columns: Collection[str]) -> list[int]:
        """Return the places of the leaves that make some columns."""
        return sorted({place for name in columns for place in self._places.get(name.encode(), ())})

    def _check_claims(self, leaves: Sequence[int]) -> None:
        """Raise DataError where columns cannot be read, or claim more bytes than the file can hold."""
        size = 0
        for group in self.footer.groups:
            for place in leaves:
                leaf, chunk = self.footer.leaves[place], group.chunks[place]
                if chunk.fault:
                    raise DataError(f"{self.label}: {leaf.column} {chunk.fault}")
                self._fitting(check_chunk, leaf, chunk, group.rows)
                size += chunk.unpacked
        self.check_claim(size)

    def _check_pages(self, file: pa.NativeFile, leaves: Sequence[int], start: int, stop: int) -> None:
        """Raise DataError where pages that hold some of the rows start to stop contradict the footer."""
        for group in self._groups(start, stop)[1]:
            rows, chunks = self.footer.groups[group]
            for place in leaves:
                if (group, place) not in self._checked:
                    self._fitting(partial(check_pages, file), self.footer.leaves[place], chunks[place], rows)
                    self._checked.add((group, place))

    def _fitting(self, check: Callable[[Leaf, Chunk, int], None], leaf: Leaf, chunk: Chunk, rows: int) -> None:
        try:
            check(leaf, chunk, rows)
        except Contradiction as error:
            self.source.unchanged()
            raise DataError(f"{self.label}: the file is damaged: {leaf.column}: {error}") from None
