"""Text cut at line ends into pieces of a block's rows, so that several threads can parse it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK
from lossctl.errors import printable
from lossctl.io import arrow
from lossctl.io.table import Cells, Column, Kind, Numbers, Piece, Texts
from lossctl.numerics.array import Mask

NULLS: Final = ("", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "none", "<NA>")
TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
NUMBER: Final = re.compile(
    r"[ \t]*[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity|nan)[ \t]*", re.IGNORECASE
)
ANY_BYTE: Final = "latin-1"  # an encoding in which every byte is a character


def first_wrong(batch: pa.RecordBatch, types: Mapping[str, pa.DataType], start: int) -> tuple[int, str] | None:
    """Return the first row of a batch with a field that is not of its column's type, and what it holds."""
    found: tuple[int, str] | None = None
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        for place, raw in enumerate(array.to_pylist()):
            if found is not None and start + place >= found[0]:
                break
            if fault := wrong_field(raw, types[name]):
                found = start + place, f", column {printable(name)!r}: {fault}"
                break
    return found


def kind_of(kind: pa.DataType) -> Kind:
    """Return how a column that is read as an Arrow type is meant."""
    if pa.types.is_string(kind):
        return Kind.KEY
    if pa.types.is_large_binary(kind):
        return Kind.CELL
    return Kind.TEXT if pa.types.is_dictionary(kind) else Kind.NUMBER


def wrong_field(raw: bytes, kind: pa.DataType) -> str:
    """Say what is wrong with a field of a column of this type, or nothing."""
    if kind_of(kind) is Kind.CELL:
        return ""
    try:
        text = raw_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return f"{raw_bytes(raw)[:40]!r} is not UTF-8 text"
    if text in NULLS or kind_of(kind) is not Kind.NUMBER:
        return ""
    if pa.types.is_boolean(kind):
        return "" if text in TRUE + FALSE else f"{text[:40]!r} is not true or false, as the rows before it"
    return "" if NUMBER.fullmatch(text) else f"{text[:40]!r} is not a number"


def raw_bytes(field: bytes) -> bytes:
    """Return the bytes of a field as they stand in the file, undoing the lenient encoding."""
    return field.decode("utf-8").encode(ANY_BYTE)


def plain_piece(batch: pa.RecordBatch, types: Mapping[str, pa.DataType]) -> Piece:
    """Convert rows that were read as text and found to be right."""
    piece: dict[str, Column] = {}
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if kind_of(types[name]) is Kind.CELL:
            piece[name] = Cells(pa.array(map(raw_bytes, array.to_pylist()), pa.large_binary()))
            continue
        texts = [raw_bytes(raw).decode("utf-8") for raw in array.to_pylist()]
        if kind_of(types[name]) is Kind.KEY:
            piece[name] = arrow.column(pa.array(texts, pa.string()), Kind.KEY)
        elif kind_of(types[name]) is Kind.TEXT:
            places: dict[str, int] = {}
            codes = [places.setdefault(text, len(places)) if text else -1 for text in texts]
            piece[name] = Texts(np.array(codes, dtype=np.int64), tuple(places))
        else:
            null = np.array([text in NULLS for text in texts], dtype=bool)
            numbers = [np.nan if text in NULLS else as_float(text) for text in texts]
            piece[name] = Numbers(np.array([numbers]), null if null.any() else None)
    return Piece(piece)


def as_float(text: str) -> float:
    """Read a number or a boolean that was found to be one."""
    return float(text in TRUE) if text in TRUE + FALSE else float(text)


STEP: Final = 1 << 20  # bytes read at a time
LONGEST: Final = 1 << 25  # bytes that a piece may have, whatever the number of its rows
NEWLINE, RETURN, QUOTE = b'\n\r"'


@dataclass(frozen=True)
class Chunk:
    """Whole lines: their bytes, their number, and where in the file's text they begin."""

    text: bytes
    rows: int
    offset: int


@dataclass(frozen=True)
class Rest:
    """Where text begins whose rows cannot be told by looking at its line ends: a reader must follow its quotes."""

    offset: int


def chunks(stream: pa.NativeFile, delimiter: str | None, ahead: bool) -> Iterator[Chunk | Rest]:
    """Cut a stream of text, from where it stands, into pieces of BLOCK lines; the last one is shorter.

    Without a delimiter every line end ends a row, as in JSON lines. `ahead` lets another thread read (and so
    decompress) the next bytes meanwhile.
    """
    steps = _read_ahead(stream) if ahead else iter(lambda: stream.read(STEP), b"")
    held: list[bytes] = []
    lines, size, offset = 0, 0, 0
    for step in steps:
        held.append(step)
        lines, size = lines + _lines(step), size + len(step)
        while lines >= BLOCK or (size >= LONGEST and lines):
            text, rows = b"".join(held), min(lines, BLOCK)
            end = _place(_at(text, NEWLINE), rows) + 1
            piece, rest = text[:end], text[end:]
            if not _safe(piece, delimiter):
                yield Rest(offset)
                return
            yield Chunk(piece, rows, offset)
            held, lines, size, offset = [rest], lines - rows, size - end, offset + end
        if size >= LONGEST:  # no line end in all this: a reader says what is wrong, and nothing more is held
            yield Rest(offset)
            return
    text = b"".join(held)
    if not _safe(text, delimiter):
        yield Rest(offset)
    elif text:
        yield Chunk(text, lines + (not text.endswith(b"\n")), offset)


def _read_ahead(stream: pa.NativeFile) -> Iterator[bytes]:
    with ThreadPoolExecutor(1, thread_name_prefix="lossctl-unpack") as pool:
        coming = pool.submit(stream.read, STEP)
        while step := coming.result():
            coming = pool.submit(stream.read, STEP)
            yield step


def _at(text: bytes, byte: int) -> Mask:
    """Return where a byte stands in a text."""
    return np.frombuffer(text, dtype=np.uint8) == byte


def _lines(text: bytes) -> int:
    return int(np.count_nonzero(_at(text, NEWLINE)))


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


def _safe(text: bytes, delimiter: str | None) -> bool:
    """Whether every line end of a text ends a row: no lone carriage return, no line end between quotes."""
    if delimiter is None:
        return True
    if RETURN in text and not _returns_end_lines(text):
        return False
    return QUOTE not in text or _quotes_hold_no_line_end(text, ord(delimiter))


def _returns_end_lines(text: bytes) -> bool:
    return bool((_at(text, RETURN)[:-1] <= _at(text, NEWLINE)[1:]).all()) and not text.endswith(b"\r")


def _quotes_hold_no_line_end(text: bytes, delimiter: int) -> bool:
    """Whether quotes open at the start of a field, close at its end, and do so within their line."""
    codes = np.frombuffer(text, dtype=np.uint8)
    quotes = np.flatnonzero(codes == QUOTE)
    if len(quotes) % 2:
        return False
    before = np.concatenate([[NEWLINE], codes[:-1]])
    after = np.concatenate([codes[1:], [NEWLINE]])
    opening, closing = quotes[::2], quotes[1::2]
    # a doubled quote closes and opens again: the field goes on
    opens = _is_one_of(before[opening], (delimiter, NEWLINE, RETURN, QUOTE))
    closes = _is_one_of(after[closing], (delimiter, NEWLINE, RETURN, QUOTE))
    line_ends = np.flatnonzero(codes == NEWLINE)
    return bool(opens.all() and closes.all() and not (np.searchsorted(quotes, line_ends) % 2).any())


def _is_one_of(codes: NDArray[np.uint8], allowed: tuple[int, ...]) -> Mask:
    return np.logical_or.reduce([codes == code for code in allowed])
