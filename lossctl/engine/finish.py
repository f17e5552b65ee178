"""Finish: a tally to the cells of a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypedDict

import numpy as np

from lossctl.core.domain import Array
from lossctl.core.exact import SHIFT, ratio
from lossctl.core.grouped import GroupedMoments
from lossctl.core.report import Cell, best_models
from lossctl.core.state import NEVER, Moments, Odd, Peak, Sample, View
from lossctl.engine.plan import Plan, Question
from lossctl.engine.tally import Tally
from lossctl.stats.estimate import Estimate, estimate
from lossctl.stats.grouped import estimates

NO_CLOSED_FORM = {"peak": "a maximum has no standard error", "sample": "no closed form for a statistic of all values"}


@dataclass(frozen=True)
class Settings:
    """What besides the data decides the numbers; `signed` closes the signature, `where` words a row address."""

    level: float | None
    reduction: str
    signed: str
    where: Callable[[str, int], str]


@dataclass(frozen=True)
class Part:
    """All rows, or those of one slice: what is asked of its sums, and where it stands in its slicing."""

    chosen: Mapping[str, str]
    view: View
    estimate: Callable[[Question, str], Estimate]
    group: tuple[int, str, int] | None = None


def cells(tally: Tally, plan: Plan, labels: Mapping[str, Sequence[tuple[str, ...]]], settings: Settings) -> list[Cell]:
    """Return the cells of the whole data, then of every slice of every slicing."""
    finish = Finish(tally, plan, settings)
    found = finish.cells(Part({}, tally.moments, partial(finish.estimate, tally.moments)))
    for place, name in enumerate(plan.slicings):
        if name not in tally.grouped:
            continue
        grouped = tally.grouped[name]
        columns = name.split(",") if len(labels[name][0]) > 1 else [name]
        places = {code: g for g, code in enumerate(grouped.codes.tolist())}
        empty = Moments.empty(len(tally.moments.sums), plan.pairs)
        ready = finish.grouped_estimates(grouped)
        for code in sorted(range(len(labels[name])), key=lambda code: _sortable(labels[name][code])):
            chosen = dict(zip(columns, labels[name][code], strict=True))
            g = places.get(code)
            if g is None:
                found += finish.cells(Part(chosen, empty, partial(finish.estimate, empty), (place, name, code)))
            else:
                found += finish.cells(Part(chosen, grouped.view(g), partial(_taken, ready, g), (place, name, code)))
    return found


def _taken(ready: Mapping[tuple[str, str], Sequence[Estimate]], g: int, question: Question, model: str) -> Estimate:
    return ready[model, question.label][g]


def _sortable(words: tuple[str, ...]) -> list[tuple[bool, float, str]]:
    """Sort slices by value where they are numbers, else by text."""

    def key(word: str) -> tuple[bool, float, str]:
        try:
            return False, float(word), word
        except ValueError:
            return True, 0.0, word

    return [key(word) for word in words]


class Finish:
    """What turns the sums of one tally into cells."""

    def __init__(self, tally: Tally, plan: Plan, settings: Settings) -> None:
        self.tally, self.plan, self.settings = tally, plan, settings
        self.samples = Samples(tally)
        self._specs = {question.label: question.loss.full_spec for question in plan.questions}

    def cells(self, part: Part) -> list[Cell]:
        """Return the cells of one part, the best model of each loss marked."""
        found: list[Cell] = []
        weight_sum = ratio(part.view.total_units(0), 1 << SHIFT) if self.plan.weighted else None
        for question in self.plan.questions:
            row = [self._cell(part, weight_sum, question, model) for model in self.plan.models]
            best = best_models(row) if question.loss.ranks else set()
            found += [replace(cell, best=True) if cell.model in best else cell for cell in row]
        return found

    def _cell(self, part: Part, weight_sum: float | None, question: Question, model: str) -> Cell:
        made = self._estimate(part, weight_sum, question, model)
        status, reason = "ok", None
        if not math.isfinite(made.value):
            odd = self._odd(part, question, model) if part.view.rows and weight_sum != 0.0 else Odd()
            status, reason = _status(question, made.value, odd, model, self.settings, part.view.rows, weight_sum)
        signature = (
            f"{self._specs[question.label]}|n:{part.view.rows}|{self.settings.signed}"
            + f"|act:{self.plan.activations[model]}"
            + "".join(f"|{column}={word}" for column, word in part.chosen.items())
        )
        return Cell(
            model=model,
            loss=question.label,
            spec=question.loss.spec,
            slice=part.chosen,
            rows=part.view.rows,
            weight_sum=weight_sum,
            value=made.value,
            stderr=made.stderr,
            interval=made.interval,
            level=self.settings.level if made.interval else None,
            method=made.method,
            interval_reason=made.why,
            direction=question.loss.direction,
            unit=question.loss.unit,
            status=status,
            reason=reason,
            signature=signature,
        )

    def _odd(self, part: Part, question: Question, model: str) -> Odd:
        """Return the values among the parts of a loss that were not finite."""
        odd = Odd()
        if question.loss.keeps == "moments":
            for i in self.plan.indexes(model, question):
                odd = odd.merge(part.view.odd[i])
        return odd

    def _estimate(self, part: Part, weight_sum: float | None, question: Question, model: str) -> Estimate:
        if not part.view.rows or weight_sum == 0.0:
            return Estimate(math.nan, why="no rows" if not part.view.rows else "the weights sum to zero")
        if question.loss.keeps == "moments":
            return part.estimate(question, model)
        place = self.plan.whole(model, question)
        if part.group is not None and question.loss.keeps == "peak":
            tops = self.tally.peaks[part.group[1]][place].tops
            return Estimate(tops[part.group[2]][1], why=NO_CLOSED_FORM["peak"])
        whole = self.tally.wholes[place]
        if isinstance(whole, Peak):
            return Estimate(whole.top, why=NO_CLOSED_FORM["peak"])
        return Estimate(self.samples.value(question, place, part.group), why=NO_CLOSED_FORM["sample"])

    def estimate(self, view: View, question: Question, model: str) -> Estimate:
        """Return the estimate of a loss from exact sums."""
        return estimate(question.loss.reading, view, self.plan.indexes(model, question), **self._how)

    def grouped_estimates(self, groups: GroupedMoments) -> dict[tuple[str, str], list[Estimate]]:
        """Return the estimates of every loss and model from the sums by group."""
        return {
            (model, question.label): estimates(
                question.loss.reading, groups, self.plan.indexes(model, question), **self._how
            )
            for question in self.plan.questions
            if question.loss.keeps == "moments"
            for model in self.plan.models
        }

    @property
    def _how(self) -> How:
        settings = self.settings
        return {"weighted": self.plan.weighted, "level": settings.level, "total": settings.reduction == "sum"}


class How(TypedDict):
    """How estimates are made."""

    weighted: bool
    level: float | None
    total: bool


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
