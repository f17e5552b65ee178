"""Text for people and spreadsheets: numbers without cut digits, names that do no harm, lines, tables, CSV, Markdown."""

from __future__ import annotations

import csv
import io
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final, NamedTuple

from lossctl.errors import printable
from lossctl.results.document import flat

PLAIN_BELOW: Final = 1e9  # larger numbers are written with an exponent
MOST_DIGITS: Final = 17
CHANGE_DIGITS: Final = 4
P_DIGITS: Final = 3
SMALLEST_P: Final = 1e-300  # where a probability underflows it is less than this, never 0
LARGEST_SHARE: Final = 100.0  # of a baseline: beyond, the baseline is near 0, and a share of it says nothing
WIDEST: Final = 100  # columns to which running text is wrapped
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


class Style(NamedTuple):
    """The terminal's width (None: piped, natural width), colour, plain ASCII, significant digits, slices.

    sort: the order of slices, None for what is usual; top: how many of each slicing are shown, 0 for all.
    """

    width: int | None = None
    color: bool = False
    ascii: bool = False
    digits: int = 5
    sort: str | None = None
    top: int = 0

    @property
    def dot(self) -> str:
        """What separates the facts of a headline."""
        return ", " if self.ascii else " · "

    def encode(self, text: str) -> str:
        """Escape what an ASCII terminal cannot show."""
        return text.encode("ascii", "backslashreplace").decode() if self.ascii else text


# numbers -------------------------------------------------------------------------------------------------------------


def number(value: float | None, digits: int) -> str:
    """Write a number with `digits` significant digits; large whole parts are written out."""
    if value is None:
        return "-"
    if not math.isfinite(value) or value == 0.0:
        return f"{abs(value) if value == 0.0 else value:g}"
    if 10.0**digits - 0.5 <= abs(value) < PLAIN_BELOW:
        return f"{value:.0f}"
    return f"{value:#.{digits}g}".rstrip(".")


def datum(value: float, digits: int) -> str:
    """Write a number of the data: a label or a count without decimals."""
    return f"{value + 0.0:.0f}" if value.is_integer() and abs(value) < PLAIN_BELOW else number(value, digits)


def distinguishing(value: float | None, peers: Iterable[float | None], digits: int) -> int:
    """Return with how many digits, at least `digits`, a value looks other than the peers that differ from it."""
    for peer in peers:
        while digits < MOST_DIGITS and peer != value and number(peer, digits) == number(value, digits):
            digits += 1
    return digits


def interval(ends: tuple[float, float] | None, digits: int) -> str:
    """Write a confidence interval."""
    return "-" if ends is None else f"[{number(ends[0], digits)}, {number(ends[1], digits)}]"


def signed_number(value: float | None, digits: int) -> str:
    """Write a difference with its sign."""
    text = number(value, digits)
    return text if value is None or value != value or value <= 0.0 else f"+{text}"


def p_value(p: float | None) -> str:
    """Write a p-value, which is never 0.

    >>> p_value(0.25), p_value(0.0)
    ('0.250', '<1e-300')
    """
    return number(p, P_DIGITS) if p is None or not p < SMALLEST_P else f"<{SMALLEST_P:g}"


def change(value: float | None, share: float | None, digits: int) -> str:
    """Write a change with its sign, and in percent.

    share: the change as a share of the old value; beside one near 0 it is left out.
    """
    if value is None:
        return "-"
    sign = "+" if value > 0 else ""
    text = f"{sign}{number(value, min(digits, CHANGE_DIGITS))}"
    if share is None or not abs(share) < LARGEST_SHARE:
        return text
    form = ".2g" if abs(share) < 0.001 else ".1f" if abs(100.0 * share) < 1000.0 else ".3g"
    return f"{text} ({sign}{100.0 * share:{form}}%)"


