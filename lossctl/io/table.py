"""Table: a named set of columns, streamed in pieces of rows; the kinds of columns, as NumPy arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from functools import cached_property
from itertools import islice, repeat
from threading import Lock, local
from typing import Any, ClassVar, Final, Generic, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK
from lossctl.core.block import Hashes, Pending, ready, stirred, text_hashes
from lossctl.core.domain import Extent, as_number, exact_number, extent, label
from lossctl.errors import DataError, printable
from lossctl.io.source import NULLS, STANDARD, Dialect, Source, inexact_number
from lossctl.numerics.array import MOST_EXACT, Array, Mask
from lossctl.results.document import NullWord

NOT_SINGLE: Final = "holds lists; one value per row is needed"
BOMB_SIZE: Final = 1 << 30  # bytes that the columns may claim ...
BOMB_RATIO: Final = 1000  # ... unless the file itself is at least a thousandth of that


BETWEEN: Final = "|"  # labels of one row
FIRST: Final = 8192  # rows that are looked at before reading begins


class RowFault(DataError):
    """What is wrong with one of the rows at hand, to be put behind the place where it stands."""

    def __init__(self, row: int, text: str) -> None:
        super().__init__(text)
        self.row = row


class Kind(Enum):
    """How a column is to be read: declared by the role it plays, never guessed from its values."""

    NUMBER = "number"
    TEXT = "text"
    LABELS = "labels"  # lists of labels, each joined by BETWEEN
    KEY = "key"
    CELL = "cell"  # as the container holds it, for a survey: nothing about it can be wrong


class Shape(NamedTuple):
    """What a table says of a column: number, boolean, text, labels (lists) or other, its width, and axes of a row.

    written: whether it is a column of text by its type, whatever the text.
    """

    kind: str
    width: int = 1
    axes: int = 1
    written: bool = False


class Table(ABC):
    """A named set of columns that can be streamed, more than once, in row order. `label` names it in messages.

    skipped: the files of a folder that are no parts of it.
    """

    label: str
    skipped: Sequence[str] = ()

    @property
    def columnar(self) -> bool:
        """Whether columns that are not asked for cost nothing, and what is wrong with them does not matter."""
        return self.cuts is not None

    @property
    def format(self) -> str | None:
        """The format of the file or files; None for a table in memory."""
        return None

    @property
    def is_text(self) -> bool:
        """Whether it is a text file, to which a dialect applies."""
        return False

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""

    def completed(self, name: str, shape: Shape) -> Shape:
        """Return the shape with what only the first rows show: how long lists are, and whether texts are numbers."""
        if shape.width and shape.kind != "text":
            return shape
        if name not in self._completed:
            self._completed[name] = shape._replace(width=max(shape.width, 1))  # while these rows are read
            self._completed[name] = self._by_first_rows(name, shape)
        return self._completed[name]

    @cached_property
    def _completed(self) -> dict[str, Shape]:
        return {}

    def _by_first_rows(self, name: str, shape: Shape) -> Shape:
        if shape.kind == "text" and shape.width == 1:
            try:
                piece = next(decoded(self.read({name: Kind.TEXT})), None)
            except DataError:  # reading comes upon it
                return shape
            words = () if piece is None else piece.column(name, Texts).first_words()
            of_text = next((STANDARD.content(word) for word in words if word not in NULLS), shape)
            return shape._replace(kind=of_text.kind, width=of_text.width)
        if shape.width:
            return shape
        piece = next(decoded(self.read({name: Kind.NUMBER})), None)
        return shape._replace(width=0 if piece is None else len(piece.column(name, Numbers).values))

    def keeps_words(self, name: str) -> bool:
        """Whether what looks like a number in a column is a word, as in versions: 1.10 is not 1.1.

        It is beside words that are no numbers, in the first rows; and where the type is text, beside another text of
        the same number, anywhere.
        """
        if name not in self._keeps_words:
            self._keeps_words[name] = self._has_words(name, self.shape(name).written)
        return self._keeps_words[name]

    @cached_property
    def _keeps_words(self) -> dict[str, bool]:
        return {}

    def _has_words(self, name: str, is_written: bool) -> bool:
        rows, texts = 0, dict[float, str]()
        with suppress(DataError):  # reading comes upon it
            for piece in decoded(self.read({name: Kind.TEXT})):
                column = piece.column(name, Texts).cut(slice(0, None if is_written else FIRST - rows))
                for word in (column.words[code] for code in np.unique(column.codes).tolist() if code >= 0):
                    number = exact_number(word)
                    if number is None and word not in NULLS:
                        return True
                    if is_written and number is not None and texts.setdefault(number, word) != word:
                        return True
                rows += piece.rows
                if rows >= FIRST and not is_written:
                    break
        return False

    def place(self, name: str) -> int:
        """Return the place of a column; raise DataError where several have its name."""
        place = self._place_of[name]
        if place is None:
            raise DataError(
                f"{self.label}: it names {printable(name)!r} more than once; rename the column that is meant"
            )
        return place

    @cached_property
    def _place_of(self) -> dict[str, int | None]:
        """The place of each column, None where several have a name."""
        places: dict[str, int | None] = {}
        for place, name in enumerate(self.names):
            places[name] = None if name in places else place
        return places

    @property
    def bad_rows(self) -> Mapping[str, Sequence[int]]:
        """The rows that were left out by what is wrong with them, as they stand in the file."""
        return {}

    @property
    def remarks(self) -> Sequence[str]:
        """Warnings about how the text was cut into rows."""
        return ()

    @property
    def doubt(self) -> str:
        """A likely reason why a column is missing, for the message about it."""
        return ""

    @property
    def rows(self) -> int | None:
        """The number of rows, where it is known without reading."""
        return None

    @property
    def most_rows(self) -> int | None:
        """How many rows there are at most, None where nothing tells it without reading."""
        return self.rows

    @property
    def bytes_read(self) -> tuple[int, int] | None:
        """How many bytes the last reader of all rows has read, and of how many, of a file whose rows are not known."""
        return None

    @property
    def cuts(self) -> Sequence[int] | None:
        """Rows at which reading may begin without reading what is before; None if only at the first."""
        return None

    @abstractmethod
    def shape(self, name: str) -> Shape:
        """What is known of a column before it is read."""

    @abstractmethod
    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        """Stream columns of the rows start to stop; raise DataError where they cannot be read so.

        A table without cuts is read from its first row to its last.
        """

    @property
    def sources(self) -> Sequence[Source]:
        """Its files."""
        return ()

    @property
    def places(self) -> list[tuple[int, str]]:
        """The files by what they are called, and the row at which each begins, as far as they have been read."""
        return [(0, self.label)]

    def where(self, row: int) -> str:
        """Say where a row (0-based) stands, as `FILE: row N`."""
        return f"{self.label}: row {row + 1}"

    def watch(self, pattern: str) -> None:  # noqa: B027  # most tables have all columns at once
        """Take note of a pattern by which columns were chosen; one that comes late and matches it is an error."""

    def unchanged(self) -> None:
        """Raise DataError if a file is no longer the one that was opened."""
        for source in self.sources:
            source.unchanged()

    @contextmanager
    def naming(self, name: str, first: int = 0) -> Iterator[None]:
        """Put the table and the column before a DataError that names neither; the rows at hand begin at `first`."""
        try:
            yield
        except RowFault as fault:
            raise DataError(f"{self.where(first + fault.row)}, column {name!r}: {fault}") from None
        except DataError as error:
            raise DataError(f"{self.label}: column {name!r} {error}") from None

    def row_width(self, columns: Collection[str]) -> int | None:
        """Return how many values a row has, where pieces may be of any length; None where they are of a BLOCK."""
        return None

    def row(self, columns: Mapping[str, Kind], row: int) -> Piece | None:
        """Read one row again, for a message."""
        for piece in decoded(self.read(columns)):
            if row < piece.rows:
                return piece.cut(row, row + 1)
            row -= piece.rows
        return None


class FileTable(Table):
    """A table in one file, which must not change while it is read. `kind` names the format.

    dialect: how the file is written if it is one of text.
    """

    kind: str

    def __init__(self, source: Source, dialect: Dialect = STANDARD) -> None:
        self.source, self.dialect = source, dialect
        self.label = source.label

    @property
    def format(self) -> str:
        return f"{self.kind}, {self.source.format}" if self.source.compressed else self.kind

    @property
    def sources(self) -> Sequence[Source]:
        return (self.source,)

    def check_claim(self, size: int) -> None:
        """Raise DataError where the columns to be read claim far more bytes than a file of this size can hold."""
        if size > BOMB_SIZE and size > BOMB_RATIO * self.source.size:
            raise DataError(
                f"{self.label}: it claims {size >> 20} MiB of data in a file of {self.source.size} bytes; "
                "that is not read"
            )


def share_read(tables: Sequence[Table], rows: int) -> float | None:
    """Return which share of tables has been read where so many rows are done; None where that is not known."""
    counts, sizes = [table.rows for table in tables], [table.bytes_read for table in tables]
    if None not in counts:
        part, total = rows, max(count or 0 for count in counts)
    elif None not in sizes:
        part, total = map(sum, zip(*(size for size in sizes if size), strict=True))
    else:
        return None
    return part / total if 0 <= part <= total and total else None


def block_starts(rows: int) -> range:
    """Return the cuts of a table that can be read from any row on: where blocks begin."""
    return range(0, max(rows, 1), BLOCK)


# columns --------------------------------------------------------------------------------------------------------------


class Column:
    """Some rows of a column: the last axis of its arrays (NumPy or Arrow), of which masks and hashes may be None."""

    ARRAYS: ClassVar[tuple[str, ...]]
    FACTS: ClassVar[tuple[str, ...]] = ()  # attributes that do not depend on the rows

    @property
    def rows(self) -> int:
        """The number of rows."""
        array = getattr(self, self.ARRAYS[0])
        return array.shape[-1] if isinstance(array, np.ndarray) else len(array)

    def cut(self, rows: slice) -> Self:
        """Return some of the rows, as views."""
        return self._changed(lambda array: array[..., rows] if isinstance(array, np.ndarray) else array[rows])

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return the rows at these places; all arrays must be of NumPy."""
        return self._changed(lambda array: np.take(array, rows, axis=-1))

    def repeated(self, rows: int) -> Self:
        """Return the first row so many times."""

        def repeat_first(array: Any) -> Any:
            if isinstance(array, np.ndarray):
                return np.repeat(array[..., :1], rows, axis=-1)
            import pyarrow as pa

            return pa.repeat(array[0], rows)

        return self._changed(repeat_first)

    def _changed(self, change: Callable[[Any], Any]) -> Self:
        arrays = {name: getattr(self, name) for name in self.ARRAYS}
        changed = {name: None if array is None else change(array) for name, array in arrays.items()}
        return type(self)(**changed, **{name: getattr(self, name) for name in self.FACTS})

    @classmethod
    def joined(cls, columns: Sequence[Self]) -> Self:
        """Concatenate pieces of one column."""
        return cls(**{name: _joined(columns, name) for name in cls.ARRAYS})


