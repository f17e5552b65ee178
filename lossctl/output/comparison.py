"""Comparisons for people: differences with intervals and verdicts, slices sorted by difference, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from lossctl.errors import listed, printable
from lossctl.output.table import headline, natural_width, new_table, rendered
from lossctl.output.text import Style, interval, level_text, percent, shown, signed
from lossctl.results.report import Comparison, Report, Study, WorstRow

CELLS: Final = 24  # characters of the axis
SIGNS: Final = ("├", "─", "┤", "●", "│")
PLAIN: Final = ("|", "-", "|", "o", ":")

Bar = tuple[float, float, float]  # low end, difference, high end


def drawn(bars: Sequence[Bar | None], ascii_only: bool) -> list[str]:
    """Return a drawing for each interval: its ends, the difference in it, and where zero is."""
    left, line, right, middle, zero = PLAIN if ascii_only else SIGNS
    ends = [end for bar in bars if bar is not None for end in bar]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    if not high > low:
        return ["" for _ in bars]

    def place(value: float) -> int:
        return round((value / 2 - low / 2) / (high / 2 - low / 2) * (CELLS - 1))  # halves stay in range

    found = []
    for bar in bars:
        cells = [" "] * CELLS
        if bar is not None:
            first, centre, last = map(place, bar)
            cells[first : last + 1] = line * (last - first + 1)
            cells[first], cells[last] = left, right
            cells[place(0.0)] = zero
            cells[centre] = middle
        else:
            cells[place(0.0)] = zero
        found.append("".join(cells).rstrip())
    return found


SIGN: Final = {"better": "better", "worse": "worse", "undecided": "~"}
COLORS: Final = {"better": "green", "worse": "red", "undecided": ""}
P_DIGITS: Final = 3
MOST_REASONS: Final = 12  # lines about comparisons that could not be made

Maker = Callable[[], Table]
Key = tuple[tuple[str, ...], str, str, str]  # columns of a slicing, loss, baseline, candidate


def to_table(report: Report, style: Style) -> str:
    """Print the differences over all rows, those of every slicing, and what they come to."""
    study = report.study
    assert study is not None
    whole = [found for found in report.comparisons if not found.slice]
    pieces = [
        _headline(report, study, style),
        _fitted(style, [_Overall(report, whole, style, k) for k in (3, 2, 1, 0)]),
    ]
    for (_, loss, base, candidate), found in slicings(report).items():
        title = f"{printable(loss)}: {printable(candidate)} against {printable(base)}, by difference\n"
        pieces.append(title + _fitted(style, [_Slices(found, style, k) for k in (4, 3, 2, 1, 0)]))
    pieces += [
        _worst_title(rows[0]) + _fitted(style, [_Worst(rows, style, k) for k in (1, 0)])
        for rows in worst_by_couple(report).values()
    ]
    notes = [*sentences(report), "", *_notes(report, study, style)]
    pieces.append("".join(f"{note}\n" for note in notes))
    text = "\n".join(pieces)
    return text.encode("ascii", "backslashreplace").decode() if style.ascii else text


def slicings(report: Report) -> dict[Key, list[Comparison]]:
    """Return the comparisons of slices, table by table, the worst for the candidate first."""
    found: dict[Key, list[Comparison]] = {}
    for each in report.comparisons:
        if each.slice:
            found.setdefault((tuple(each.slice), each.loss, each.baseline, each.candidate), []).append(each)
    return {key: sorted(rows, key=_gain) for key, rows in found.items()}


def _gain(found: Comparison) -> tuple[bool, float]:
    """Sort by how much the candidate wins, what has no difference last."""
    sign = -1.0 if found.direction == "max" else 1.0
    return found.difference != found.difference, -sign * found.difference


def worst_by_couple(report: Report) -> dict[tuple[str, str, str], list[WorstRow]]:
    """Return the rows where candidates lose most, by loss and couple of models."""
    found: dict[tuple[str, str, str], list[WorstRow]] = {}
    for row in report.worst:
        found.setdefault((row.loss, row.baseline, row.candidate), []).append(row)
    return found


def _fitted(style: Style, makers: Sequence[Maker]) -> str:
    """Take the fullest layout that fits the terminal; the last one as it is."""
    for make in makers:
        table = make()
        if style.width is None or natural_width(table, style) <= style.width:
            break
    return rendered(table, style)


def _headline(report: Report, study: Study, style: Style) -> str:
    """Say what was compared with what, under which assumption."""
    against = "every two models" if study.all_pairs else f"baseline: {printable(study.baseline)}"
    dot = ", " if style.ascii else " · "
    words = [headline(report, style), against, printable(study.assumption)]
    if study.method in ("normal", "bootstrap"):
        words.append(study.method + (f" of {study.resamples}, seed {study.seed}" if study.resamples else ""))
    return dot.join(words) + "\n"


def _verdict(found: Comparison, style: Style) -> Text:
    text = Text(SIGN[found.verdict])
    if style.color and COLORS[found.verdict]:
        text.stylize(f"bold {COLORS[found.verdict]}")
    return text


class _Overall:
    """Makes the table of all rows: a line for the baseline's value, and one for each candidate."""

    def __init__(self, report: Report, found: Sequence[Comparison], style: Style, columns: int) -> None:
        self.report, self.found, self.style, self.columns = report, found, style, columns
        study = report.study
        assert study is not None
        self.all_pairs, self.level = study.all_pairs, study.level

    def __call__(self) -> Table:
        texts = ["loss", "model", *(["against"] if self.all_pairs else [])]
        numbers = ["value", "difference", *(["%"] if self.columns > 2 else [])]
        tested = self.level is not None
        table = new_table(self.style, texts, numbers)
        if tested and self.columns > 0:
            table.add_column(Text(f"{level_text(self.level or 0.0)} interval"), no_wrap=True)
        if tested and self.columns > 1:
            table.add_column(Text("p"), justify="right", no_wrap=True)
        if tested:
            table.add_column(Text("verdict"), no_wrap=True)
        digits = self.style.digits
        before = None
        for each in self.found:
            if not self.all_pairs and each.loss != before:
                value = shown(each.baseline_value, digits)
                table.add_row(Text(printable(each.loss)), Text(printable(each.baseline)), value, "(baseline)")
            line = [Text(printable(each.loss if self.all_pairs else "")), Text(printable(each.candidate))]
            line += [Text(printable(each.baseline))] if self.all_pairs else []
            line += [Text(shown(each.value, digits)), Text(signed(each.difference, digits))]
            line += [Text(percent(each.relative))] if self.columns > 2 else []
            if tested:
                line += [Text(interval(each.interval, digits))] if self.columns > 0 else []
                line += [Text(shown(each.adjusted, P_DIGITS))] if self.columns > 1 else []
                line.append(_verdict(each, self.style))
            table.add_row(*line)
            before = each.loss
        return table


