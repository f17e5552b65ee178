"""The data report of `validate` for people: columns as a table, and the rest as labelled lines; as Markdown, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lossctl.errors import printable
from lossctl.output.text import (
    PLAIN_BELOW,
    Style,
    beside,
    colored,
    counted,
    inert_line,
    labelled_lines,
    markdown,
    markdown_table,
    number,
    rows_used,
    text_columns,
    wrap,
)
from lossctl.results.survey import (
    MOST_SLICES,
    MOST_WORDS,
    ColumnSurvey,
    Fit,
    Pairing,
    RoleSurvey,
    SliceSurvey,
    Survey,
    TableSurvey,
)

LABEL: Final = 10  # characters before the text of a labelled line
NARROWEST: Final = 30  # characters in which running text beside a table can still be read
LONGEST: Final = 24  # characters of a value of a column
FEW: Final = 3  # values of a column that are shown
MANY: Final = 12  # values of a target that are shown
IMPLIED: Final = {  # domains that need no word where another holds
    "non-negative": {"positive", "probabilities in [0, 1]", "rows that sum to 1", "counts", "0 or 1", "boxes"},
    "probabilities in [0, 1]": {"rows that sum to 1", "0 or 1"},
    "counts": {"0 or 1"},
    "rows that sum to 1": {"one 1 in each row"},
    "0 or 1": {"one 1 in each row"},
    "finite numbers": {"positive", "non-negative", "probabilities in [0, 1]", "-1 or +1", "boxes"},
}
SPECIFIC: Final = {"0 or 1", "-1 or +1", "one 1 in each row"}  # where one holds, nothing else needs to be said
HEADER: Final = ("column", "kind", "missing", "part", "values")


def render(survey: Survey, form: str, style: Style) -> str:
    """Return a survey as text in one format."""
    if form == "json":
        return survey.to_json()
    return to_markdown(survey, style.digits) if form == "md" else to_table(survey, style)


def to_table(survey: Survey, style: Style) -> str:
    """Return the report as text that fits the terminal's width; piped, every line has its natural length."""
    lines = labelled_lines(_facts(survey), LABEL, style.width, NARROWEST)
    pieces = [*(_table(table, style) for table in survey.tables), "".join(f"{line}\n" for line in lines)]
    inert = "".join(f"{inert_line(line)}\n" for line in style.encode("\n".join(pieces)).splitlines())
    if not style.color:
        return inert
    head, _, verdict = inert.rstrip("\n").rpartition("\n")
    return f"{head}\n{colored(verdict, 'green' if survey.works else 'bold red')}\n"


def to_markdown(survey: Survey, digits: int) -> str:
    """Return the report as Markdown: a table of columns for each input, and a list of the rest."""
    pieces = [f"**lossctl validate: {'PASS' if survey.works else 'FAIL'}**\n"]
    for table in survey.tables:
        rows = [[markdown(cell) for cell in _texts(column, digits)] for column in table.columns]
        pieces += [f"{markdown(_title(table, ', '))}\n", markdown_table(text_columns(HEADER), rows)]
    pieces.append("".join(f"- {label}: {markdown(text)}\n" for label, text in _facts(survey)))
    return "\n".join(pieces)


# columns -------------------------------------------------------------------------------------------------------------


def _table(table: TableSurvey, style: Style) -> str:
    title = _title(table, style.dot)
    title = title if style.width is None else wrap(title, style.width)
    if not table.columns:
        return title + "\n"
    rows = [_texts(column, style.digits) for column in table.columns]
    *places, last = range(len(HEADER))
    filled = [*(place for place in places if any(row[place] for row in rows)), last]
    names = text_columns(HEADER[place] for place in filled)
    cells = [[row[place] for place in filled] for row in rows]
    body = beside(style._replace(color=False), names, cells, NARROWEST, lambda: _below(rows, style))
    return f"{title}\n\n{body}"


def _title(table: TableSurvey, between: str) -> str:
    rows = rows_used(table.rows, table.left_out) + (" that can be read" if table.fault else "")
    pieces = [table.label, *([table.format] if table.format else []), rows]
    return between.join([*pieces, *([counted(len(table.columns), "column")] if table.columns else [])])