def percent(share: float | None, sign: bool = True) -> str:
    """Write a share in percent, with three digits or at least one decimal; nothing of a baseline near 0."""
    if share is None or not abs(share) < LARGEST_SHARE:
        return "-"
    size = abs(100.0 * share)
    text = f"{size:.0f}" if size >= 100.0 else f"{size:.1f}" if size >= 0.95 else f"{size:.2g}"
    mark = ("+" if share > 0.0 else "-" if share < 0.0 else "") if sign else ""
    return f"{mark}{text}%"


def level_text(level: float) -> str:
    """Write a confidence level in percent, never rounded to all of it."""
    text = f"{100.0 * level:.4g}"
    return f"{100.0 * level!r}%" if text == "100" else f"{text}%"


def counted(count: int, noun: str, plural: str = "s") -> str:
    """Write a number of things.

    >>> counted(1, "row"), counted(2, "loss", "es")
    ('1 row', '2 losses')
    """
    return f"{count} {noun}{'' if count == 1 else plural}"


def plural(noun: str, count: int) -> str:
    """Write a noun, such as the name of a column, for a number of things.

    >>> plural("user", 2), plural("query", 2), plural("series", 2), plural("user", 1)
    ('users', 'queries', 'series', 'user')
    """
    if count == 1 or noun.endswith("s"):
        return noun
    return f"{noun[:-1]}ies" if re.search("[^aeiou]y$", noun) else f"{noun}s"


def rows_used(rows: int, dropped: int) -> str:
    """Write how many rows were used, and if some were not, how many."""
    return counted(rows, "row") + (f" used, {dropped} left out" if dropped else "")


def more_slices(count: int) -> str:
    """Say how many slices are not in a table, if there are any."""
    return f"... {counted(count, 'more slice')}; --top 0 shows all" if count else ""


def slice_text(slice_: Mapping[str, str], between: str = ", ") -> str:
    """Write a slice as `COLUMN=VALUE` for each of its columns, its words as they are."""
    return between.join(f"{column}={word}" for column, word in slice_.items())


# names and lines -----------------------------------------------------------------------------------------------------


def inert_line(text: str) -> str:
    r"""Show a text such that a CI log that it stands in takes no line of it for a command of its own.

    A line that begins with `::`, after blanks, and `##[` anywhere in it, are commands to some runners.

    >>> inert_line("::error::x")
    '\\x3a:error::x'
    """
    return _disarmed(printable(text))


def inert_text(text: str) -> str:
    """Do the same for each line of a text that was laid out before, where it is too late to escape names one by one."""
    return "\n".join(map(_disarmed, text.split("\n")))


def _disarmed(line: str) -> str:
    safe = line.replace("##[", "##\\x5b")
    start = len(safe) - len(safe.lstrip())
    return f"{safe[:start]}\\x3a{safe[start + 1 :]}" if safe.startswith("::", start) else safe


OPTION: Final = r"(?<!\S)(--?[A-Za-z][\w-]*) (?=\S)"  # a blank behind an option, at which no line ends
TIED: Final = "\x1f"  # for a blank at which no line ends


def wrap(text: str, width: int, first: str = "", then: str = "") -> str:
    """Break running text into lines between words. first, then: what the first line and the others begin with."""
    return textwrap.fill(
        re.sub(OPTION, rf"\1{TIED}", text),
        width,
        initial_indent=first,
        subsequent_indent=then,
        break_on_hyphens=False,
        break_long_words=False,
    ).replace(TIED, " ")


def lines_of(text: str, style: Style, indent: str = "") -> str:
    """Return a note as lines of the terminal's width, broken between words, never within a number."""
    return (indent + text if style.width is None else wrap(text, style.width, indent, indent + "  ")) + "\n"


def once(labels: Iterable[str]) -> Iterator[str]:
    """Yield labels, blank where one repeats the label before."""
    before = None
    for label in labels:
        yield "" if label == before else label
        before = label


def labelled_lines(
    entries: Iterable[tuple[str, str]], indent: int, width: int | None, narrowest: int = 0
) -> Iterator[str]:
    """Yield labelled texts, each wrapped to a width (None: not at all); a label that repeats is written once."""
    entries = [*entries]
    for label, (_, text) in zip(once(label for label, _ in entries), entries, strict=True):
        room = indent + len(text) + 1 if width is None else width
        yield wrap(text, max(room, narrowest), f"{label:<{indent}}", " " * indent)


