"""Arrow arrays to columns: numbers, texts, and keys as hashes; without pandas, which `Array.to_numpy` would import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lossctl.core.block import Hashes, stirred
from lossctl.core.domain import UUID_LENGTH, label
from lossctl.errors import DataError, printable
from lossctl.io.source import (
    FALSE,
    NULLS,
    STANDARD,
    TRUE,
    VECTOR,
    Dialect,
    inexact,
    inexact_number,
    vector_fault,
    written_entries,
)
from lossctl.io.table import (
    BETWEEN,
    NOT_SINGLE,
    Cells,
    Column,
    Keys,
    Kind,
    Numbers,
    Numerals,
    Piece,
    RowFault,
    Shape,
    Table,
    Texts,
    floats,
)
from lossctl.numerics.array import MOST_EXACT, Mask

# types whose every value is a float64; a cast by Arrow would import far more than it saves
PLAIN: Final[Mapping[str, type]] = {
    "double": np.float64,
    "float": np.float32,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
}
WHOLE: Final = {name: kind for name, kind in PLAIN.items() if "int" in name} | {"int64": np.int64}
FEW_CODES: Final = 4096  # the range of whole numbers whose labels are written down beforehand
TEXT: Final = pa.string()
LISTS: Final = {pa.lib.Type_LIST, pa.lib.Type_LARGE_LIST, pa.lib.Type_FIXED_SIZE_LIST}
TEXTS: Final = {pa.lib.Type_STRING, pa.lib.Type_LARGE_STRING, pa.lib.Type_STRING_VIEW}
BYTES: Final = TEXTS | {kind.id for kind in (pa.binary(), pa.large_binary(), pa.binary(1), pa.binary_view())}
NESTED: Final = {
    pa.types.is_struct: "structs",
    pa.types.is_map: "maps",
    pa.types.is_union: "values of several types",
}
UUID: Final = "arrow.uuid"
UUID_DIGITS: Final = [place for place in range(UUID_LENGTH) if place not in (8, 13, 18, 23)]
HEX: Final = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), dtype="S2").view(np.uint8).reshape(256, 2)
UNITS: Final = ("s", "ms", "us", "ns")
DAY: Final = 86_400  # seconds
NO_WORDS: Final[Mapping[str, DictionaryWords]] = MappingProxyType({})


def column(array: pa.Array, kind: Kind, words: DictionaryWords | None = None) -> Column:
    """Convert one column of a record batch; raise DataError where its type does not fit. words: see `texts`."""
    if isinstance(array.type, pa.BaseExtensionType):
        array = uuids(array.storage) if array.type.extension_name == UUID else array.storage
    if kind is Kind.NUMBER:
        return numbers(array)
    if kind is Kind.TEXT:
        return texts(array, words)
    if kind is Kind.LABELS:
        return texts(joined(array), words)
    return keys(array) if kind is Kind.KEY else Cells(array)


def piece(
    table: Table, rows: Any, columns: Mapping[str, Kind], first: int, words: Mapping[str, DictionaryWords] = NO_WORDS
) -> Piece:
    """Convert columns of some rows of a table, which begin at row `first`. words: see `texts`."""
    values: dict[str, Column] = {}
    for name, kind in columns.items():
        with table.naming(name, first):
            values[name] = column(rows.column(name), kind, words.get(name))
    return Piece(values)


def text_array(words: Sequence[str | bytes | None], kind: pa.DataType = TEXT) -> pa.Array:
    """Return texts as an Arrow array of one of its types of text or bytes; `pa.array` would import pandas."""
    raw = [word.encode("utf-8", "backslashreplace") if isinstance(word, str) else word or b"" for word in words]
    wide = kind in (pa.large_binary(), pa.large_string())
    offsets = np.cumsum([0, *map(len, raw)], dtype=np.int64 if wide else np.int32)
    buffers = [bitmap(words), pa.py_buffer(offsets), pa.py_buffer(b"".join(raw))]
    return pa.Array.from_buffers(kind, len(raw), buffers)


def bitmap(values: Sequence[Any]) -> pa.Buffer | None:
    """Return the validity bitmap of an Arrow array; None where no value is missing."""
    present = np.array([value is not None for value in values], dtype=bool)
    return _bitmap(None if present.all() else present)


def among(array: pa.Array, words: Sequence[str]) -> pa.Array:
    """Return which texts are one of some words."""
    import pyarrow.compute as pc

    return pc.is_in(array, value_set=text_array(words))


def without(array: pa.Array, words: Sequence[str]) -> pa.Array:
    """Return an array of texts with nothing in place of some words."""
    import pyarrow.compute as pc

    array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    return pc.if_else(among(array, words), pa.scalar("", pa.string()), array)


# types ----------------------------------------------------------------------------------------------------------------


def leaves(schema: pa.Schema) -> list[tuple[pa.Field, int]]:
    """Return the columns of a schema, those in structs as `pred.score`, each with the place of the one it is in."""
    columns = [(field, place) for place, field in enumerate(schema)]
    while any(pa.types.is_struct(field.type) for field, _ in columns):
        columns = [
            (member, place)
            for field, place in columns
            for member in (field.flatten() if pa.types.is_struct(field.type) else [field])
        ]
    return columns


def flat_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema with the members of structs in their place."""
    return pa.schema([field for field, _ in leaves(schema)])


