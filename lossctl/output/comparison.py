"""The comparisons of `compare` in every format: differences with intervals and verdicts, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from lossctl.errors import listed, printable
from lossctl.output.report import (
    LOOKS,
    MISSING,
    Grid,
    Marked,
    Missing,
    SlicingPart,
    Text,
    alike,
    headline,
    missing_values,
    shown_slices,
    worst_tables,
)
from lossctl.output.text import (
    Cell,
    Column,
    Style,
    Table,
    csv_text,
    interval,
    level_text,
    lines_of,
    more_slices,
    number,
    p_value,
    percent,
    signed_number,
    text_columns,
)
from lossctl.results.comparison import Comparison, Study
from lossctl.results.report import Report, lists_by, place_of

SIGN: Final = {"better": "better", "worse": "worse", "equivalent": "equivalent", "undecided": "~"}


def render(report: Report, form: str, style: Style) -> str:
    """Return comparisons as text in one format."""
    match form:
        case "csv":
            return csv_text(report.comparisons)
        case "value":
            return "".join(f"{comparison.difference!r}\n" for comparison in report.comparisons)
    return to_table(report, style)


def _parts(report: Report, style: Style) -> Iterator[SlicingPart[Comparison]]:
    """Yield the comparisons of all rows and of each slicing, as sorted and cut by the style."""
    rank, slicings = RANKS[style.sort or "slice"], lists_by(lambda row: tuple(row.slice), report.comparisons)
    return shown_slices(slicings.items(), style, lambda rows: rank(rows[0]))


def differences(report: Report, style: Style) -> Iterator[Grid]:
    """Yield the comparisons, one table for all rows and for each slicing."""
    if report.study is None:
        return
    level, digits = report.study.level, style.digits
    heads = text_columns(["loss", "model", "against"], ["baseline", "value", "difference", "%"])
    if level is not None:
        heads += [*text_columns((), [f"{level_text(level)} interval", "p"]), Column("verdict")]
    for columns, rows, hidden in _parts(report, style):
        lines: list[list[Text]] = []
        for row in rows:
            numbers = [number(row.baseline_value, digits), number(row.value, digits)]
            numbers += [signed_number(row.difference, digits), percent(share_of_baseline(row))]
            lines.append([*row.slice.values(), row.loss, row.candidate, row.baseline, *numbers])
            if level is not None:
                verdict = Marked(SIGN[row.verdict], row.verdict)
                lines[-1] += [interval(row.interval, digits), p_value(row.adjusted), verdict]
        yield Grid([*map(Column, columns), *heads], lines, "", columns, more_slices(hidden))


def notes(report: Report, style: Style) -> Iterator[str]:
    """Explain signs and reasons of these tables, as below those of a terminal."""
    shown = chain.from_iterable(rows for _, rows, _ in _parts(report, style))
    return iter(()) if report.study is None else _notes(report, report.study, style, shown)


def share_of_baseline(comparison: Comparison) -> float | None:
    """Return the difference as a share of the baseline, unless that is as near to 0 as its error."""
    near = comparison.stderr is not None and abs(comparison.baseline_value) <= comparison.stderr
    return None if near else comparison.relative


# in a terminal -------------------------------------------------------------------------------------------------------


def to_table(report: Report, style: Style) -> str:
    """Print the differences over all rows, those of every slicing, and what they come to."""
    study = report.study
    assert study is not None
    overall, missing = [comparison for comparison in report.comparisons if not comparison.slice], missing_values(report)
    shown = [*overall]
    pieces = [_headline(report, study, style), _overall(overall, study, style, missing).fitted()]
    for (loss, base, candidate), rows in _by_couple_and_slicing(report, style):
        order = {"rows": "most rows first", "slice": "by slice"}.get(style.sort or "", "by difference")
        title = f"{printable(loss)}: {printable(candidate)} against {printable(base)}, {order}\n"
        top = rows[: style.top or None]
        shown += top
        pieces.append(title + _slices(top, style, len(rows) - len(top)).fitted())
    pieces += worst_tables(report, style)
    notes = [*sentences(report), "", *_notes(report, study, style, shown)]
    pieces.append("".join(lines_of(note, style) for note in notes))
    return style.encode("\n".join(pieces))


def _headline(report: Report, study: Study, style: Style) -> str:
    """Say what was compared with what, under which assumption."""
    against = "every two models" if study.all_pairs else f"baseline: {printable(study.baseline)}"
    words = [headline(report, style), against, printable(study.assumption)]
    if study.method in ("normal", "bootstrap"):
        words.append(study.method + (f" of {study.resamples}, seed {study.seed}" if study.resamples else ""))
    return style.dot.join(words) + "\n"


def _overall(comparisons: Sequence[Comparison], study: Study, style: Style, missing: Missing) -> Table:
    """Return the table of all rows: a line for the baseline's value, and one for each candidate.

    missing: of `missing_values`.
    """
    tested, pairs, digits = study.level is not None, study.all_pairs, style.digits
    numbers = ["value", *[MISSING] * bool(missing), "difference"]
    heads = [*text_columns(["loss", "model", *["against"] * pairs], numbers), Column("%", True, rank=3)]
    if study.level is not None:
        heads += [Column(f"{level_text(study.level)} interval", rank=1), Column("p", True, rank=2), Column("verdict")]
    table = Table(style, heads)
    before = None
    for row in comparisons:
        if not pairs and row.loss != before:
            value, holes = number(row.baseline_value, digits), missing.get((row.baseline,), [])
            table.add(printable(row.loss), printable(row.baseline), value, *holes, "(baseline)")
        table.add(
            printable(row.loss) if pairs else "",
            printable(row.candidate),
            *[printable(row.baseline)] * pairs,
            number(row.value, digits),
            *missing.get((row.candidate,), []),
            signed_number(row.difference, digits),
            percent(share_of_baseline(row)),
            *[interval(row.interval, digits), p_value(row.adjusted), _verdict(row)] * tested,
        )
        before = row.loss
    return table


def _by_couple_and_slicing(report: Report, style: Style) -> list[tuple[list[str], list[Comparison]]]:
    """Return the comparisons of slices, table by table, if not sorted otherwise the worst for the candidate first."""
    comparisons = [row for row in report.comparisons if row.slice]
    tables = lists_by(lambda row: (tuple(row.slice), row.loss, row.baseline, row.candidate), comparisons)
    rank = RANKS[style.sort or "worst"]
    return [(couple, sorted(rows, key=rank)) for (_, *couple), rows in tables.items()]


def _loss(comparison: Comparison) -> float:
    """Return by how much the candidate loses, negative where it wins."""
    return -comparison.difference if comparison.direction == "max" else comparison.difference


RANKS: Final[Mapping[str, Callable[[Comparison], tuple[bool, float]]]] = {  # --sort -> order; no difference comes last
    "slice": lambda row: (False, 0.0),
    "rows": lambda row: (False, -row.rows),
    "worst": lambda row: (row.difference != row.difference, -_loss(row)),
    "best": lambda row: (row.difference != row.difference, _loss(row)),
}


def _verdict(row: Comparison) -> Cell:
    return SIGN[row.verdict], LOOKS[row.verdict].color


def _slices(comparisons: Sequence[Comparison], style: Style, hidden: int) -> Table:
    """Return the table of one slicing, loss and couple, with intervals drawn around zero."""
    first, digits = comparisons[0], style.digits
    heads = text_columns(map(printable, first.slice), ["rows"])
    heads += text_columns((), map(printable, (first.baseline, first.candidate)), rank=3)
    heads.append(Column("difference", right=True))
    tested = any(row.level is not None or row.reason for row in comparisons)
    if tested:
        heads += [Column("interval", rank=4), Column("around zero", rank=2), Column("p", True, 1), Column("verdict")]
    table = Table(style, heads, hidden=hidden)
    for row, bar in zip(comparisons, forest(comparisons, style.ascii), strict=True):
        table.add(
            *map(printable, row.slice.values()),
            str(row.rows),
            number(row.baseline_value, digits),
            number(row.value, digits),
            signed_number(row.difference, digits),
            *[interval(row.interval, digits), bar, p_value(row.adjusted), _verdict(row)] * tested,
        )
    return table


AXIS: Final = 24  # characters of the axis
SIGNS: Final = ("├", "─", "┤", "●", "│")
ASCII_SIGNS: Final = ("|", "-", "|", "o", ":")


def forest(comparisons: Sequence[Comparison], ascii_only: bool) -> list[str]:
    """Return a drawing for each interval: its ends, the difference in it, and where zero is."""
    start, line, stop, middle, zero = ASCII_SIGNS if ascii_only else SIGNS
    bars = [(row.interval[0], row.difference, row.interval[1]) if row.interval else None for row in comparisons]
    ends = [end for bar in bars if bar is not None for end in bar]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    if not high > low:
        return ["" for _ in bars]

    def place(value: float) -> int:
        return round((value / 2 - low / 2) / (high / 2 - low / 2) * (AXIS - 1))  # halves stay in range

    drawings = []
    for bar in bars:
        signs = [" "] * AXIS
        if bar is not None:
            first, centre, last = map(place, bar)
            signs[first : last + 1] = line * (last - first + 1)
            signs[first], signs[last] = start, stop
        signs[place(0.0)] = zero
        if bar is not None:
            signs[centre] = middle
        drawings.append("".join(signs).rstrip())
    return drawings


# in words ------------------------------------------------------------------------------------------------------------


def sentences(report: Report) -> Iterator[str]:
    """Say of every couple, over all rows, on which losses the candidate is better, worse, or not told apart."""
    study = report.study
    assert study is not None
    couples: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in report.comparisons:
        if not row.slice:
            losses = couples.setdefault((row.candidate, row.baseline), {})
            losses.setdefault(row.verdict, []).append(row.loss)

    def outcome(couple: tuple[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
        losses = couples[couple]
        return couple[1], tuple((verdict, listed(losses[verdict])) for verdict in SIGN if verdict in losses)

    for (base, verdicts), same in lists_by(outcome, couples if study.level is not None else ()).items():
        verb = "is" if len(same) == 1 else "are"
        pieces = [f"{verb} {verdict} on {printable(losses)}" for verdict, losses in verdicts]
        candidates = _and([printable(candidate) for candidate, _ in same])
        yield f"Against {printable(base)}: {candidates} {_and(pieces)}."
    for best in report.best_sets:
        models = printable(listed(list(best.kept)))
        which = "is the one model that may be best" if len(best.kept) == 1 else "may each be the best model"
        place = f"By {printable(best.loss + place_of(best.slice))}"
        yield f"{place}, {models} {which} ({level_text(best.level)} model confidence set)."


def _and(pieces: Sequence[str]) -> str:
    """Join pieces of a sentence."""
    return " and ".join([", ".join(pieces[:-1]), pieces[-1]] if len(pieces) > 1 else pieces)


def _notes(report: Report, study: Study, style: Style, shown: Iterable[Comparison]) -> Iterator[str]:
    """Explain the signs, name the corrections, and say what could not be tested and how many rows it takes.

    shown: the comparisons in the tables.
    """
    if study.level is None:
        return
    sign = SIGN["undecided"]
    paired = f"paired, {printable(study.assumption)}"
    correction, mark, tests = study.correction.partition("; ")
    adjusted = f"p adjusted: {correction}" if correction != "none" else "p of one comparison, not adjusted"
    adjusted += mark + tests
    yield f"{sign} no difference is shown at {level_text(study.level)} ({paired}; {adjusted})"
    yield from alike((f"{row.loss} of {row.candidate}", row.slice, row.reason) for row in shown if row.reason)
    if study.effect is None:
        return
    for row in report.comparisons:
        if row.detectable is not None and not row.slice:
            sentence = f"{row.rows} rows find a difference of {number(row.detectable, style.digits)}"
            share = percent(row.detectable / abs(row.baseline_value) if row.baseline_value else None, sign=False)
            sentence += f" ({share})" if share != "-" else ""
            takes = "more rows than can be counted" if row.needed is None else f"{row.needed} rows"
            yield (
                f"{printable(row.loss)} of {printable(row.candidate)}: {sentence} with power 0.8; "
                f"{study.effect} would take {takes}"
            )