# tables of a terminal: as wide as what they hold, else a smaller one or a list; no digit is cut ----------------------

Cell = str | tuple[str, str]  # a text, or a text and the colour that it has where there is colour
CODES: Final = {"bold": "1", "bold green": "1;32", "bold red": "1;31", "dim": "90"} | {
    color: str(code) for code, color in enumerate(("red", "green", "yellow", "blue", "magenta", "cyan"), 31)
}
PADDING: Final = 2  # blanks to the right of every column but the last
NARROWEST: Final = 12  # columns to which text is still wrapped in a table


class Column(NamedTuple):
    """A column of a table: its name, whether it is aligned to the right, and its rank.

    A table that is too wide does without the columns of the highest rank first, and never without those of rank 0.
    """

    name: str
    right: bool = False
    rank: int = 0


def text_columns(texts: Iterable[str], numbers: Iterable[str] = (), rank: int = 0) -> list[Column]:
    """Return columns of text, then of numbers."""
    return [*(Column(name, rank=rank) for name in texts), *(Column(name, True, rank) for name in numbers)]


def colored(text: str, color: str) -> str:
    """Return a text in a colour of `CODES`, for a terminal that has them; without one as it is."""
    return f"\x1b[{CODES[color]}m{text}\x1b[0m" if text and color else text