def flat(rows: Any) -> Any:
    """Return a table or record batch with the members of structs in their place; those of a null are null."""
    while any(pa.types.is_struct(field.type) for field in rows.schema):
        columns, fields = list[Any](), list[pa.Field]()
        for field, column in zip(rows.schema, rows.columns, strict=True):
            nested = pa.types.is_struct(field.type)
            columns += column.flatten() if nested else [column]
            fields += field.flatten() if nested else [field]
        rows = type(rows).from_arrays(columns, schema=pa.schema(fields))
    return rows


def is_list(kind: pa.DataType) -> bool:
    """Whether a type holds one vector per row."""
    return kind.id in LISTS


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds text."""
    return kind.id in TEXTS


def is_number(kind: pa.DataType) -> bool:
    """Whether a type holds numbers that become float64."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def shape(kind: pa.DataType) -> Shape:
    """Describe a column by its Arrow type; the width of a list of free length is 0, to be looked up."""
    if isinstance(kind, pa.BaseExtensionType):
        return Shape("text") if kind.extension_name == UUID else shape(kind.storage_type)
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if is_list(kind) and is_text(kind.value_type):
        return Shape("labels")
    if is_list(kind):
        inner = shape(kind.value_type)
        width = inner.width * kind.list_size if pa.types.is_fixed_size_list(kind) else 0
        return Shape(inner.kind, width, inner.axes + is_list(kind.value_type))
    if pa.types.is_boolean(kind):
        return Shape("boolean")
    return Shape("number" if is_number(kind) else "text" if is_text(kind) else "other", written=is_text(kind))