class _Slices:
    """Makes the table of one slicing, loss and couple, with intervals drawn around zero."""

    def __init__(self, found: Sequence[Comparison], style: Style, columns: int) -> None:
        self.found, self.style, self.columns = found, style, columns

    def __call__(self) -> Table:
        first, digits = self.found[0], self.style.digits
        numbers = ["rows", *([printable(first.baseline), printable(first.candidate)] if self.columns > 2 else [])]
        table = new_table(self.style, [printable(column) for column in first.slice], [*numbers, "difference"])
        tested = any(each.level is not None or each.reason for each in self.found)
        if tested and self.columns > 3:
            table.add_column(Text("interval"), no_wrap=True)
        if tested and self.columns > 1:
            table.add_column(Text("around zero"), no_wrap=True)
        if tested and self.columns > 0:
            table.add_column(Text("p"), justify="right", no_wrap=True)
        if tested:
            table.add_column(Text("verdict"), no_wrap=True)
        bars = drawn(
            [(*e.interval[:1], e.difference, *e.interval[1:]) if e.interval else None for e in self.found],
            self.style.ascii,
        )
        for each, bar in zip(self.found, bars, strict=True):
            line = [*(Text(printable(word)) for word in each.slice.values()), Text(str(each.rows))]
            if self.columns > 2:
                line += [Text(shown(each.baseline_value, digits)), Text(shown(each.value, digits))]
            line.append(Text(signed(each.difference, digits)))
            if tested:
                line += [Text(interval(each.interval, digits))] if self.columns > 3 else []
                line += [Text(bar)] if self.columns > 1 else []
                line += [Text(shown(each.adjusted, P_DIGITS))] if self.columns > 0 else []
                line.append(_verdict(each, self.style))
            table.add_row(*line)
        return table


