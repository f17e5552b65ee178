"""Each way of polluting a CSV file that the Pollock benchmark knows (VLDB 2023), applied to a small table of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

NAMES: Final = ("id", "y", "p", "label", "note", "link", "more")
QUOTED: Final = ("note", "link")  # in every row; others where a separator or a quote stands in them
ROWS: Final = (
    ("r1", "2", "2.5", "boots", "They are light, and quick", "https://x.org/1.html", ""),
    ("r2", "0", "0.25", "jacket", "Whatever the weather. You'll like it", "https://x.org/2.html", ""),
    ("r3", "1", "1.5", "fly rod", "One word less", "https://x.org/3.html", ""),
    ("r4", "9", "8", "pillow, wooden", 'It is 5" wide, or so', "https://x.org/4.html", ""),
    ("r5", "-1", "-1e-1", 'table, 48"', "Made here", "https://x.org/5.html", ""),
    ("r6", "12", "12.5", "", "Kids' hat", "https://x.org/6.html", ""),
    ("r7", "3", "3.25", "socks, two", "Warm, dry, and so on", "https://x.org/7.html", ""),
)


@dataclass(frozen=True)
class Polluted:
    """A polluted file: the kind and place of its pollution, its bytes, and the row, if it is in one (0: the header)."""

    kind: str
    name: str
    content: bytes
    row: int | None = None


@dataclass(frozen=True)
class _Style:
    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    end: str = "\r\n"

    def cell(self, text: str, name: str) -> str:
        inner = text.replace('"', self.escape + '"')
        return self.quote + inner + self.quote if name in QUOTED or "," in text or '"' in text else inner

    def cells(self, row: Sequence[str]) -> list[str]:
        return [self.cell(text, name) for text, name in zip(row, NAMES, strict=False)]

    def line(self, row: Sequence[str]) -> str:
        return self.delimiter.join(self.cells(row)) + self.end

    def file(self, rows: Sequence[Sequence[str]] = (NAMES, *ROWS)) -> str:
        return "".join(map(self.line, rows))


PLAIN: Final = _Style()


def polluted_files() -> Iterator[Polluted]:
    """Yield one file of each kind of pollution, row and column."""
    yield from (Polluted(kind, kind, text.encode()) for kind, text in _whole_files())
    lines = [PLAIN.line(row) for row in (NAMES, *ROWS)]
    for row, line in enumerate(lines):
        for kind, place, other in _polluted_lines(PLAIN.cells((NAMES, *ROWS)[row]), line):
            content = "".join([*lines[:row], other, *lines[row + 1 :]]).encode()
            yield Polluted(kind, f"{kind} in row {row}, column {place}", content, row)


def _whole_files() -> Iterator[tuple[str, str]]:
    text = PLAIN.file()
    header, blank = PLAIN.line(NAMES), "," * (len(NAMES) - 1) + "\r\n"
    yield "nothing polluted", text
    yield "no payload", ""
    yield "no trailing newline", text.removesuffix("\r\n")
    yield "two trailing newlines", text + "\r\n"
    yield "no header", PLAIN.file(ROWS)
    yield "two headers", header + text
    yield "three headers", header + header + text
    yield "preamble", "PREAMBLE" + blank + blank + text
    yield "preamble of one field", "PREAMBLE\r\n\r\n" + text
    yield "second table of fewer columns", text + PLAIN.file([row[:-1] for row in (NAMES, *ROWS)])
    yield "second table of as many columns", text + text
    yield "second table of more columns", text + "".join(PLAIN.line(row).replace("\r\n", ",x\r\n") for row in ROWS)
    yield "header only", header
    yield "one row", PLAIN.file((NAMES, ROWS[0]))
    for end in ("\n", "\r"):
        yield f"lines end with {end!r}", _Style(end=end).file()
    for delimiter in (";", "\t", ", ", " ", "|"):
        yield f"separated by {delimiter!r}", _Style(delimiter=delimiter).file()
    yield "quoted by apostrophes", _Style(quote="'", escape="").file()
    yield "escaped by backslashes", _Style(escape="\\").file()
    yield "escaped by nothing", _Style(escape="").file()


def _polluted_lines(cells: list[str], line: str) -> Iterator[tuple[str, int, str]]:
    """Yield the kind, the column and the polluted line for one row."""
    for place, cell in enumerate(cells):
        yield "one separator more", place, ",".join([*cells[:place], "", *cells[place:]]) + "\r\n"
        if place:
            merged = [*cells[: place - 1], cells[place - 1] + cell, *cells[place + 1 :]]
            yield "one separator less", place, ",".join(merged) + "\r\n"
        yield "one quote more", place, ",".join([*cells[:place], '"' + cell, *cells[place + 1 :]]) + "\r\n"
    yield "separated by a blank", 0, " ".join(cells) + "\r\n"