def check_single(kind: pa.DataType) -> None:
    """Raise DataError for a type that holds more than one value per row, and so no labels or keys."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if is_list(kind) or pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        raise DataError(NOT_SINGLE)
    for test, content in NESTED.items():
        if test(kind):
            raise DataError(f"holds {content}; one value per row is needed")


# values ---------------------------------------------------------------------------------------------------------------


def valid(array: pa.Array) -> Mask | None:
    """Return (rows,) True for values, None where nothing is null."""
    if array.null_count == 0:
        return None
    buffer = array.buffers()[0]
    if buffer is None:
        return np.zeros(len(array), dtype=bool)  # a column of nulls only has no bitmap
    bits = np.unpackbits(np.frombuffer(buffer, dtype=np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].view(bool)


def buffer_of(array: pa.Array, dtype: type) -> NDArray[Any]:
    """View the values of a primitive array."""
    values: NDArray[Any] = np.frombuffer(array.buffers()[1], dtype=dtype)
    return values[array.offset : array.offset + len(array)]


def offsets_of(array: pa.Array, dtype: type) -> NDArray[Any]:
    """View where the lists or texts of an array begin, and where the last one ends."""
    if not len(array):
        return np.zeros(1, dtype)
    offsets: NDArray[Any] = np.frombuffer(array.buffers()[1], dtype=dtype)
    return offsets[array.offset : array.offset + len(array) + 1]


def numbers(array: pa.Array) -> Numbers:
    """Convert numbers, text of numbers, booleans, dictionaries, and lists of equal length to (width, rows) float64."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if is_list(array.type):
        return vectors(array)
    if pa.types.is_null(array.type):
        return Numbers(np.full((1, len(array)), np.nan), np.ones(len(array), dtype=bool))
    if is_text(array.type):
        text = as_text(array)
        if width := written_width(text):
            return written_vectors(text, width, STANDARD)
        array = parsed(text, STANDARD)
    if not (is_number(array.type) or pa.types.is_boolean(array.type)):
        raise DataError(f"holds {printable(str(array.type))} values; numbers are needed")
    if not len(array):
        return Numbers(np.empty((1, 0)))
    values, present = as_float64(array), valid(array)
    if present is None:
        integers = pa.types.is_integer(array.type) or pa.types.is_boolean(array.type)
        return Numbers(values[np.newaxis], integers=integers)
    return Numbers(np.where(present, values, np.nan)[np.newaxis], ~present)


def parsed(array: pa.Array, dialect: Dialect) -> pa.Array:
    """Read texts as numbers, or as true and false throughout; raise RowFault for one that is none."""
    import pyarrow.compute as pc

    null = pc.or_(pc.is_null(array), among(array, sorted(dialect.nulls)))
    yes, no = among(array, TRUE), among(array, FALSE)
    if pc.all(pc.or_(null, pc.or_(yes, no))).as_py():
        return pc.if_else(null, pa.scalar(None, pa.float64()), yes.cast(pa.float64()))
    fits = pc.or_(null, pc.fill_null(pc.match_substring_regex(array, f"^(?:{dialect.number})$"), False))
    if not pc.all(fits).as_py():
        row = pc.index(fits, False).as_py()
        raise RowFault(row, dialect.number_fault(array[row].as_py(), advise=False))
    plain = array
    if not dialect.plain_numbers:
        plain = pc.replace_substring(pc.replace_substring(array, dialect.thousands or "", ""), dialect.decimal, ".")
    plain = pc.if_else(null, pa.scalar(None, pa.string()), pc.ascii_trim(plain, " \t+"))
    values = plain.cast(pa.float64())
    large = pc.indices_nonzero(pc.fill_null(pc.greater_equal(pc.abs(values), float(MOST_EXACT)), False))
    for row in large.to_pylist():
        if fault := inexact(plain[row].as_py()):
            raise RowFault(row, fault)
    return values


def written_width(array: pa.Array) -> int:
    """Return how many numbers the first text holds if it is a vector that is written as text, else 0."""
    first = next((word for value in array if (word := value.as_py()) is not None and word not in NULLS), "")
    return len(written_entries(first))


