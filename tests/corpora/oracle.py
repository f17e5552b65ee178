"""What Python's own readers, csv with strict=True and json, say of a file, and whether a table says the same.

A verdict is `right` where some column can be read and every one that is read holds what the oracle says, `rest` where
that is so of the rows that --bad-rows drop has left, `refused` where no column can be read, and `wrong` else.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple

from lossctl.errors import DataError
from lossctl.io.csv import CsvTable
from lossctl.io.jsonl import JsonTable
from lossctl.io.source import BLANKS, FALSE, NONE, NULLS, TRUE, Dialect
from lossctl.io.table import FileTable, Keys, Kind, Numbers, Table, Texts, decoded

Outcome = Literal["right", "rest", "refused", "wrong"]
Row = tuple[str, ...]
MARK: Final = "\ufeff"
SEPARATOR_LINE: Final = re.compile(r"sep=[ -~\t]\r?\n", re.IGNORECASE)
NUMBER: Final = re.compile(r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf|infinity|nan))")


class Verdict(NamedTuple):
    """How a file was read, the first words of its refusal or what was read wrongly, and how many rows were left out."""

    outcome: Outcome
    why: str = ""
    dropped: int = 0


class Wrong(Exception):
    """A value that was read is not that of the oracle."""


def judged(table: Table, dialect: Dialect) -> Verdict:
    """Compare a text file with what Python's reader says of it."""
    try:
        if isinstance(table, CsvTable):
            return _judged(table, _CsvOracle(table, dialect))
        assert isinstance(table, JsonTable)
        return _judged(table, _JsonOracle(table, dialect))
    except DataError as error:
        return Verdict("refused", str(error))


def _judged(table: FileTable, oracle: _CsvOracle | _JsonOracle) -> Verdict:
    read, refusal = False, ""
    for kinds in oracle.selections():
        try:
            columns, rows = columns_of(table, kinds)
            oracle.compare(kinds, columns, rows)
            read = read or rows > 0
        except DataError as error:
            refusal = refusal or str(error)
        except Wrong as error:
            return Verdict("wrong", str(error))
    if not read:
        return Verdict("refused", refusal or "there are no rows below the header")
    dropped = sum(map(len, table.bad_rows.values()))
    return Verdict("rest" if dropped else "right", refusal, dropped)


def columns_of(table: FileTable, kinds: Mapping[str, Kind]) -> tuple[list[list[Any]], int]:
    """Read columns: numbers, with None for a missing one, texts, or hashes of keys; and the number of rows."""
    columns: list[list[Any]] = [[] for _ in kinds]
    count = 0
    for piece in decoded(table.read(kinds)):
        for values, name in zip(columns, kinds, strict=True):
            values += _values(piece[name], piece.rows)
        count += piece.rows
    return columns, count


def _values(column: Any, rows: int) -> list[Any]:
    if isinstance(column, Texts):
        return [column.word(row) for row in range(rows)]
    if isinstance(column, Keys):
        columns = [column.hashes.tolist(), *([] if column.check is None else [column.check.tolist()])]
        values: list[Any] = list(zip(*columns, strict=True))
    else:
        assert isinstance(column, Numbers)
        values = column.values[0].tolist() if len(column.values) == 1 else [Ellipsis] * rows  # vectors
    null = [False] * rows if column.null is None else column.null.tolist()
    return [None if hole else value for value, hole in zip(values, null, strict=True)]


def _expect(truth: object, *parts: object) -> None:
    if not truth:
        raise Wrong(": ".join(map(str, parts)))


def _same(value: float | None, other: float | None) -> bool:
    if value is None or other is None:
        return value is other
    return value == other or (math.isnan(value) and math.isnan(other))


def _number(text: str, decimal: str = ".") -> float:
    """Return the number that a text is; Wrong where it is none, for it has been read as one."""
    plain = text.strip(" \t").replace(decimal, ".")
    _expect(NUMBER.fullmatch(plain), "read as a number", text)
    return float(plain)


# csv ------------------------------------------------------------------------------------------------------------------


