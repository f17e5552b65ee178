"""Tables in a terminal: as wide as what they hold; where one does not fit, a smaller one or a list. No digit is cut."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from lossctl.output.text import Style, wrap

UNBOUND: Final = 10_000  # columns, for measuring a table's natural width
Cell = str | tuple[str, str]  # a text, or a text and the style that it has where there is colour, such as "bold green"


class Column(NamedTuple):
    """A column of a table: its name, whether it is aligned to the right, and whether its text may wrap."""

    name: str
    right: bool = False
    wraps: bool = False


def columns(texts: Iterable[str], numbers: Iterable[str] = ()) -> list[Column]:
    """Return columns of text, then of numbers."""
    return [*map(Column, texts), *(Column(name, right=True) for name in numbers)]


class Table:
    """A table of one style, to which rows are added; nothing in it is wrapped or cut but by `print`'s own width."""

    def __init__(self, style: Style, columns: Iterable[Column], rows: Iterable[Iterable[Cell]] = ()) -> None:
        self.style = style
        self._table = RichTable(
            box=box.ASCII2 if style.ascii else box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 2, 0, 0),
            header_style="bold" if style.color else "",
        )
        for name, right, wraps in columns:
            self._table.add_column(Text(name), justify="right" if right else "left", no_wrap=not wraps)
        for row in rows:
            self.add(*row)

    def add(self, *cells: Cell) -> None:
        """Add a row."""
        texts = []
        for cell in cells:
            words, style = (cell, "") if isinstance(cell, str) else cell
            text = Text(words)
            if style and self.style.color:
                text.stylize(style)
            texts.append(text)
        self._table.add_row(*texts)

    @property
    def width(self) -> int:
        """The columns of the terminal that the table takes."""
        console = _console(self.style, UNBOUND)
        return console.measure(self._table, options=console.options.update(width=UNBOUND)).maximum

    @property
    def fits(self) -> bool:
        """Whether the terminal is wide enough."""
        return self.style.width is None or self.width <= self.style.width

    def text(self, width: int | None = None) -> str:
        """Return the table as lines without blanks at their ends. width: to which columns that may wrap are wrapped."""
        natural = max(self.width, 1)
        console = _console(self.style, min(natural, width) if width else natural)
        console.print(self._table)
        text = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO of _console
        return "".join(line.rstrip() + "\n" for line in text.splitlines())


def _console(style: Style, width: int) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        height=100,
        force_terminal=style.color,
        color_system="standard" if style.color else None,
        no_color=not style.color,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )


def fitted(layouts: Iterable[Table], narrow: Callable[[], str] | None = None) -> str:
    """Return the first table that fits the terminal; where none does, a list, or without one the last table."""
    for table in layouts:
        if table.fits:
            return table.text()
    return table.text() if narrow is None else narrow()


def beside(
    style: Style, names: Sequence[Column], rows: Sequence[Sequence[str]], narrowest: int, narrow: Callable[[], str]
) -> str:
    """Return a table whose last column is running text, wrapped to the room that the others leave.

    narrowest: characters in which running text can still be read; where there are fewer, `narrow` makes a list.
    """
    room = None
    if style.width is not None:
        room = style.width - Table(style, names, ([*row[:-1], ""] for row in rows)).width + len(names[-1].name)
        if room < narrowest:
            return narrow()
    return Table(style, names, ([*row[:-1], row[-1] if room is None else wrap(row[-1], room)] for row in rows)).text()