def width_of(text: str) -> int:
    """Return how many columns of the terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


class Table:
    """A table of one style, to which rows are added; nothing in it is cut, and only `text` wraps.

    hidden: how many slices are not in it, which a line below it says.
    """

    def __init__(
        self, style: Style, columns: Iterable[Column], rows: Iterable[Iterable[Cell]] = (), hidden: int = 0
    ) -> None:
        self.style, self._hidden, self._columns = style, hidden, [*columns]
        self._rows: list[tuple[Cell, ...]] = []
        self._widths = [width_of(column.name) for column in self._columns]
        for row in rows:
            self.add(*row)

    def add(self, *cells: Cell) -> None:
        """Add a row, whose last cells may be missing."""
        self._rows.append(cells + ("",) * (len(self._widths) - len(cells)))
        for place, cell in enumerate(cells):
            text = cell if isinstance(cell, str) else cell[0]
            width = max(map(width_of, text.split("\n"))) if "\n" in text else width_of(text)
            self._widths[place] = max(self._widths[place], width)

    @property
    def width(self) -> int:
        """The columns of the terminal that the table takes."""
        return sum(self._widths) + (PADDING + 1) * max(0, len(self._widths) - 1)

    @property
    def fits(self) -> bool:
        """Whether the terminal is wide enough."""
        return self.style.width is None or self.width <= self.style.width

    def narrow(self) -> Table:
        """Return the table without the columns of as many ranks as it takes to fit."""
        rank = max(column.rank for column in self._columns)
        if self.fits or not rank:
            return self
        places = [place for place, column in enumerate(self._columns) if column.rank < rank]
        rows = ([row[place] for place in places] for row in self._rows)
        return Table(self.style, [self._columns[place] for place in places], rows, self._hidden).narrow()

    def fitted(self, listing: Callable[[], str] | None = None) -> str:
        """Return the lines of the table with the columns that fit; where not even those of rank 0 do, a list."""
        table = self.narrow()
        return table.text() if table.fits or listing is None else listing()

    def text(self, width: int | None = None) -> str:
        """Return the table as lines without blanks at their ends. width: to which the last column is wrapped."""
        widths, rows = self._widths, self._rows
        if width is not None and width < self.width:
            room = max(width - self.width + widths[-1], NARROWEST)
            widths, rows = [*widths[:-1], room], [(*row[:-1], wrap(str(row[-1]), room)) for row in rows]
        line, joint, divider = ("-", "+", "|") if self.style.ascii else ("─", "─", " ")
        gaps = [" " * PADDING] * (len(widths) - 1) + [""]
        bold = "bold" if self.style.color else ""
        names = zip(self._columns, widths, gaps, strict=True)
        head = [colored(_padded(name, size, right), bold) + colored(gap, bold) for (name, right, _), size, gap in names]
        rule = joint.join(line * (size + len(gap)) for size, gap in zip(widths, gaps, strict=True))
        lines = [divider.join(head), rule, *self._lines(rows, widths, gaps, divider)]
        lines += [more_slices(self._hidden)] * bool(self._hidden)
        return "".join(f"{text.rstrip()}\n" for text in lines)

    def _lines(
        self, rows: Iterable[tuple[Cell, ...]], widths: Sequence[int], gaps: Sequence[str], divider: str
    ) -> Iterator[str]:
        """Yield the lines of rows; a row has as many as its highest cell."""
        shapes = [*zip(widths, (column.right for column in self._columns), gaps, strict=True)]
        for row in rows:
            texts, colors = zip(*((cell, "") if isinstance(cell, str) else cell for cell in row), strict=True)
            for words in zip_longest(*(text.split("\n") for text in texts), fillvalue=""):
                yield divider.join(
                    _padded(text, width, right, color if self.style.color else "") + gap
                    for text, color, (width, right, gap) in zip(words, colors, shapes, strict=True)
                )


def _padded(text: str, width: int, right: bool, color: str = "") -> str:
    """Return a text in a colour, with blanks on the side to which it is not aligned."""
    text = text.rstrip() if right else text
    blanks = " " * (width - width_of(text))
    return blanks + colored(text, color) if right else colored(text, color) + blanks


def beside(
    style: Style, names: Sequence[Column], rows: Sequence[Sequence[str]], narrowest: int, listing: Callable[[], str]
) -> str:
    """Return a table whose last column is running text, wrapped to the room that the others leave.

    narrowest: characters in which running text can still be read; where there are fewer, `listing` makes a list.
    """
    room = None
    if style.width is not None:
        room = style.width - Table(style, names, ([*row[:-1], ""] for row in rows)).width + len(names[-1].name)
        if room < narrowest:
            return listing()
    return Table(style, names, ([*row[:-1], row[-1] if room is None else wrap(row[-1], room)] for row in rows)).text()


# CSV -----------------------------------------------------------------------------------------------------------------


CSV_LINES: Final = 1000  # made at a time


def csv_text(results: Sequence[object]) -> str:
    """Return one line per result at full precision, a column for each of their keys."""
    return "".join(csv_pieces(results, results))


def csv_pieces(results: Iterable[object], examples: Iterable[object], *, strict: bool = True) -> Iterator[str]:
    """Yield these lines in pieces. examples: results that have all keys between them.

    strict: numbers that are not finite are left out; otherwise they are written as inf and nan.
    """
    columns = list(dict.fromkeys(key for result in examples for key in flat(result)))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(inert_cell, columns))
    for number, result in enumerate(results, 1):
        line = flat(result, strict=strict)
        cells = (line.get(column, "") for column in columns)
        writer.writerow(inert_cell(value) if isinstance(value, str) else value for value in cells)
        if number % CSV_LINES == 0:
            yield file.getvalue()
            file.seek(0)
            file.truncate()
    yield file.getvalue()


def inert_cell(text: str) -> str:
    """Keep a spreadsheet from taking text of the data for a formula, and a terminal from obeying it."""
    return printable("'" + text if text.startswith(FORMULA_STARTS) else text)


# Markdown ------------------------------------------------------------------------------------------------------------


def markdown(text: str) -> str:
    """Escape what Markdown tables and HTML would take for their own."""
    safe = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace("\\", "\\\\")
    return "".join(f"\\{char}" if char in "|`*_[]" else char for char in safe)


def markdown_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table of texts that are escaped already."""
    head, rule = (
        [markdown(column.name) for column in columns],
        ["---:" if column.right else "---" for column in columns],
    )
    return "".join("| " + " | ".join(line) + " |\n" for line in [head, rule, *rows])