class _Lines:
    """The lines of a text for Python's reader, without those that are empty or comments where a record begins."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self.lines = list(io.StringIO(text, newline=""))
        self.place = 0
        self.begins = True
        blanks = " \t".replace(dialect.delimiter or ",", "")
        comment = f"|{re.escape(dialect.comment)}[^\r\n]*" if dialect.comment else ""
        self._none = re.compile(f"(?:[{blanks}]*{comment})(?:\r\n?|\n|\\Z)")

    def __iter__(self) -> Iterator[str]:
        while self.place < len(self.lines):
            line = self.lines[self.place]
            self.place += 1
            if not self.begins or not self._none.fullmatch(line):
                self.begins = False
                yield line

    def records(self) -> Iterator[int]:
        """Yield the line after which each record may begin."""
        while self.place < len(self.lines):
            self.begins = True
            while self.place < len(self.lines) and self._none.fullmatch(self.lines[self.place]):
                self.place += 1
            yield self.place


def csv_rows(text: str, dialect: Dialect, recovers: bool = False, strict: bool = True) -> list[Row] | None:
    """All records as Python's reader reads them; None where it refuses one, or all but those that it refuses."""
    lines = _Lines(text, dialect)
    rows: list[Row] = []
    for start in lines.records():
        if dialect.delimiter == BLANKS:
            rows += [tuple(re.split(r"[ \t]+", line.strip(" \t\r\n"))) for line in itertools.islice(lines, 1)]
            continue
        reader = csv.reader(
            iter(lines),
            delimiter=dialect.delimiter or ",",
            quotechar=None if dialect.quote == NONE else dialect.quote,
            escapechar=dialect.escape,
            quoting=csv.QUOTE_NONE if dialect.quote == NONE else csv.QUOTE_MINIMAL,
            strict=strict,
        )
        try:
            rows += [tuple(row) for row in [next(reader, None)] if row is not None]
        except csv.Error:
            if not recovers:
                return None
            lines.place = start + 1
    return rows


class _CsvOracle:
    def __init__(self, table: CsvTable, dialect: Dialect) -> None:
        self.names = table.names
        self.dialect = replace(dialect, delimiter=table.delimiter)
        self.drops = dialect.bad_rows == "drop"
        with table.source.stream() as stream:
            text = stream.read().decode("utf-8", "surrogateescape").removeprefix(MARK)
        self.text = SEPARATOR_LINE.sub("", text, 1) if SEPARATOR_LINE.match(text) else text
        self.rows = csv_rows(self.text, self.dialect, self.drops)
        self.unique = [name for name in self.names if name and self.names.count(name) == 1]

    def selections(self) -> Iterator[dict[str, Kind]]:
        quoted = self.dialect.delimiter == BLANKS and any(mark in self.text for mark in ('"', "'", "\\"))
        if len(self.names) < 2 or not self.unique or quoted:  # which Python's reader takes otherwise
            return
        for kind in (Kind.NUMBER, Kind.TEXT, Kind.KEY):
            for names in (self.unique, *([name] for name in dict.fromkeys([*self.unique[:2], *self.unique[-1:]]))):
                yield dict.fromkeys(names, kind)

    def compare(self, kinds: Mapping[str, Kind], columns: Sequence[list[Any]], count: int) -> None:
        """Raise Wrong where something else was read."""
        rows, width = self.rows, len(self.names)
        if rows is None and len(kinds) < width:  # text may stand behind a quote in a column that is not read
            rows = csv_rows(self.text, self.dialect, strict=False)
        if rows is None:
            raise Wrong("the strict reader refuses it")
        header = () if self.dialect.no_header else rows[0]
        _expect(self.dialect.no_header or header == self.names, "the header", header)
        below = rows if self.dialect.no_header else rows[1:]
        cells = [row for row in below if len(row) == width]
        _expect(self.drops or len(cells) == len(below), "a row of another number of fields was read")
        _expect(count == len(cells) or (self.drops and count < len(cells)), "rows", count, len(cells))
        if not count:
            return
        places = [self.names.index(name) for name in kinds]
        chosen = [tuple(row[place] for place in places) for row in cells]
        got = list(zip(*columns, strict=True))
        kind = next(iter(kinds.values()))
        if kind is Kind.KEY:
            if not self.drops:
                self._compare_keys(got, chosen)
        elif kind is Kind.TEXT:
            _in_step(got, chosen, lambda row, other: row == other)
        else:
            boolean = [self._is_boolean(column) for column in zip(*chosen, strict=True)]
            numbers = [tuple(map(self._expected, row, boolean)) for row in chosen]
            _in_step(got, numbers, lambda row, other: all(map(self._is, row, other)))

    def _is_boolean(self, cells: Sequence[str]) -> bool:
        first = next((cell.strip() for cell in cells if cell.strip(" \t") not in NULLS), "")
        return first in TRUE + FALSE

    def _expected(self, cell: str, boolean: bool) -> float | str | None:
        """Return what a cell among numbers is: a text if it is no number, in a row that may have been dropped."""
        if cell in NULLS or cell in self.dialect.null:
            return None
        if boolean:
            return float(cell in TRUE) if cell in TRUE + FALSE else cell
        try:
            return _number(cell, self.dialect.decimal)
        except Wrong:
            return cell

    @staticmethod
    def _is(value: Any, other: Any) -> bool:
        return value is Ellipsis or (not isinstance(other, str) and _same(value, other))

    def _compare_keys(self, got: Sequence[Row], cells: Sequence[Row]) -> None:
        words: dict[tuple[int, str], set[str]] = {}
        for keys, texts in zip(got, cells, strict=True):
            for place, (key, text) in enumerate(zip(keys, texts, strict=True)):
                _expect((key is None) == (text == "" or text in self.dialect.null), "a key", text)
                words.setdefault((place, str(key)), set()).add(text)
        for spellings in words.values():  # equal keys of several spellings are numbers
            _expect(len(spellings) == 1 or all(NUMBER.fullmatch(text.strip()) for text in spellings), "keys", spellings)