def _below(rows: Sequence[Sequence[str]], style: Style) -> str:
    """List columns, what they hold below their names."""
    width = max(style.width or 0, NARROWEST)
    lines = []
    for name, kind, missing, part, values in rows:
        lines.append(", ".join(piece for piece in (name, kind, part) if piece))
        lines.append(wrap(f"{missing} missing; {values}" if missing else values, width, "  ", "  "))
    return "".join(f"{line}\n" for line in lines)


def _texts(column: ColumnSurvey, digits: int) -> list[str]:
    """Return the texts of a column under `HEADER`."""
    kind = column.kind + (f" x {column.width}" if column.width > 1 else "")
    parts = ", ".join(printable(role.removeprefix("pred:")) for role in column.roles)
    return [printable(column.name), kind, str(column.missing or ""), parts, "; ".join(_contents(column, digits))]


def _contents(column: ColumnSurvey, digits: int) -> Iterator[str]:
    """Say what a column holds."""
    labels = column.distinct is not None and (
        column.kind != "number" or (column.whole is True and not column.ascending and column.distinct <= MANY)
    )
    holes = ((column.null, "null"), (column.empty, "empty"), (column.nan, "NaN"))
    if column.missing:
        kinds = ", ".join(f"{count} {name}" for count, name in holes if count)
        yield f"{kinds}, the first in row {column.first_missing}"
    if column.minimum is not None and column.kind == "number":
        low, high = (_end(end, column, digits) for end in (column.minimum, column.maximum))
        if not labels:
            constant = column.minimum == column.maximum
            yield low if constant else f"{low} to {high}, mean {number(column.mean, digits)}"
        if column.whole and column.width == 1:
            yield "whole, ascending" if column.ascending else "whole"
        if column.zeros and not labels:
            yield counted(column.zeros, "zero")
    for count, name in ((column.plus_infinite, "+inf"), (column.minus_infinite, "-inf")):
        if count:
            yield f"{count} {name}"
    most = MANY if "target" in column.roles else FEW
    if labels or column.kind == "text":
        yield from _values(column, most)
    if column.odd is not None:
        cells = "" if column.odd.count is None else f"{counted(column.odd.count, 'cell')}: "
        yield f"no number: {cells}{printable(column.odd.text)!r} in row {column.odd.row}"
    if column.fault is not None:
        yield printable(column.fault)


def _end(value: float | None, column: ColumnSurvey, digits: int) -> str:
    """Show an end of a range; a whole number as one."""
    plain = value is not None and column.whole and abs(value) < PLAIN_BELOW
    return f"{value:.0f}" if plain else number(value, digits)


def _values(column: ColumnSurvey, most: int) -> Iterator[str]:
    """Show the most frequent values."""
    if not column.values:
        return
    words = [(_short(word), count) for word, count in column.frequent[:most]]
    if column.distinct is None:
        yield f"more than {MOST_WORDS} values, such as {', '.join(word for word, _ in words)}"
        return
    more = column.distinct - len(words)
    yield ", ".join(f"{word} ({count})" for word, count in words) + (f", {counted(more, 'other')}" if more else "")


def _short(word: str) -> str:
    text = printable(word)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


# the rest ------------------------------------------------------------------------------------------------------------


def _facts(survey: Survey) -> Iterator[tuple[str, str]]:
    """Yield everything besides the columns, each with a label; the verdict comes last."""
    for role in survey.roles:
        yield role.role if role.role in ("target", "weight") else "model", _role(role, survey.works)
    yield from (("slices", _slicing(slicing)) for slicing in survey.slices)
    if survey.pairing is not None:
        yield from (("rows", text) for text in _pairing(survey.pairing, survey.tables))
    for pair in survey.agreements:
        columns = ", ".join(map(printable, pair.columns))
        differs = f"differs in {counted(pair.differ, 'row')}, the first row {pair.first_row}"
        only = f"; only {counted(pair.rows, 'row')} could be compared" if pair.fault else ""
        yield "rows", f"{columns} of {pair.first} and {pair.second} {differs if pair.differ else 'agrees'}{only}"
    if survey.task is not None:
        yield "task", f"{survey.task.name} ({survey.task.why})"
    if survey.losses:
        yield "losses", ", ".join(map(printable, survey.losses))
    yield from (("note", printable(text)) for text in survey.notes if not text.startswith("task: "))
    yield from (("warning", printable(text)) for text in survey.warnings)
    yield from (("problem", printable(text)) for text in survey.problems)
    verdict = "PASS: eval works with these options" if survey.works else "FAIL: eval does not work with these options"
    yield "verdict", verdict


