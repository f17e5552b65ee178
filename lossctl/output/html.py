"""HTML of a report: tables for notebooks, and a page with pictures that needs no script and no network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Final

from lossctl.errors import UsageError, printable
from lossctl.files import path_of
from lossctl.output import checks
from lossctl.output.checks import Failure, counts, sides, verdict
from lossctl.output.comparison import differences, sentences
from lossctl.output.report import (
    BEST,
    LOOKS,
    MARK,
    Grid,
    Marked,
    Text,
    alike,
    best_note,
    headline,
    reasons,
    values,
    worst,
)
from lossctl.output.text import Column, Style, counted, inert_line, interval, level_text, number, slice_text
from lossctl.results.document import created, environment
from lossctl.results.figure import Figure
from lossctl.results.page import Page
from lossctl.results.report import Report, lists_by

QUIET: Final = "tex2jax_ignore mathjax_ignore"  # notebooks would take dollar signs in names for mathematics
STYLE: Final = Style()
LEFT, RIGHT = ' style="text-align: left"', ' style="text-align: right"'


def to_html(report: Report, style: Style = STYLE) -> str:
    """Return a report as one HTML element: the question, every value, and what a comparison or a check came to."""
    pieces = [_paragraph(headline(report, style)), *map(_plain_table, values(report, style))]
    if any(cell.best for cell in report.cells):
        pieces.append(_paragraph(best_note(in_slices=len(report.slicings()) > 1)))
    pieces += map(_paragraph, reasons(report.cells))
    if report.study is not None:
        pieces += [*map(_plain_table, differences(report, style)), *map(_paragraph, sentences(report))]
    if report.verdict is not None:
        pieces.append(_paragraph(f"check: {verdict(report).upper()}, {counts(report.checks)}"))
    if report.checks:
        pieces.append(_plain_table(checks.grid(report, style)))
    pieces += [_paragraph(f"warning: {text}") for text in report.warnings]
    return f'<div class="lossctl {QUIET}">\n{"".join(pieces)}</div>\n'


def _text(text: str) -> str:
    return escape(printable(text))


def _paragraph(text: str, kind: str = "") -> str:
    return f"<p{kind and f' class={kind!r}'}>{_text(text)}</p>\n"


def _rows(grid: Grid, tag: str, cell: Callable[[Column, Text], str]) -> str:
    """Return a table. tag: of its heads; cell: the attributes and the content of one, as `class='word'>TEXT`."""

    def line(tag: str, texts: Sequence[Text]) -> str:
        cells = zip(grid.columns, texts, strict=True)
        name = tag.partition(" ")[0]
        return "<tr>" + "".join(f"<{tag}{cell(column, text)}</{name}>" for column, text in cells) + "</tr>\n"

    head = line(tag, [column.name for column in grid.columns])
    body = "".join(line("td", texts) for texts in grid.lines)
    return f"<table>\n<thead>\n{head}</thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _plain_table(grid: Grid) -> str:
    """Return a table for a page whose styles are not ours."""
    table = _rows(grid, "th", lambda column, text: f"{RIGHT if column.right else LEFT}>{_text(_marked(text))}")
    return table + (_paragraph(grid.more) if grid.more else "")


def _marked(text: Text) -> str:
    """Return a text with the mark of the terminal."""
    return text.text + MARK * (text.mark == BEST) if isinstance(text, Marked) else text


# the page ------------------------------------------------------------------------------------------------------------

WIDE: Final = 860  # pixels of the pictures on a screen and on paper
MOST_SLICES: Final = 50  # in the tables of one slicing
CSS: Final = """
:root { color-scheme: light dark; --back: #ffffff; --text: #1c2024; --muted: #59616b; --line: #d5d9de;
  --good: #00613f; --bad: #a3350a; --panel: #f5f6f8; }
@media screen and (prefers-color-scheme: dark) { :root { --back: #14181f; --text: #e8eaed; --muted: #a3abb5;
  --line: #3a424d; --good: #4fd1a5; --bad: #ff9d66; --panel: #1b212a; } }
body { margin: 0; background: var(--back); color: var(--text); line-height: 1.45;
  font: 15px/1.45 Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif; }
main { max-width: 900px; margin: 0 auto; padding: 16px; overflow-wrap: anywhere; }
h1 { font-size: 22px; margin: 4px 0; } h2 { font-size: 18px; margin: 32px 0 8px; } h3 { font-size: 15px; }
.lead { font-size: 17px; border-left: 4px solid var(--muted); padding-left: 12px; }
.lead.good { border-color: var(--good); } .lead.bad { border-color: var(--bad); }
.note, figcaption, footer { color: var(--muted); font-size: 13px; }
.frame { overflow-x: auto; border: 1px solid var(--line); border-radius: 4px; margin: 8px 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { padding: 4px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; } thead th { background: var(--panel); }
.word { text-align: left; } .long { white-space: normal; min-width: 16em; }
summary { padding: 6px 0; cursor: pointer; }
.good { color: var(--good); font-weight: bold; } .bad { color: var(--bad); font-weight: bold; }
p.lead { color: var(--text); font-weight: normal; }
figure { margin: 16px 0; }
code { font-family: 'DejaVu Sans Mono', Menlo, Consolas, monospace; font-size: 13px; overflow-wrap: anywhere; }
dt { font-weight: bold; } dd { margin: 0 0 8px 0; }
@media print { .frame { overflow: visible; border: 0; } th, td { white-space: normal; padding: 2px 5px; }
  figure, tr { break-inside: avoid; } }
"""
FRAME: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""


def page_text(page: Page, style: Style = STYLE) -> str:
    """Return a page: what was found, values and differences, pictures, slices, rows, rules, and how it was made."""
    from lossctl.output.vega import INLINE

    report = page.report
    names = {"eval": "Evaluation", "compare": "Comparison", "check": "Check"}
    title = f"{names[report.command]} of {', '.join(report.models)}"
    style = Style(digits=style.digits, sort=style.sort or "worst", top=style.top or MOST_SLICES)
    overall = [
        grid for grid in (*values(report, style, intervals=True), *differences(report, style)) if not grid.slicing
    ]
    body = [f"<header>\n<h1>{_text(title)}</h1>\n", _paragraph(headline(report, style), "note"), _lead(report, style)]
    body += [_paragraph(f"warning: {text}") for text in report.warnings]
    body += ["</header>\n", _section("Values", _values(report, overall, style), _figures([page.models]))]
    body.append(_section("What the rows say", _figures(page.panels)))
    slices = lists_by(lambda grid: grid.slicing, _sliced(report, style))
    for place, (columns, tables) in enumerate(slices.items()):
        forest = _figures(page.forests[place : place + 1])
        body.append(_section(f"By {' and '.join(columns)}", forest, *map(_table, tables)))
    body.append(_section("Rows where most is lost", *_worst(report, style)))
    if report.verdict is not None:
        what_next = "".join(f"<p>To do next: <code>{_text(text)}</code></p>\n" for text in report.advice)
        rules = _table(checks.grid(report, style)) if report.checks else ""
        body.append(_section(f"Rules: {verdict(report)}", _paragraph(sides(report), "note"), rules, what_next))
    body.append(_section("How it was made", _origin(page)))
    return FRAME.format(title=_text(f"lossctl: {title}"), css=CSS + INLINE, body="".join(body))


def _sliced(report: Report, style: Style) -> Iterator[Grid]:
    """Yield the tables of slices: of differences where there are some, else of values."""
    compared = [grid for grid in differences(report, style) if grid.slicing]
    yield from compared or [grid for grid in values(report, style, intervals=True) if grid.slicing]


def _worst(report: Report, style: Style) -> Iterator[str]:
    """Yield the tables of the worst rows, those of the first loss unfolded."""
    for grid in worst(report, style):
        opened = " open" * (grid.title.startswith(f"{report.worst[0].loss}: "))
        yield f"<details{opened}>\n<summary>{_text(grid.title)}</summary>\n{_table(grid)}</details>\n"


def _section(title: str, *pieces: str) -> str:
    text = "".join(pieces)
    return f"<section>\n<h2>{_text(title)}</h2>\n{text}</section>\n" if text else ""


def _lead(report: Report, style: Style) -> str:
    """Return one sentence of what was found, and of a check what stands against a model."""
    kind, texts = "", []
    if report.verdict is not None:
        word = verdict(report)
        kind = _tone(word)
        texts.append(f"{LOOKS[word].sign} {word.upper()}: {counts(report.checks)}.")
        open_ = [check for check in report.checks if check.status not in ("pass", "skipped")]
        for check in sorted(open_, key=lambda check: not check.blocks)[:3]:
            place = f" where {slice_text(check.slice)}" if check.slice else ""
            texts.append(f"{check.model}, {check.rule}{place}: {check.message}.")
    elif report.comparisons:
        texts += sentences(report)
    else:
        best = [cell for cell in report.cells if cell.best and not cell.slice]
        for model, cells in lists_by(lambda cell: cell.model, best).items():
            texts.append(f"By {', '.join(cell.loss for cell in cells)}, {model} is the best model.")
        if not best:
            first = report.cells[0]
            ends = f", {interval(first.interval, style.digits)}" if first.interval is not None else ""
            texts.append(f"{first.loss} of {first.model} is {number(first.value, style.digits)}{ends}.")
    return _paragraph(inert_line(" ".join(texts)), f"lead {kind}".strip())


def _values(report: Report, tables: Sequence[Grid], style: Style) -> str:
    """Return the tables of all rows, with what explains them."""
    notes = [f"{LOOKS[BEST].sign} best model for the loss"] if any(cell.best for cell in report.cells) else []
    if report.level is not None:
        notes.append(f"in brackets the {level_text(report.level)} intervals")
    undecided = (row for row in report.comparisons if not row.slice)
    why = alike((f"{row.loss} of {row.candidate}", row.slice, row.reason) for row in undecided if row.reason)
    lines = [*filter(None, ["; ".join(notes)]), *reasons(report.cells), *why]
    return "".join(map(_table, tables)) + "".join(_paragraph(text, "note") for text in lines)


def _table(grid: Grid) -> str:
    """Return a table in a frame that scrolls."""
    more = _paragraph(grid.more, "note") if grid.more else ""
    table = _rows(grid, 'th scope="col"', _look)
    return f'<div class="frame" tabindex="0" role="region" aria-label="table">\n{table}</div>\n{more}'


def _look(column: Column, text: Text) -> str:
    """Return the class and the content of a cell; what is marked is so by a sign, too."""
    kind = "" if column.right else "word long" if len(_marked(text)) > 40 else "word"
    if not isinstance(text, Marked):
        return f"{kind and f' class={kind!r}'}>{_text(text)}"
    sign = LOOKS[text.mark].sign
    plain = text.text if text.text != sign else text.mark
    classes = f"{kind} {_tone(text.mark)}".strip()
    return f"{classes and f' class={classes!r}'}>{sign} {_text(plain)}"


def _tone(mark: str) -> str:
    color = LOOKS[mark].color
    return "good" if "green" in color else "bad" if "red" in color else ""


def _figures(figures: Sequence[Figure | None]) -> str:
    """Return pictures in two widths, of which one is shown, each with its title, sentence and notes as text."""
    from lossctl.output.vega import Look, inline

    pieces = []
    for figure in figures:
        if figure is None:
            continue
        picture = inline(figure, Look(WIDE, titled=False))
        words = " ".join(f"{text.rstrip('.')}." for text in (figure.sentence, *figure.notes) if text)
        caption = f"<figcaption>{_text(words)}</figcaption>\n" if words else ""
        pieces.append(f"<figure>\n<h3>{_text(figure.title)}</h3>\n{picture}{caption}</figure>\n")
    return "".join(pieces)


def _origin(page: Page) -> str:
    """Return what a page was made by, and of what: versions, rows, digests, and what every number depends on."""
    report = page.report
    facts = [("command", page.command)] if page.command else []
    facts += [("made", created()), ("lossctl", report.version)]
    facts += [
        (name, " ".join(value) if isinstance(value, list) else str(value)) for name, value in environment().items()
    ]
    facts += [
        (f"data of {source.model}", f"{source.path}, {counted(source.rows, 'row')}, {source.used} used, {source.data}")
        for source in report.inputs
    ]
    signed = dict.fromkeys(cell.signature for cell in report.cells if not cell.slice)
    facts += [("signature", text) for text in signed]
    groups = lists_by(lambda fact: fact[0], facts)
    texts = {name: "".join(f"<dd><code>{_text(text)}</code></dd>\n" for _, text in of) for name, of in groups.items()}
    return "<dl>\n" + "".join(f"<dt>{_text(name)}</dt>\n{text}" for name, text in texts.items()) + "</dl>\n"


def failure_page(failure: Failure) -> str:
    """Return the page that takes the place of an older one where a command ended with an error."""
    lead = _paragraph(f"{LOOKS['error'].sign} ERROR: {failure.message}", "lead bad")
    return FRAME.format(title="lossctl check: ERROR", css=CSS, body=f"<h1>lossctl check</h1>\n{lead}")


def save_page(page: Page, path: str | os.PathLike[str]) -> None:
    """Write a page to a file, whole or not at all."""
    from lossctl.io.atomic import check_writable, write_text
    from lossctl.output.vega import need_libraries

    name = path_of(path, "path")
    if not name.lower().endswith(".html"):
        raise UsageError(f"save {printable(name)}: the name of a page ends in .html")
    need_libraries()
    check_writable(name, [])
    write_text(name, page_text(page))
