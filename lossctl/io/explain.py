"""Explanations of what a block could not use: an unknown label, a target that differs between files."""

from __future__ import annotations

from lossctl.core.check import Breach
from lossctl.errors import printable
from lossctl.io.blocks import BlockReader
from lossctl.io.column import Kind, Table, Texts, decoded


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