def _worst_title(row: WorstRow) -> str:
    return (
        f"{printable(row.loss)}: rows where {printable(row.candidate)} loses most against {printable(row.baseline)}\n"
    )


class _Worst:
    """Makes the table of the rows where a candidate loses most."""

    def __init__(self, rows: Sequence[WorstRow], style: Style, columns: int) -> None:
        self.rows, self.style, self.columns = rows, style, columns

    def __call__(self) -> Table:
        digits, first = self.style.digits, self.rows[0]
        roles = [printable(name) for name in first.roles] if self.columns > 0 else []
        losses = [f"loss of {printable(model)}" for model in (first.baseline, first.candidate)]
        table = new_table(self.style, [], ["row", *roles, *losses, "difference"])
        for row in self.rows:
            values = [shown(value, digits) for value in row.roles.values()] if self.columns > 0 else []
            values += [shown(row.baseline_value, digits), shown(row.value, digits), signed(row.difference, digits)]
            table.add_row(str(row.row), *values)
        return table


def sentences(report: Report) -> Iterator[str]:
    """Say of every couple, over all rows, on which losses the candidate is better, worse, or not told apart."""
    study = report.study
    assert study is not None
    couples: dict[tuple[str, str], dict[str, list[str]]] = {}
    for found in report.comparisons:
        if not found.slice:
            losses = couples.setdefault((found.candidate, found.baseline), {})
            losses.setdefault(found.verdict, []).append(found.loss)
    for (candidate, base), losses in couples.items() if study.level is not None else ():
        pieces = [
            f"{words} {printable(listed(losses[verdict]))}"
            for verdict, words in (
                ("better", "is better on"),
                ("worse", "is worse on"),
                ("undecided", "is undecided on"),
            )
            if verdict in losses
        ]
        text = " and ".join([", ".join(pieces[:-1]), pieces[-1]] if len(pieces) > 1 else pieces)
        yield f"Against {printable(base)}, {printable(candidate)} {text}."
    for best in report.best_sets:
        models = printable(listed(list(best.kept)))
        which = "is the one model that may be best" if len(best.kept) == 1 else "may each be the best model"
        place = f"By {printable(best.loss)}{_place(best.slice)}"
        yield f"{place}, {models} {which} ({level_text(best.level)} model confidence set)."


def _place(chosen: Mapping[str, str]) -> str:
    return "".join(f", {printable(column)} {printable(word)}" for column, word in chosen.items())


def _notes(report: Report, study: Study, style: Style) -> Iterator[str]:
    """Explain the signs, name the corrections, and say what could not be tested and how many rows it takes."""
    if study.level is None:
        return
    sign = SIGN["undecided"]
    paired = f"paired, {printable(study.assumption)}"
    adjusted = f"p adjusted: {study.correction}" if study.correction != "none" else "p of one comparison, not adjusted"
    yield f"{sign} no difference is shown at {level_text(study.level)} ({paired}; {adjusted})"
    reasons: dict[str, list[str]] = {}
    for found in report.comparisons:
        if found.reason is not None:
            place = f"{found.loss} of {found.candidate}{_place(found.slice)}"
            reasons.setdefault(found.reason, []).append(place)
    for count, (reason, places) in enumerate(reasons.items()):
        if count == MOST_REASONS:
            yield f"... and {len(reasons) - count} more reasons; -f json has all"
            break
        yield f"{printable(listed(places, 4))}: {printable(reason)}"
    if study.effect is None:
        return
    for found in report.comparisons:
        if found.detectable is not None and not found.slice:
            seen = f"{found.rows} rows find a difference of {shown(found.detectable, style.digits)}"
            share = found.detectable / abs(found.baseline_value) if found.baseline_value else None
            seen += f" ({percent(share, sign=False)})" if share is not None else ""
            takes = "more rows than can be counted" if found.needed is None else f"{found.needed} rows"
            yield (
                f"{printable(found.loss)} of {printable(found.candidate)}: {seen} with power 0.8; "
                f"{study.effect} would take {takes}"
            )
