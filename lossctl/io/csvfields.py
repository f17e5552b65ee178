"""Fields of CSV text: what a number, a boolean or a missing value may look like, and what is wrong with another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from lossctl.errors import printable
from lossctl.io import convert
from lossctl.io.column import Cells, Kind, Numbers, Piece, Texts

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
    piece: Piece = {}
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if kind_of(types[name]) is Kind.CELL:
            piece[name] = Cells(pa.array(map(raw_bytes, array.to_pylist()), pa.large_binary()))
            continue
        texts = [raw_bytes(raw).decode("utf-8") for raw in array.to_pylist()]
        if kind_of(types[name]) is Kind.KEY:
            piece[name] = convert.column(pa.array(texts, pa.string()), Kind.KEY)
        elif kind_of(types[name]) is Kind.TEXT:
            places: dict[str, int] = {}
            codes = [places.setdefault(text, len(places)) if text else -1 for text in texts]
            piece[name] = Texts(np.array(codes, dtype=np.int64), tuple(places))
        else:
            null = np.array([text in NULLS for text in texts], dtype=bool)
            numbers = [np.nan if text in NULLS else as_float(text) for text in texts]
            piece[name] = Numbers(np.array([numbers]), null if null.any() else None)
    return piece


def as_float(text: str) -> float:
    """Read a number or a boolean that was found to be one."""
    return float(text in TRUE) if text in TRUE + FALSE else float(text)
