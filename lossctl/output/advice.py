"""The advice of `losses choose` for people: the facts as a table, and the recommendation as labelled lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lossctl.errors import listed, printable
from lossctl.output.text import (
    PLAIN_BELOW,
    WIDEST,
    Style,
    beside,
    counted,
    inert_line,
    labelled_lines,
    number,
    once,
    percent,
    rows_used,
    text_columns,
    wrap,
)
from lossctl.results.advice import Advice, Finding, Unit

HEADER: Final = ("about", "finding", "seen", "threshold", "so")
LABEL: Final = 12  # characters before the text of a labelled line
NARROWEST: Final = 24  # characters in which running text can still be read
FEW: Final = 4  # columns and losses that are named
MANY: Final = 16  # losses that fit which are named


def render(advice: Advice, form: str, style: Style) -> str:
    """Return advice as text in one format."""
    return advice.to_json() if form == "json" else to_table(advice, style)


def to_table(advice: Advice, style: Style) -> str:
    """Return advice as text that fits the terminal's width; the command stays one line, to be copied."""
    lines = [*labelled_lines(_entries(advice), LABEL, min(style.width or WIDEST, WIDEST), LABEL + NARROWEST)]
    lines += [] if advice.command is None else ["", printable(advice.command)]
    pieces = [wrap(_title(advice, style), style.width or WIDEST) + "\n", _findings(advice.findings, style)]
    pieces.append("".join(f"{line}\n" for line in lines))
    text = style.encode("\n".join(filter(None, pieces)))
    return text if style.color else "".join(f"{inert_line(line)}\n" for line in text.splitlines())


def _title(advice: Advice, style: Style) -> str:
    target = f"{_names(advice.target)}: {advice.what}" if advice.target else advice.what
    pieces = [advice.path, rows_used(advice.used, advice.rows - advice.used), target]
    return style.dot.join([*pieces, *([f"predicted by {_names(advice.pred)}"] if advice.pred else [])])


def _names(columns: Sequence[str]) -> str:
    names = [printable(name) for name in columns]
    return ", ".join(names) if len(names) <= FEW else f"{names[0]} to {names[-1]} ({len(names)} columns)"


# facts ---------------------------------------------------------------------------------------------------------------


def _findings(findings: Sequence[Finding], style: Style) -> str:
    """Tabulate facts, the meaning wrapped; in a terminal too narrow for that, list them."""
    if not findings:
        return ""
    rows = [_texts(finding, style.digits) for finding in findings]
    lines = [[about, *row[1:]] for about, row in zip(once(row[0] for row in rows), rows, strict=True)]
    names = [*text_columns(HEADER[:2], HEADER[2:4]), *text_columns(HEADER[4:])]
    return beside(style, names, lines, NARROWEST, lambda: "".join(_lines(row, style) for row in rows))


def _lines(texts: Sequence[str], style: Style) -> str:
    about, name, value, threshold, meaning = texts
    against = f" (threshold {threshold})" if threshold else ""
    text = f"{about}, {name}: {value}{against}" + (f"; {meaning}" if meaning else "")
    return wrap(text, style.width or WIDEST, "", "  ") + "\n"


def _texts(finding: Finding, digits: int) -> list[str]:
    """Return the texts of a fact under `HEADER`."""
    threshold = finding.threshold
    limit = "" if threshold is None else _number(threshold.value, threshold.unit, digits, short=True)
    return [finding.about, finding.name, _number(finding.value, finding.unit, digits), limit, finding.meaning]


def _number(value: float | int | str | None, unit: Unit, digits: int, *, short: bool = False) -> str:
    if value is None or isinstance(value, str):
        return value or "-"
    if unit == "share":
        return f"{100.0 * value:g}%" if short else percent(float(value), sign=False)
    if unit == "near" or short:
        return f"{value:.3g}"
    if isinstance(value, int) and abs(value) < PLAIN_BELOW:
        return str(value)
    return number(float(value), digits)


# the recommendation --------------------------------------------------------------------------------------------------


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
        names = [*advice.fits[:MANY], *["..."] * (len(advice.fits) > MANY)]
        yield "fit", f"{counted(len(advice.fits), 'loss', 'es')} can be computed: {', '.join(names)}"
    for misfit in advice.misfits:
        if misfit.ground == "values":
            yield "do not fit", f"{listed(list(misfit.losses), FEW)}: {printable(misfit.reason)}"
    losses = [loss for misfit in advice.misfits if misfit.ground == "columns" for loss in misfit.losses]
    if losses:
        yield "do not fit", f"{listed(losses, FEW)}: take other columns than these"
    for text in advice.warnings:
        yield "warning", printable(text)