def _role(role: RoleSurvey, works: bool) -> str:
    names = [printable(name) for name in role.columns]
    columns = ", ".join(names) if len(names) <= FEW else f"{names[0]} to {names[-1]}, {len(names)} columns"
    model = "" if role.model is None else printable(role.model) + ("" if role.role == "pred" else f", {role.role}")
    owner = f"{model} ({columns})" if model and [model] != names else columns
    before = f", before {role.activation}" if role.activation != "none" else ""
    if not role.rows:
        without = "labels" if role.role == "target" or works else "no numbers"
        return f"{owner}{before}: {'no complete row' if role.rows == 0 else without}"
    holding = {fit.domain: None for fit in role.fits if fit.holds}
    good = [name for name in holding if not IMPLIED.get(name, set()) & set(holding)]
    bad = [] if SPECIFIC & set(holding) else [fit for fit in role.fits if _tells(fit, role)]
    outside = [f"outside {fit.domain}: {counted(fit.outside, 'row')}, the first row {fit.first}" for fit in bad]
    return f"{owner}{before}: {'; '.join([', '.join(good), *outside] if good else outside)}"


def _tells(fit: Fit, role: RoleSurvey) -> bool:
    """Whether rows outside a domain are worth a word.

    Where most rows are outside, the columns were never meant to be in it; where as many are outside of a larger
    domain, that says more.
    """
    larger = [domain for domain in role.fits if fit.domain in IMPLIED.get(domain.domain, set())]
    return 0 < fit.outside <= (role.rows or 0) / 2 and all(domain.outside != fit.outside for domain in larger)


def _slicing(slicing: SliceSurvey) -> str:
    columns = ", ".join(map(printable, slicing.columns))
    missing = f"; {counted(slicing.missing, 'row')} without a value" if slicing.missing else ""
    if slicing.slices is None:
        return f"{columns}: more than {MOST_SLICES}{missing}"
    ends = []
    for name, end in (("smallest", slicing.smallest), ("largest", slicing.largest)):
        if end is not None:
            ends.append(f"the {name} {', '.join(_short(word) for word in end[0].values())} ({counted(end[1], 'row')})")
    return f"{columns}: {counted(slicing.slices, 'slice')}{', ' if ends else ''}{', '.join(ends)}{missing}"


def _pairing(pairing: Pairing, tables: Sequence[TableSurvey]) -> Iterator[str]:
    several = len(tables) > 1
    if pairing.column is None:
        if several:
            counts = {table.rows for table in tables}
            same = f"{counts.pop()} in each input" if len(counts) == 1 else "their numbers differ"
            yield f"paired by their order; {same}"
        if pairing.alike:
            names = ", ".join(map(printable, pairing.alike))
            looks = "looks like a key" if len(pairing.alike) == 1 else "look like keys"
            yield f"{names} {looks}" + (f"; --id {printable(pairing.alike[0])} pairs rows by it" if several else "")
        return
    name = printable(pairing.column)
    if pairing.fault is not None:
        yield f"keys of {name}: {printable(pairing.fault)}"
    for keys in pairing.keys:
        faults = []
        if keys.missing:
            faults.append(f"{keys.missing} missing, the first in row {keys.first_missing}")
        if keys.repeated:
            faults.append(f"{keys.repeated} more than once ({', '.join(keys.repeated_examples)})")
        yield f"key {name} of {keys.input}: {'; '.join(faults) or f'{keys.rows}, each once'}"
    for pair in pairing.unpaired:
        faults = [
            f"{count} in {place} alone ({', '.join(examples)})"
            for count, place, examples in (
                (pair.only_first, pair.first, pair.only_first_examples),
                (pair.only_second, pair.second, pair.only_second_examples),
            )
            if count
        ]
        yield f"keys of {pair.first} and {pair.second}: {'; '.join(faults) or 'all paired'}"