def _in_step(got: Sequence[Any], rows: Sequence[Any], matches: Callable[[Any, Any], bool]) -> None:
    """Raise Wrong where rows that were read are not all of the others, or some of them in order."""
    others = iter(rows)
    dropped = len(rows) - len(got)
    for row in got:
        for other in others:
            if matches(row, other):
                break
            dropped -= 1
            _expect(dropped >= 0, "read", row, "which stands as", other)


# json -----------------------------------------------------------------------------------------------------------------


class _Twice(ValueError):
    """A key that stands twice in an object."""


class _Object(dict[str, Any]):
    """The members of an object, and the keys that stand twice in it."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.twice = {name for name in self if names.count(name) > 1}


def _no_constant(word: str) -> Any:
    raise ValueError(word)


def json_records(text: str) -> list[_Object | None]:
    """The records as Python's reader reads them, None for what is no object; a deep one raises RecursionError."""
    decoder = json.JSONDecoder(object_pairs_hook=_Object, parse_constant=_no_constant)
    if text.lstrip(" \t\r\n").startswith("["):
        try:
            entries = decoder.decode(text.strip(" \t\r\n"))
        except ValueError:
            return [None]
    else:
        entries = []
        for line in text.split("\n"):
            if line.strip(" \t\r"):
                try:
                    entries.append(decoder.decode(line.strip(" \t\r")))
                except ValueError:
                    entries.append(None)
    return [entry if isinstance(entry, _Object) else None for entry in entries]


class _JsonOracle:
    def __init__(self, table: JsonTable, dialect: Dialect) -> None:
        self.names = table.names
        self.dialect = dialect
        self.drops = dialect.bad_rows == "drop"
        with table.source.stream() as stream:
            text = stream.read().decode("utf-8", "surrogateescape").removeprefix(MARK)
        try:
            self.records: list[_Object | None] | None = json_records(text)
        except RecursionError:
            self.records = None
        if self.drops and self.records == [None] and text.lstrip(" \t\r\n").startswith("["):
            self.records = None  # which entries of a list that is none are some is nobody's to say

    def selections(self) -> Iterator[dict[str, Kind]]:
        for kind in (Kind.NUMBER, Kind.TEXT):
            for name in self.names:
                yield {name: kind}

    def compare(self, kinds: Mapping[str, Kind], columns: Sequence[list[Any]], count: int) -> None:
        """Raise Wrong where something else was read."""
        if self.records is None:
            return
        (name, kind), values = next(iter(kinds.items())), columns[0]
        _expect(self.drops or None not in self.records, "what is no object was read")
        members = [record for record in self.records if record is not None]
        if self.drops:
            members = [record for record in members if name not in record.twice]
        _expect(count == len(members) or (self.drops and count < len(members)), "rows", count, len(members))
        if "." in name:
            return
        expected = [self._expected(record, name, kind) for record in members]
        _in_step(
            values, expected, lambda value, other: other is Ellipsis or value is Ellipsis or _is_json(value, other)
        )

    def _expected(self, record: _Object, name: str, kind: Kind) -> Any:
        """Return what a member is: Ellipsis for what is not compared, and what equals nothing for what must not be."""
        value = record.get(name)
        if name in record.twice:
            return _NOTHING
        if isinstance(value, list | dict):
            return Ellipsis
        if kind is Kind.TEXT:
            if isinstance(value, str):
                return value
            return "" if value is None else str(value).lower() if isinstance(value, bool) else Ellipsis
        if value is None or (isinstance(value, str) and value in NULLS):
            return None
        if isinstance(value, str):
            return float(value in TRUE) if value in TRUE + FALSE else _number(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return float(value) if abs(value) < 1 << 1000 and int(float(value)) == value else _NOTHING
        return float(value) if math.isfinite(value) else _NOTHING


_NOTHING: Final = object()


def _is_json(value: Any, other: Any) -> bool:
    if isinstance(other, str):
        return bool(value == other)
    return other is not _NOTHING and _same(value, other)
