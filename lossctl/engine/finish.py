"""Finish: a tally to the cells of a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lossctl.core.domain import Array
from lossctl.core.exact import SHIFT, ratio
from lossctl.core.report import Cell, best_models
from lossctl.core.state import NEVER, Moments, Odd, Peak, Sample, View
from lossctl.engine.plan import Plan, Question
from lossctl.engine.tally import Tally
from lossctl.stats.estimate import Estimate, estimate

NO_CLOSED_FORM = {"peak": "a maximum has no standard error", "sample": "no closed form for a statistic of all values"}


@dataclass(frozen=True)
class Settings:
    """What besides the data decides the numbers; `signed` closes the signature, `where` words a row address."""

    level: float | None
    reduction: str
    signed: str
    where: Callable[[str, int], str]


def cells(tally: Tally, plan: Plan, labels: Mapping[str, Sequence[tuple[str, ...]]], settings: Settings) -> list[Cell]:
    """Return the cells of the whole data, then of every slice of every slicing."""
    samples = Samples(tally)
    found = _marked(_slice(tally, plan, settings, samples, {}, tally.moments, None))
    for place, name in enumerate(plan.slicings):
        if name not in tally.grouped:
            continue
        grouped = tally.grouped[name]
        columns = name.split(",") if len(labels[name][0]) > 1 else [name]
        views = {int(code): grouped.view(g) for g, code in enumerate(grouped.codes)}
        empty = Moments.empty(len(tally.moments.sums), plan.pairs)
        for code in sorted(range(len(labels[name])), key=lambda code: _sortable(labels[name][code])):
            chosen = dict(zip(columns, labels[name][code], strict=True))
            view = views.get(code, empty)
            found += _marked(_slice(tally, plan, settings, samples, chosen, view, (place, name, code)))
    return found


def _sortable(words: tuple[str, ...]) -> list[tuple[bool, float, str]]:
    """Sort slices by value where they are numbers, else by text."""

    def key(word: str) -> tuple[bool, float, str]:
        try:
            return False, float(word), word
        except ValueError:
            return True, 0.0, word

    return [key(word) for word in words]


def _marked(made: Iterator[tuple[Question, list[Cell]]]) -> list[Cell]:
    """Mark the best model of each loss."""
    found: list[Cell] = []
    for question, row in made:
        best = best_models(row) if question.loss.ranks else set()
        found += [replace(cell, best=cell.model in best) for cell in row]
    return found


def _slice(
    tally: Tally,
    plan: Plan,
    settings: Settings,
    samples: Samples,
    chosen: Mapping[str, str],
    view: View,
    group: tuple[int, str, int] | None,
) -> Iterator[tuple[Question, list[Cell]]]:
    weight_sum = ratio(view.total_units(0), 1 << SHIFT) if plan.weighted else None
    for question in plan.questions:
        row = []
        for model in plan.models:
            made, odd = _estimate(tally, plan, settings, samples, view, question, model, group, weight_sum)
            status, reason = _status(question, made.value, odd, model, settings, view.rows, weight_sum)
            signature = (
                f"{question.loss.full_spec}|n:{view.rows}|{settings.signed}"
                + f"|act:{plan.activations[model]}"
                + "".join(f"|{column}={word}" for column, word in chosen.items())
            )
            row.append(
                Cell(
                    model=model,
                    loss=question.label,
                    spec=question.loss.spec,
                    slice=dict(chosen),
                    rows=view.rows,
                    weight_sum=weight_sum,
                    value=made.value,
                    stderr=made.stderr,
                    interval=made.interval,
                    level=settings.level if made.interval else None,
                    method=made.method,
                    interval_reason=made.why,
                    direction=question.loss.direction,
                    unit=question.loss.unit,
                    status=status,
                    reason=reason,
                    signature=signature,
                )
            )
        yield question, row


def _estimate(
    tally: Tally,
    plan: Plan,
    settings: Settings,
    samples: Samples,
    view: View,
    question: Question,
    model: str,
    group: tuple[int, str, int] | None,
    weight_sum: float | None,
) -> tuple[Estimate, Odd]:
    """Return the estimate of one cell, and the values among its parts that were not finite."""
    loss = question.loss
    if not view.rows or weight_sum == 0.0:
        return Estimate(math.nan, why="no rows" if not view.rows else "the weights sum to zero"), Odd()
    if loss.keeps == "moments":
        indexes = plan.indexes(model, question)
        odd = Odd()
        for i in indexes:
            odd = odd.merge(view.odd[i])
        made = estimate(
            loss.reading,
            view,
            indexes,
            weighted=plan.weighted,
            level=settings.level,
            total=settings.reduction == "sum",
        )
        return made, odd
    place = plan.whole(model, question)
    if group is not None and loss.keeps == "peak":
        return Estimate(tally.peaks[group[1]][place].tops[group[2]][1], why=NO_CLOSED_FORM["peak"]), Odd()
    whole = tally.wholes[place]
    if isinstance(whole, Peak):
        return Estimate(whole.top, why=NO_CLOSED_FORM["peak"]), Odd()
    return Estimate(samples.value(question, place, group), why=NO_CLOSED_FORM["sample"]), Odd()


class Samples:
    """The samples of a tally, each sorted once, and once more by group for each slicing."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._sorted: dict[tuple[int, int | None], Array] = {}

    def value(self, question: Question, place: int, group: tuple[int, str, int] | None) -> float:
        """Evaluate a statistic of all values, over all rows or those of one group."""
        loss = question.loss
        assert loss.whole is not None
        lines = len(loss.parts) + 1
        if group is None:
            rows = self._ordered(place, None)
        else:
            by_code = self._ordered(place, lines + group[0])
            rows = by_code[:, slice(*np.searchsorted(by_code[lines + group[0]], (group[2], group[2] + 1)))]
        with np.errstate(all="ignore"):
            return loss.whole(np.ascontiguousarray(rows[:lines]), **loss.args) if rows.size else math.nan

    def _ordered(self, place: int, line: int | None) -> Array:
        if (place, line) not in self._sorted:
            if line is None:
                whole = self._tally.wholes[place]
                assert isinstance(whole, Sample)
                found = whole.ordered()
            else:
                rows = self._ordered(place, None)
                found = rows[:, np.argsort(rows[line], kind="stable")]
            self._sorted[place, line] = found
        return self._sorted[place, line]


def _status(
    question: Question,
    value: float,
    odd: Odd,
    model: str,
    settings: Settings,
    rows: int,
    weight_sum: float | None,
) -> tuple[str, str | None]:
    """Return the status of a value, and for one that is no plain number the reason."""
    if math.isfinite(value):
        return "ok", None
    if not rows:
        return "empty", "no rows"
    if weight_sum == 0.0:
        return "empty", "the weights sum to zero"
    sign = "-" if value < 0 else "+"
    word = "undefined" if math.isnan(value) else f"{sign}infinity"
    status = "undefined" if math.isnan(value) else "infinite"
    if odd.row != NEVER:
        count = "1 row" if odd.count == 1 else f"{odd.count} rows"
        return status, f"{word}: {count}, the first at {settings.where(model, odd.row)}"
    if math.isnan(value):
        return (
            status,
            question.loss.reading.undefined if question.loss.keeps == "moments" else "needs rows of both kinds",
        )
    return status, f"{word}: out of the range of float64"