def _joined(columns: Sequence[Column], name: str) -> Any:
    """Concatenate one array of all columns, zeros where a column has none; None where no column has it."""
    arrays = [getattr(column, name) for column in columns]
    first = next((array for array in arrays if array is not None), None)
    if first is None:
        return None
    if not isinstance(first, np.ndarray):
        import pyarrow as pa

        return pa.concat_arrays(arrays)
    sizes = (column.rows for column in columns)
    return np.concatenate(
        [np.zeros(rows, first.dtype) if array is None else array for rows, array in zip(sizes, arrays, strict=True)], -1
    )


class Numbers(Column):
    """(width, rows) float64 values, NaN where null; `null` is (rows,) True for nulls, None where there are none.

    integers: whether all are integers by their type.
    """

    ARRAYS, FACTS = ("values", "null"), ("integers",)

    def __init__(self, values: Array, null: Mask | None = None, integers: bool = False) -> None:
        self.values, self.null, self.integers = values, null, integers

    @cached_property
    def extent(self) -> Extent:
        """The least and the largest value; NaN if there is one."""
        return extent(self.values, self.integers) if self.values.size else Extent(0.0, 0.0)

    def without(self, marks: Sequence[float]) -> Numbers:
        """Return the numbers of a column with nothing in place of some."""
        null = np.isin(self.values[0], marks) if marks and len(self.values) == 1 else np.zeros(1, dtype=bool)
        if not null.any():
            return self
        return Numbers(np.where(null, np.nan, self.values), null if self.null is None else null | self.null)