def written_vectors(array: pa.Array, width: int, dialect: Dialect) -> Numbers:
    """Read vectors of one width that are written as text; raise RowFault for a text that is none."""
    import pyarrow.compute as pc

    null = pc.or_(pc.is_null(array), among(array, sorted(dialect.nulls)))
    lists = pc.ascii_split_whitespace(pc.replace_substring(pc.ascii_trim(array, " \t\r\n[]"), ",", " "))
    fits = pc.and_(pc.match_substring_regex(array, f"^(?:{VECTOR})$"), pc.equal(pc.list_value_length(lists), width))
    fits = pc.or_(null, pc.fill_null(fits, False))
    present = buffer_of(null.cast(pa.uint8()), np.uint8) == 0
    if not pc.all(fits, min_count=0).as_py():
        row = pc.index(fits, False).as_py()
        raise RowFault(row, vector_fault(array[row].as_py(), width))
    values = np.full((width, len(array)), np.nan)
    try:
        numbers = as_float64(parsed(lists.filter(pa.array(present)).flatten(), STANDARD)) if present.any() else values
    except RowFault as fault:
        raise RowFault(int(np.flatnonzero(present)[fault.row // width]), str(fault)) from None
    values[:, present] = numbers.reshape(-1, width).T if present.any() else np.empty((width, 0))
    return Numbers(values, None if present.all() else ~present)


def as_float64(array: pa.Array) -> NDArray[np.float64]:
    """Return the values of an array of numbers or booleans; those of nulls are arbitrary."""
    if pa.types.is_int64(array.type) or pa.types.is_uint64(array.type):
        present = valid(array)
        integers = buffer_of(array, np.int64 if pa.types.is_int64(array.type) else np.uint64)
        return floats(integers if present is None else np.where(present, integers, integers.dtype.type(0)))
    plain = PLAIN.get(str(array.type))
    if plain is None:  # decimals, booleans and half floats
        numbers = buffer_of(array.cast(pa.float64()), np.float64)
        if pa.types.is_decimal(array.type) and array.type.scale <= 0:
            for row in np.flatnonzero(np.abs(numbers) >= MOST_EXACT).tolist():
                digits = array[row].as_py()
                if digits is not None and digits != int(numbers[row]):
                    raise RowFault(row, inexact_number(f"{digits:f}"))
        return numbers
    values: NDArray[Any] = buffer_of(array, plain)
    return values.astype(np.float64, copy=False)


def vectors(array: pa.Array, width: int | None = None) -> Numbers:
    """Convert one vector per row, or lists in lists; all have the same length, and no null inside."""
    present = valid(array)
    try:
        flat = numbers(array.flatten())
    except RowFault as fault:
        raise DataError(f"holds {fault}") from None
    if flat.null is not None:
        raise DataError("has a null inside a list")
    rows = len(array) - array.null_count
    if pa.types.is_fixed_size_list(array.type):
        width = array.type.list_size
    else:
        lengths = np.diff(offsets_of(array, np.int64 if pa.types.is_large_list(array.type) else np.int32))
        lengths = lengths if present is None else lengths[present]
        width = width if width is not None else int(lengths[0]) if rows else 0
        if (lengths != width).any():
            raise DataError(f"has lists of different lengths: {width} and {int(lengths[lengths != width][0])}")
    inner = len(flat.values)  # of lists in lists, the last index runs first, as in .npy
    columns = np.ascontiguousarray(
        flat.values.reshape(inner, rows, width).transpose(2, 0, 1).reshape(width * inner, rows)
    )
    if present is None:
        return Numbers(columns)
    values = np.full((width * inner, len(array)), np.nan)
    values[:, present] = columns
    return Numbers(values, ~present)


def not_a_number(array: pa.Array) -> Mask | None:
    """Return (rows,) True for NaN, which as a label or key is missing; None where there is none."""
    if not pa.types.is_floating(array.type) or not len(array):
        return None
    nan, present = np.isnan(as_float64(array)), valid(array)
    nan = nan if present is None else nan & present
    return nan if nan.any() else None


def uuids(storage: pa.Array) -> pa.Array:
    """Write identifiers of 16 bytes as text."""
    if not len(storage):
        return pa.Array.from_buffers(pa.string(), 0, [None, pa.py_buffer(bytes(4)), pa.py_buffer(b"")])
    raw = np.frombuffer(storage.buffers()[1], dtype=np.uint8).reshape(-1, 16)
    words = np.full((len(storage), UUID_LENGTH), ord("-"), dtype=np.uint8)
    words[:, UUID_DIGITS] = HEX[raw[storage.offset : storage.offset + len(storage)]].reshape(len(storage), -1)
    offsets = np.arange(len(storage) + 1, dtype=np.int32) * np.int32(UUID_LENGTH)
    buffers = [_bitmap(valid(storage)), pa.py_buffer(offsets), pa.py_buffer(words)]
    return pa.Array.from_buffers(pa.string(), len(storage), buffers)


def times(array: pa.Array) -> pa.Array:
    """Write time stamps as text, in the coarsest unit that holds them all; those with a zone in Greenwich's."""
    present = valid(array)
    values = np.array(buffer_of(array.view(pa.int64()), np.int64))
    if present is not None:
        values[~present] = 0
    in_second = 10 ** (3 * UNITS.index(array.type.unit))
    days, within = np.divmod(values, DAY * in_second)
    if array.type.tz is None and not within.any() and np.abs(days).max(initial=0) < 1 << 31:
        values, kind = days.astype(np.int32), pa.date32()
    else:
        unit = next(place for place in range(len(UNITS)) if not (values % max(in_second // 1000**place, 1)).any())
        values, kind = values // max(in_second // 1000**unit, 1), pa.timestamp(UNITS[unit], array.type.tz and "UTC")
    return pa.Array.from_buffers(kind, len(array), [_bitmap(present), pa.py_buffer(values)]).cast(pa.string())


def _bitmap(present: Mask | None) -> pa.Buffer | None:
    return None if present is None else pa.py_buffer(np.packbits(present, bitorder="little"))


def as_text(array: pa.Array) -> pa.Array:
    """Return single values as text; raise DataError where they are none, or not UTF-8."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        return times(array)
    if pa.types.is_float32(kind) or pa.types.is_float64(kind):
        import pyarrow.compute as pc

        array = pc.add(array, pa.scalar(0, kind))  # -0 and 0 are one label
    try:
        text = array if pa.types.is_string(kind) else array.cast(pa.string())
        text.validate(full=True)
    except pa.ArrowNotImplementedError:
        raise DataError(f"holds {printable(str(kind))} values; numbers, text or dates are needed") from None
    except pa.ArrowInvalid:
        if kind.id in BYTES:
            for raw in array.cast(pa.large_binary()).to_pylist():
                try:
                    (raw or b"").decode("utf-8")
                except UnicodeDecodeError:
                    raise DataError(f"holds {raw[:40]!r}, which is not UTF-8 text") from None
        raise
    return text


class DictionaryWords:
    """The words of a column's dictionary, read anew only where it is another one: most pieces of a column share one."""

    def __init__(self) -> None:
        self._dictionary: pa.Array | None = None
        self._words: tuple[str, ...] = ()
        self._absent: Mask | None = None

    def of(self, dictionary: pa.Array) -> tuple[Sequence[str], Mask | None]:
        """Return the words, and (words + 1,) True for those that stand for no value and for the code -1 if any do."""
        integer = WHOLE.get(str(dictionary.type)) if dictionary.null_count == 0 and len(dictionary) else None
        if integer is not None:
            return Numerals(buffer_of(dictionary, integer).astype(np.int64)), None
        if self._dictionary is None or not self._dictionary.equals(dictionary):
            words = tuple(text or "" for text in as_text(dictionary).to_pylist())
            nan = not_a_number(dictionary)
            absent = None
            if "" in words or nan is not None:
                absent = np.array([*(not text for text in words), True])
                absent[:-1] |= False if nan is None else nan
            self._dictionary, self._words, self._absent = dictionary, words, absent
        return self._words, self._absent


def joined(array: pa.Array) -> pa.Array:
    """Join the labels of each row into one text, which is BETWEEN alone where there are none."""
    if not is_list(array.type):
        return array
    import pyarrow.compute as pc  # which few need, and which takes time to import

    rows = pc.binary_join(array.cast(pa.list_(pa.string())), pa.scalar(BETWEEN))
    return pc.if_else(pc.equal(rows, pa.scalar("")), pa.scalar(BETWEEN), rows)


def texts(array: pa.Array, words: DictionaryWords | None = None) -> Texts:
    """Convert text, integers, booleans and numbers to codes into their words; an empty text and NaN are null.

    words: those of the piece of the column before, if there was one.
    """
    check_single(array.type)
    integer = WHOLE.get(str(array.type))
    if integer is not None and array.null_count == 0 and len(array):
        values = buffer_of(array, integer)
        low, high = int(values.min()), int(values.max())
        if high - low < FEW_CODES:  # a class or a group: no need to look each one up
            return Texts(values.astype(np.int64) - low, Numerals(np.arange(low, high + 1)))
    if not pa.types.is_dictionary(array.type):
        plain = pa.types.is_string(array.type) or is_number(array.type)
        array = (array if plain else as_text(array)).dictionary_encode()
    codes = np.array(buffer_of(array.indices.cast(pa.int64()), np.int64)) if len(array) else np.empty(0, np.int64)
    present = valid(array.indices)
    if present is not None:
        codes[~present] = -1
    if len(codes) and not -1 <= int(codes.min()) <= int(codes.max()) < max(len(array.dictionary), 1):
        raise DataError("the file is damaged: a value is not in its dictionary")
    labels, absent = (words or DictionaryWords()).of(array.dictionary)
    return Texts(codes if absent is None else np.where(absent[codes], -1, codes), labels)


# keys: a whole number is hashed one to one; any other key is its label's text, hashed to 128 bits, so that two of a
# billion different texts meet with a probability below 1e-20 ---------------------------------------------------------

WORD: Final = 8  # bytes hashed at a time
FIRST_BYTES: Final = np.array([(1 << 8 * n) - 1 for n in range(WORD)] + [(1 << 64) - 1], dtype=np.uint64)
ZEROS, ABOVE_NINE = np.uint64(0x3030303030303030), np.uint64(0x4646464646464646)
NO_BYTE: Final = np.uint64(0)
NO_DIGIT: Final = np.uint64(0x8080808080808080)
LONGEST_NUMBER: Final = 20  # characters of the longest whole number of 64 bits
OTHER_SEED: Final = np.uint64(0x9E3779B97F4A7C15)  # of the second hash of a text: 2^64 over the golden ratio
SPELLED_OTHERWISE: Final = (b"True", b"TRUE", b"False", b"FALSE")
LONGEST_FRACTION: Final = 400  # characters of the longest text that is looked at as a number with a fraction
DATE_MARKS: Final = np.uint64(0xFF0000FF00000000)  # where 2026-11- has its hyphens
HYPHENS: Final = np.uint64(0x2D00002D00000000)
CLOCK_MARKS: Final = np.uint64(0x0000FF0000FF0000)  # where 09:30:00 has its colons
COLONS: Final = np.uint64(0x00003A00003A0000)
MIDNIGHT: Final = np.uint64(int.from_bytes(b"00:00:00", "little"))
DAY_LENGTH, TIME_LENGTH = len("2026-11-21"), len("2026-11-21 09:30:00")


def keys(array: pa.Array) -> Keys:
    """Hash the keys of one Arrow array of numbers, text, booleans, dates or dictionaries of these."""
    check_single(array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not len(array):
        return Keys(np.empty(0, np.uint64), None)
    present = valid(array)
    null = np.zeros(len(array), dtype=bool) if present is None else ~present
    if pa.types.is_signed_integer(array.type):
        values = np.array(buffer_of(array.cast(pa.int64()), np.int64))
        return Keys(_of_numbers(values), None, *((None, values) if present is None else (null, None)))
    nan = not_a_number(array)
    if nan is not None:
        null |= nan
    text = as_text(array)
    offsets = offsets_of(text, np.int32).astype(np.int64)
    data = np.frombuffer(text.buffers()[2] or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
    offsets -= offsets[0]
    hashed = of_texts(offsets, data)
    check = hashed.check if hashed.check.any() else None
    null |= np.diff(offsets) == 0
    if null.any():
        return Keys(hashed.hashes, check, null)
    return Keys(hashed.hashes, check, None, text if hashed.plain else hashed.numbers)


class TextHashes(NamedTuple):
    """Hashes of texts, a second one that is 0 for whole numbers, and the numbers if all texts are.

    plain: no text is a whole number, and none is spelled otherwise than its label.
    """

    hashes: Hashes
    check: Hashes
    numbers: NDArray[np.int64] | None
    plain: bool


def _of_numbers(values: NDArray[np.int64]) -> Hashes:
    return stirred(stirred(values.view(np.uint64) ^ OTHER_SEED))


def of_texts(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> TextHashes:
    """Hash texts: text i is data[offsets[i] : offsets[i + 1]]."""
    starts, lengths = offsets[:-1], np.diff(offsets)
    padded = np.concatenate([data, np.zeros(WORD, np.uint8)])
    windows = np.ndarray((len(data) + 1,), dtype="<u8", buffer=padded.data, strides=(1,))  # every 8 bytes in a row
    times, with_t = _times(starts, lengths, padded, windows)
    padded[starts[with_t] + DAY_LENGTH] = ord(" ")
    hashes = stirred(lengths.astype(np.uint64))
    check = stirred(lengths.astype(np.uint64) ^ OTHER_SEED)
    digits = (lengths > 0) & (lengths <= LONGEST_NUMBER)
    signs = padded[starts] == ord("-")
    leads = padded[np.minimum(starts + signs, len(data))]
    digits &= (lengths > signs) & ((leads != ord("0")) | (lengths == 1))
    for place in range(0, int(lengths.max(initial=0)), WORD):
        count = np.clip(lengths - place, 0, WORD)
        word = windows[np.minimum(starts + place, len(data))] & FIRST_BYTES[count]
        if place < LONGEST_NUMBER:
            padded_word = word | (ZEROS & ~FIRST_BYTES[count])
            if place == 0:
                unsigned = (padded_word & ~np.uint64(0xFF)) | np.uint64(ord("0"))
                padded_word = np.where(signs, unsigned, padded_word)
            digits &= _are_digits(padded_word)
        longer = count > 0
        if longer.all():
            hashes, check = stirred(hashes ^ word), stirred(stirred(check ^ word))
        else:
            hashes = np.where(longer, stirred(hashes ^ word), hashes)
            check = np.where(longer, stirred(stirred(check ^ word)), check)
    numeric, numbers = np.zeros(len(lengths), dtype=bool), np.zeros(len(lengths), dtype=np.int64)
    rows, values = _whole_numbers(np.flatnonzero(digits), starts + signs, lengths - signs, signs, padded)
    hashes[rows], check[rows] = _of_numbers(values), 0
    numeric[rows], numbers[rows] = True, values
    respelled, words = _respelled(starts, lengths, digits | times, data, windows)
    if len(respelled):
        encoded = [text.encode() for text in words]
        again = of_texts(
            np.cumsum([0, *map(len, encoded)], dtype=np.int64), np.frombuffer(b"".join(encoded), dtype=np.uint8)
        )
        hashes[respelled], check[respelled] = again.hashes, again.check
        if again.numbers is not None:
            numeric[respelled], numbers[respelled] = True, again.numbers
    plain = not (numeric.any() or len(respelled) or with_t.any())
    return TextHashes(hashes, check, numbers if numeric.all() else None, plain)


def _whole_numbers(
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
    digits: NDArray[np.int64],
    negative: Mask,
    data: NDArray[np.uint8],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read the texts of these rows, all digits, as numbers; return the rows whose number has 64 bits, and these."""
    rows = rows[digits[rows] <= LONGEST_NUMBER - 1]
    starts, digits, negative = starts[rows], digits[rows], negative[rows]
    size = np.zeros(len(rows), dtype=np.uint64)
    for place in range(int(digits.max(initial=0))):
        goes_on = place < digits
        digit = data[np.where(goes_on, starts + place, 0)] - np.uint64(ord("0"))
        size = np.where(goes_on, size * np.uint64(10) + digit, size)
    fits = size <= np.uint64((1 << 63) - 1)
    values = size.astype(np.int64)
    values[negative] *= -1
    fits &= ~(negative & (size == 0))  # -0 is a text of its own unless its label says otherwise
    return rows[fits], values[fits]


def _are_digits(words: NDArray[np.uint64], separators: np.uint64 = NO_BYTE) -> Mask:
    """Whether the 8 bytes of each word are digits, but for separators."""
    words = (words & ~separators) | (ZEROS & separators)
    return (((words + ABOVE_NINE) | (words - ZEROS)) & NO_DIGIT) == 0


def _times(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], padded: NDArray[np.uint8], windows: NDArray[Any]
) -> tuple[Mask, Mask]:
    """Return which texts are times as labels have them, with a blank or a T, and which have a T."""
    times, with_t = np.zeros(len(lengths), dtype=bool), np.zeros(len(lengths), dtype=bool)
    rows = np.flatnonzero((lengths == TIME_LENGTH) | (lengths == TIME_LENGTH + 1))
    rows = rows[(windows[starts[rows]] & DATE_MARKS) == HYPHENS]
    if len(rows):
        first, clock = windows[starts[rows]], windows[starts[rows] + DAY_LENGTH + 1]
        in_greenwich = padded[starts[rows] + TIME_LENGTH] == ord("Z")
        fits = np.where(lengths[rows] == TIME_LENGTH, clock != MIDNIGHT, in_greenwich)
        fits &= ((clock & CLOCK_MARKS) == COLONS) & _are_digits(clock, CLOCK_MARKS) & _are_digits(first, DATE_MARKS)
        for place in (DAY_LENGTH - 2, DAY_LENGTH - 1):
            fits &= padded[starts[rows] + place] - np.uint8(ord("0")) < 10
        between = padded[starts[rows] + DAY_LENGTH]
        with_t[rows] = fits & (between == ord("T"))
        times[rows] = with_t[rows] | (fits & (between == ord(" ")))
    return times, with_t


def _respelled(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], plain: Mask, data: NDArray[np.uint8], windows: NDArray[Any]
) -> tuple[NDArray[np.int64], Sequence[str]]:
    """Return the rows, but for plain ones, whose text is spelled otherwise than its label, and these labels."""
    ends = starts + lengths
    first = windows[np.minimum(starts, len(data))] & FIRST_BYTES[np.minimum(lengths, WORD)]
    odd = np.zeros(len(lengths), dtype=bool)
    for spelling in SPELLED_OTHERWISE:
        odd |= (lengths == len(spelling)) & (first == np.uint64(int.from_bytes(spelling, "little")))
    lead = (first & np.uint64(0xFF)).astype(np.uint8)
    numeric = ((lead - np.uint8(ord("0")) < 10) | (lead == ord("-")) | (lead == ord("."))) & ~plain

    def hold(marks: Mask) -> Mask:
        """Return which texts hold a marked byte."""
        texts = np.zeros(len(lengths), dtype=bool)
        texts[np.searchsorted(ends, np.flatnonzero(marks), side="right")] = True
        return texts

    if numeric.any():
        exponents = (data | 0x20) == ord("e")
        signed = exponents.copy()
        signed[:-1] &= (data[1:] == ord("+")) | (data[1:] == ord("-"))
        last = data[np.maximum(ends - 1, 0)]
        second = (first >> np.uint64(8)).astype(np.uint8)
        bare = (
            (last == ord("0")) | (last == ord(".")) | (lead == ord(".")) | ((lead == ord("-")) & (second == ord(".")))
        )
        numeric &= lengths <= LONGEST_FRACTION
        points = hold(data == ord("."))
        odd |= numeric & points & (bare | (points.any() and hold(exponents))) | numeric & hold(signed)
        odd |= numeric & (lengths > DAY_LENGTH) & ((first & DATE_MARKS) == HYPHENS)
    identifiers = lengths == UUID_LENGTH
    if identifiers.any():
        odd |= identifiers & hold(data - np.uint8(ord("A")) < 6)
    candidates = np.flatnonzero(odd)
    if not len(candidates):
        return candidates, []
    raw = data.tobytes()
    bounds = zip(starts[candidates].tolist(), ends[candidates].tolist(), strict=True)
    texts = [raw[start:end] for start, end in bounds]
    labels = {text: label(text.decode("utf-8", errors="replace")) for text in dict.fromkeys(texts)}
    places = [place for place, text in enumerate(texts) if labels[text].encode() != text]
    return candidates[places], [labels[texts[place]] for place in places]
