"""Advice on a loss in every format: JSON for machines, a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from lossctl.errors import listed, printable
from lossctl.output.catalogue import WIDEST, filled, plain
from lossctl.output.table import natural_width, new_table, rendered
from lossctl.output.text import PLAIN_BELOW, Style, inert_line, percent, shown
from lossctl.results.advice import Advice, Finding, Unit

HEADER: Final = ("about", "finding", "seen", "threshold", "so")
LABEL: Final = 12  # characters before the text of a labelled line
NARROWEST: Final = 24  # characters in which running text can still be read
FEW: Final = 4  # columns and losses that are named
MANY: Final = 16  # losses that fit which are named


def to_table(advice: Advice, style: Style) -> str:
    """Return advice as text that fits the terminal's width; the command stays one line, to be copied."""
    pieces = [filled(_title(advice, style), style.width or WIDEST) + "\n", _findings(advice.findings, style)]
    pieces.append("".join(f"{line}\n" for line in _lines(advice, style)))
    text = plain("\n".join(filter(None, pieces)), style)
    return text if style.color else "".join(f"{inert_line(line)}\n" for line in text.splitlines())


def _title(advice: Advice, style: Style) -> str:
    rows = f"{advice.used} row{'' if advice.used == 1 else 's'}"
    left = advice.rows - advice.used
    pieces = [advice.path, rows + (f" used, {left} left out" if left else "")]
    if advice.target:
        pieces.append(f"{_named(advice.target)}: {advice.what}")
    else:
        pieces.append(advice.what)
    if advice.pred:
        pieces.append(f"predicted by {_named(advice.pred)}")
    return (", " if style.ascii else " · ").join(pieces)


def _named(columns: Sequence[str]) -> str:
    names = [printable(name) for name in columns]
    return ", ".join(names) if len(names) <= FEW else f"{names[0]} to {names[-1]} ({len(names)} columns)"


# findings ------------------------------------------------------------------------------------------------------------


def _findings(findings: Sequence[Finding], style: Style) -> str:
    """Tabulate what was seen, the meaning wrapped; in a terminal too narrow for that, list it."""
    if not findings:
        return ""
    rows = [_cells(found, style.digits) for found in findings]
    before = ""
    for row in rows:
        row[0], before = ("" if row[0] == before else row[0]), row[0]
    bare = _table(rows, style, meanings=False)
    room = None if style.width is None else style.width - natural_width(bare, style) + len(HEADER[-1])
    if room is not None and room < NARROWEST:
        return "".join(_listed(_cells(found, style.digits), style) for found in findings)
    return rendered(_table(rows, style, meanings=True, room=room), style)


def _table(rows: Sequence[Sequence[str]], style: Style, *, meanings: bool, room: int | None = None) -> Table:
    table = new_table(style, HEADER[:2])
    for name in HEADER[2:4]:
        table.add_column(Text(name), justify="right", no_wrap=True)
    table.add_column(Text(HEADER[-1]), no_wrap=True)
    for *cells, meaning in rows:
        last = "" if not meanings else meaning if room is None else filled(meaning, room)
        table.add_row(*map(Text, [*cells, last]))
    return table


def _listed(cells: Sequence[str], style: Style) -> str:
    about, name, seen, threshold, meaning = cells
    against = f" (threshold {threshold})" if threshold else ""
    text = f"{about}, {name}: {seen}{against}" + (f"; {meaning}" if meaning else "")
    return filled(text, style.width or WIDEST, "", "  ") + "\n"


def _cells(found: Finding, digits: int) -> list[str]:
    against = (
        "" if found.threshold is None else _number(found.threshold.value, found.threshold.unit, digits, short=True)
    )
    return [found.about, found.name, _number(found.value, found.unit, digits), against, found.meaning]


def _number(value: float | int | str | None, unit: Unit, digits: int, *, short: bool = False) -> str:
    if value is None or isinstance(value, str):
        return value or "-"
    if unit == "share":
        return f"{100.0 * value:g}%" if short else percent(float(value), sign=False)
    if unit == "near" or short:
        return f"{value:.3g}"
    if isinstance(value, int) and abs(value) < PLAIN_BELOW:
        return str(value)
    return shown(float(value), digits)


# the recommendation --------------------------------------------------------------------------------------------------


def _lines(advice: Advice, style: Style) -> Iterator[str]:
    width = min(style.width or WIDEST, WIDEST)
    before = ""
    for label, text in _entries(advice):
        head = label if label != before else ""
        yield filled(text, max(width, LABEL + NARROWEST), f"{head:<{LABEL}}", " " * LABEL)
        before = label
    if advice.command is not None:
        yield ""
        yield printable(advice.command)


def _entries(advice: Advice) -> Iterator[tuple[str, str]]:
    ranks = {pick.rank for pick in advice.picks}
    for pick in advice.picks:
        yield pick.rank, f"{pick.spec} ({pick.optimises}): {printable(pick.why)}"
        if pick.rank == "first" and "robust" not in ranks:
            yield "robust", "no loss is a robust alternative for such data"
    if advice.activation != "none":
        yield "activation", f"the command says --activation {advice.activation}: {advice.output} is likely, not certain"
    for caution in advice.cautions:
        yield "avoid", f"{caution.loss}: {printable(caution.why)}"
    if advice.fits:
        count = f"{len(advice.fits)} loss{'' if len(advice.fits) == 1 else 'es'}"
        yield "fit", f"{count} can be computed: {listed(list(advice.fits), MANY)}"
    for misfit in advice.misfits:
        if misfit.ground == "values":
            yield "do not fit", f"{listed(list(misfit.losses), FEW)}: {printable(misfit.reason)}"
    others = [loss for misfit in advice.misfits if misfit.ground == "columns" for loss in misfit.losses]
    if others:
        yield "do not fit", f"{listed(others, FEW)}: take other columns than these"
    for text in advice.warnings:
        yield "warning", printable(text)


FORMATS: Final = ("table", "json")


def render(advice: Advice, form: str, style: Style) -> str:
    """Return advice as text in one format."""
    if form == "json":
        return advice.to_json()

    return to_table(advice, style)