class Numerals(Sequence[str]):
    """Distinct whole numbers as words, which are spelled only when they are asked for."""

    def __init__(self, values: NDArray[np.int64]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: Any) -> Any:
        return str(int(self.values[place]))


class Texts(Column):
    """(rows,) codes into `words`, -1 where null."""

    ARRAYS, FACTS = ("codes",), ("words",)

    def __init__(self, codes: NDArray[np.int64], words: Sequence[str]) -> None:
        self.codes, self.words = codes, words

    def first_words(self) -> Iterator[str]:
        """Yield words in the order of the rows."""
        return (self.words[code] for code in self.codes.tolist() if code >= 0)

    def word(self, row: int) -> str:
        """Return the word of a row, empty where it is null."""
        code = int(self.codes[row])
        return self.words[code] if code >= 0 else ""

    @classmethod
    def joined(cls, columns: Sequence[Self]) -> Self:
        vocabulary = Vocabulary(lambda: True)
        codes = np.concatenate([vocabulary.codes(column) for column in columns])
        return cls(codes, tuple(vocabulary.words))


class Keys(Column):
    """(rows,) hashes of keys: equal keys have equal hashes, whatever column type or container holds them.

    `check` is a second hash, None where every key is a whole number, whose first one is one to one. `null` is True
    for empty keys, None where there are none. `order` is what the keys sort by: numbers if all are whole, an Arrow
    array if all are texts and spelled as their labels, else None.
    """

    ARRAYS = ("hashes", "check", "null", "order")

    def __init__(self, hashes: Hashes, check: Hashes | None, null: Mask | None = None, order: Any = None) -> None:
        self.hashes, self.check, self.null, self.order = hashes, check, null, order

    @classmethod
    def of(cls, columns: Sequence[Keys]) -> Keys:
        """Return the keys that several columns make together."""
        if len(columns) == 1:
            return columns[0]
        hashes, check = np.zeros(columns[0].rows, np.uint64), np.ones(columns[0].rows, np.uint64)
        for column in columns:
            hashes = stirred(hashes ^ column.hashes)
            check = stirred(check if column.check is None else check ^ column.check) + column.hashes
        nulls = [column.null for column in columns if column.null is not None]
        return cls(hashes, stirred(check), np.logical_or.reduce(nulls) if nulls else None)

    @classmethod
    def joined(cls, columns: Sequence[Self]) -> Self:
        if len({type(column.order) for column in columns}) > 1:  # numbers beside texts
            columns = [cls(column.hashes, column.check, column.null) for column in columns]
        return super().joined(columns)


class Cells(Column):
    """The values as the container holds them: an Arrow array, of bytes where the container is a text file."""

    ARRAYS = ("values",)

    def __init__(self, values: Any) -> None:
        self.values = values


def floats(values: NDArray[Any]) -> Array:
    """Return (..., rows) numbers as float64; raise RowFault for a whole number that would lose a digit."""
    numbers = np.ascontiguousarray(values, dtype=np.float64)
    if values.dtype.kind in "iu" and values.dtype.itemsize == np.dtype(np.int64).itemsize and values.size:
        if values.min() >= -MOST_EXACT and values.max() <= MOST_EXACT:
            return numbers
        with np.errstate(invalid="ignore"):
            lost = (numbers.astype(values.dtype) != values) | (numbers > np.iinfo(values.dtype).max)
        if lost.any():
            place = np.unravel_index(int(np.argmax(lost)), lost.shape)
            raise RowFault(int(place[-1]), inexact_number(values[place]))
    return numbers


Word = TypeVar("Word", bound=Hashable)


class Numbering(Generic[Word]):
    """Words, or combinations of them, numbered in order of arrival; threads may share it."""

    def __init__(self) -> None:
        self._places: dict[Word, int] = {}
        self._lock = Lock()

    def codes_of(self, words: Iterable[Word]) -> NDArray[np.int64]:
        """Return the codes of words as they are."""
        with self._lock:
            return np.array([self._places.setdefault(word, len(self._places)) for word in words], dtype=np.int64)

    @property
    def labels(self) -> list[Word]:
        """The words, in the order of their codes."""
        with self._lock:
            return list(self._places)


class Vocabulary(Numbering[str | None]):
    """The labels of a column, None for what has no word, so that codes mean the same in every piece of it.

    keeps_words: whether numbers are words, so that 1.10 is not 1.1; asked for when it matters.
    """

    def __init__(self, keeps_words: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self._keeps_words = keeps_words
        self._spellings: dict[str, int] = {}
        self._numerals = np.zeros((2, 0), dtype=np.int64)  # whole numbers in their order, and their codes
        self._hashes: Hashes = np.zeros(0, dtype=np.uint64)
        self._last = local()

    def codes(self, column: Texts) -> NDArray[np.int64]:
        """Translate the codes of a piece; pieces mostly have the words of the piece before, whose codes are kept."""
        words, table = getattr(self._last, "pair", ((), None))
        if table is None or words is not column.words:
            table = np.full(len(column.words) + 1, -1, dtype=np.int64)
            self._last.pair = column.words, table
        codes: NDArray[np.int64] = table[column.codes]
        unread = (codes < 0) & (column.codes >= 0)
        if not unread.any():
            return codes
        with self._lock:
            new = np.flatnonzero(np.bincount(column.codes[unread]))
            if isinstance(column.words, Numerals):
                table[new] = self._of_numbers(column.words.values[new])
            else:
                table[new] = self._of_words([column.words[code] for code in new.tolist()])
        return table[column.codes]

    def _of_words(self, words: Sequence[str]) -> NDArray[np.int64]:
        codes = np.fromiter(map(self._spellings.get, words, repeat(-1)), dtype=np.int64, count=len(words))
        for place in np.flatnonzero(codes < 0).tolist():
            word = words[place]
            codes[place] = self._spellings[word] = self._places.setdefault(self._label(word), len(self._places))
        return codes

    def _label(self, word: str) -> str:
        text = label(word)
        return word if text != word and as_number(word) is not None and self._keeps_words() else text

    def _of_numbers(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the codes of distinct whole numbers, whose spelling is their label: only new ones are looked up."""
        numbers, codes_of_numbers = self._numerals
        order = np.argsort(values)  # a search for one after the other stays in the cache
        values = values[order]
        places = np.searchsorted(numbers, values)
        codes = np.full(len(values), -1, dtype=np.int64)
        inside = np.flatnonzero(places < len(numbers))
        present = inside[numbers[places[inside]] == values[inside]]
        codes[present] = codes_of_numbers[places[present]]
        new = np.flatnonzero(codes < 0)
        if len(new):
            by_arrival = new[np.argsort(order[new])]
            words = map(str, values[by_arrival].tolist())
            codes[by_arrival] = [self._places.setdefault(word, len(self._places)) for word in words]
            self._numerals = np.insert(self._numerals, places[new], np.stack([values[new], codes[new]]), axis=1)
        unsorted = np.empty_like(codes)
        unsorted[order] = codes
        return unsorted

    def null(self) -> int:
        """Return the code of what has no word, which has one from then on."""
        return int(self.codes_of([None])[0])

    @property
    def words(self) -> list[str]:
        """The labels of a column where every row has one."""
        return [word for word in self.labels if word is not None]

    def hashes(self, codes: NDArray[np.int64]) -> Hashes:
        """Return the hash of each row's word, the same for a word whatever its code."""
        with self._lock:
            if len(self._hashes) < len(self._places):
                none, fresh = NullWord.beside([]), islice(self._places, len(self._hashes), None)
                hashes = text_hashes(none if word is None else word for word in fresh)
                self._hashes = np.concatenate([self._hashes, hashes])
            table = self._hashes
        return np.where(codes < 0, np.uint64(0), table[codes]) if len(table) else np.zeros(len(codes), np.uint64)


# pieces ---------------------------------------------------------------------------------------------------------------

ColumnKind = TypeVar("ColumnKind", bound=Column)


class Piece:
    """Some rows of some columns. `stopped` is what makes the rows after them unreadable."""

    def __init__(self, columns: Mapping[str, Column], stopped: DataError | None = None) -> None:
        self.columns, self.stopped = columns, stopped
        self.rows = next((column.rows for column in columns.values()), 0)

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def column(self, name: str, kind: type[ColumnKind]) -> ColumnKind:
        """Return a column that was read as one of a kind."""
        column = self.columns[name]
        assert isinstance(column, kind)
        return column

    def keys(self, names: Sequence[str]) -> Keys:
        """Return the keys that some columns make together."""
        return Keys.of([self.column(name, Keys) for name in names])

    def cut(self, start: int, stop: int) -> Piece:
        """Return rows start to stop, as views."""
        if (start, stop, self.stopped) == (0, self.rows, None):
            return self
        return Piece({name: column.cut(slice(start, stop)) for name, column in self.columns.items()})

    @staticmethod
    def joined(pieces: Sequence[Piece]) -> Piece:
        """Concatenate pieces, each of which may have words of its own."""
        if len(pieces) == 1:
            return pieces[0]
        first = pieces[0].columns
        return Piece({name: type(first[name]).joined([piece[name] for piece in pieces]) for name in first})


def decoded(stream: Iterable[Pending[Piece]]) -> Iterator[Piece]:
    """Decode pieces, and raise what stops one after the rows before."""
    for pending in stream:
        piece = pending.make()
        if piece.rows:
            yield piece
        if piece.stopped is not None:
            raise piece.stopped


def rechunked(stream: Iterator[Pending[Piece]], size: int) -> Iterator[Pending[Piece]]:
    """Cut pieces of any size into pieces of exactly `size` rows, the last one shorter.

    Pieces of that size stay pending. The rows before a DataError come out before it is raised: one of them may have
    to be named instead.
    """
    waiting: list[Piece] = []
    rows = 0
    stopped: DataError | None = None
    try:
        for pending in stream:
            if pending.rows == size and not waiting:
                yield pending
                continue
            for piece in decoded([pending]):
                start = 0
                while rows + piece.rows - start >= size:
                    stop = start + size - rows
                    waiting.append(piece.cut(start, stop))
                    yield ready(Piece.joined(waiting))
                    waiting, rows, start = [], 0, stop
                if start < piece.rows:
                    waiting.append(piece.cut(start, piece.rows))
                    rows += piece.rows - start
    except DataError as error:
        stopped = error
    if waiting:
        yield ready(Piece.joined(waiting))
    if stopped is not None:
        raise stopped
