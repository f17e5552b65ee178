"""Finish: a tally to the cells of a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from lossctl.core.state import NEVER, Moments, Odd, Peak
from lossctl.core.statistic import MEAN, means, read
from lossctl.engine.plan import Plan, Question
from lossctl.engine.reduce import RunState
from lossctl.engine.scope import Assumptions, Group, Labels, Samples, Scope
from lossctl.numerics.exact import SHIFT, ratio
from lossctl.results.report import Cell, CellStatus, best_models
from lossctl.stats.contrast import combined, slopes_at
from lossctl.stats.estimate import (
    NOT_ASKED,
    NOT_FINITE,
    SPREAD_OUT_OF_RANGE,
    Estimate,
    about,
    estimate,
    estimates,
    percentiles,
)
from lossctl.stats.quantile import TOO_FEW, order_interval
from lossctl.stats.spread import FEW

LARGE_SHARE = 0.2
DEPENDENT = "order statistics need rows that are independent; --ci-method bootstrap does not"
NO_CLOSED_FORM = {"peak": "a maximum has no standard error", "sample": "no closed form for a statistic of all values"}


@dataclass(frozen=True)
class Settings:
    """What besides the data decides the numbers; `signed` closes the signature, `where` words a row address."""

    level: float | None
    reduction: str
    signed: str
    where: Callable[[str, int], str]


def parts(tally: RunState, plan: Plan, labels: Labels) -> Iterator[Scope]:
    """Return all rows, then every slice of every slicing in order."""
    yield Scope({}, tally.moments)
    for place, name in enumerate(plan.slicings):
        if name not in tally.grouped:
            continue
        grouped = tally.grouped[name]
        columns = name.split(",") if len(labels[name][0]) > 1 else [name]
        places = {code: g for g, code in enumerate(grouped.codes.tolist())}
        empty = Moments.empty(len(tally.moments.sums), plan.pairs, plan.cubed)
        for code in sorted(range(len(labels[name])), key=lambda code: _sortable(labels[name][code])):
            g = places.get(code)
            chosen = dict(zip(columns, labels[name][code], strict=True))
            yield Scope(chosen, empty if g is None else grouped.view(g), Group(place, name, code), g)


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

    def __init__(
        self, tally: RunState, plan: Plan, settings: Settings, samples: Samples, assumptions: Assumptions | None
    ) -> None:
        self.tally, self.plan, self.settings = tally, plan, settings
        self.samples, self.assumptions = samples, assumptions
        self._specs = {question.label: question.loss.full_spec for question in plan.questions}
        self._origins = {question.label: question.loss.origin for question in plan.questions}
        self._grouped: dict[tuple[str, str, str], list[Estimate]] = {}

    def cells(self, part: Scope) -> list[Cell]:
        """Return the cells of one part, the best model of each loss marked."""
        found: list[Cell] = []
        weight_sum = ratio(part.view.total_units(0), 1 << SHIFT) if self.plan.weighted else None
        for question in self.plan.questions:
            row = [self._cell(part, weight_sum, question, model) for model in self.plan.models]
            best = best_models(row) if question.loss.ranks else set()
            found += [replace(cell, best=True) if cell.model in best else cell for cell in row]
        return found

    def _cell(self, part: Scope, weight_sum: float | None, question: Question, model: str) -> Cell:
        made = self._estimate(part, weight_sum, question, model)
        status: CellStatus = "ok"
        reason = None
        if not math.isfinite(made.value):
            odd = self._odd(part, question, model) if part.view.rows and weight_sum != 0.0 else Odd()
            status, reason = _status(question, made.value, odd, model, self.settings, part.view.rows, weight_sum)
        signature = (
            f"{self._specs[question.label]}|n:{part.view.rows}|{self.settings.signed}"
            + f"|act:{self.plan.activations[model]}"
            + (f"|output:{question.output_name}" if question.output is not None else "")
            + (f"|plugin:{self._origins[question.label]}" if self._origins[question.label] else "")
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

    def _odd(self, part: Scope, question: Question, model: str) -> Odd:
        """Return the values among the parts of a loss that were not finite."""
        odd = Odd()
        if question.loss.keeps == "moments":
            for i in self.plan.indexes(model, question):
                odd = odd.merge(part.view.odd[i])
        return odd

    def _estimate(self, part: Scope, weight_sum: float | None, question: Question, model: str) -> Estimate:
        if not part.view.rows or weight_sum == 0.0:
            return Estimate(math.nan, why="no rows" if not part.view.rows else "the weights sum to zero")
        if self.assumptions is not None and not self.assumptions.plain:
            return self._assumed(self.assumptions, part, question, model)
        if question.loss.keeps != "moments":
            return self._whole(part, question, model)
        how = (self.plan.weighted, self.settings.level, self.settings.reduction == "sum")
        if part.group is None or part.column is None:
            reading, indexes = question.loss.reading, self.plan.indexes(model, question)
            return estimate(reading, part.view, indexes, weighted=how[0], level=how[1], total=how[2])
        key = part.slicing, model, question.label
        if key not in self._grouped:  # all slices at once
            reading, indexes = question.loss.reading, self.plan.indexes(model, question)
            groups = self.tally.grouped[part.slicing]
            self._grouped[key] = estimates(reading, groups, indexes, weighted=how[0], level=how[1], total=how[2])
        return self._grouped[key][part.column]

    def _whole(self, part: Scope, question: Question, model: str) -> Estimate:
        """Return the estimate of a maximum, or of a statistic of all values."""
        place = self.plan.whole(model, question)
        if question.loss.keeps == "peak":
            return Estimate(self._top(part, place), why=NO_CLOSED_FORM["peak"])
        value, level = self.samples.value(question, place, part.group), self.settings.level
        if question.loss.quantile is None or level is None or not math.isfinite(value):
            why = NOT_ASKED if level is None else NO_CLOSED_FORM["sample"]
            return Estimate(value, why=why if math.isfinite(value) or level is None else NOT_FINITE)
        ends = order_interval(self.samples.rows(question, place, part.group)[:2], question.loss.quantile, level)
        if ends is None or not all(map(math.isfinite, ends)):
            return Estimate(value, why=TOO_FEW)
        return Estimate(value, None, ends, "order")

    def _top(self, part: Scope, place: int) -> float:
        if part.group is not None:
            return self.tally.peaks[part.slicing][place].tops[part.group.code][1]
        whole = self.tally.wholes[place]
        assert isinstance(whole, Peak)
        return whole.top

    def _assumed(self, assumptions: Assumptions, part: Scope, question: Question, model: str) -> Estimate:
        """Return the estimate under what is assumed of the rows."""
        level, loss = self.settings.level, question.loss
        if loss.keeps == "peak" or (loss.keeps == "sample" and assumptions.design.method != "bootstrap"):
            found = self._whole(part, question, model)
            dependent = found.interval is not None and not assumptions.independent
            return Estimate(found.value, why=DEPENDENT) if dependent else found
        indexes = self.plan.indexes(model, question) if loss.keeps == "moments" else ()
        if loss.keeps == "moments":
            value = read(loss.reading, part.view, indexes, self.plan.weighted)
        else:
            value = self.samples.value(question, self.plan.whole(model, question), part.group)
        if level is None:
            return Estimate(value, why=NOT_ASKED)
        if not math.isfinite(value):
            return Estimate(value, why=NOT_FINITE)
        if assumptions.design.method != "bootstrap" and loss.reading.interval == "none":
            return Estimate(value, why=NO_CLOSED_FORM["peak"])
        if assumptions.design.method == "bootstrap":
            return percentiles(value, assumptions.replicates(question, model, part), level)
        slopes = slopes_at(loss.reading, means(assumptions.view(part), indexes, self.plan.weighted))
        if slopes is None:
            return Estimate(value, why=SPREAD_OUT_OF_RANGE)
        spread = assumptions.of(part, question).spread([combined((indexes, slopes))], 1)
        if isinstance(spread, str):
            return Estimate(value, why=spread)
        stderr = float(spread.stderrs[0])
        return about(value, stderr, spread.quantile(level), loss.reading.interval == "log", spread.law)


def _status(
    question: Question,
    value: float,
    odd: Odd,
    model: str,
    settings: Settings,
    rows: int,
    weight_sum: float | None,
) -> tuple[CellStatus, str | None]:
    """Return the status of a value, and for one that is no plain number the reason."""
    if math.isfinite(value):
        return "ok", None
    if not rows:
        return "empty", "no rows"
    if weight_sum == 0.0:
        return "empty", "the weights sum to zero"
    sign = "-" if value < 0 else "+"
    word = "undefined" if math.isnan(value) else f"{sign}infinity"
    status: CellStatus = "undefined" if math.isnan(value) else "infinite"
    if odd.row != NEVER:
        count = "1 row" if odd.count == 1 else f"{odd.count} rows"
        return status, f"{word}: {count}, the first at {settings.where(model, odd.row)}"
    if math.isnan(value):
        return (
            status,
            "needs rows of both kinds"
            if question.loss.keeps != "moments" and question.loss.reading is MEAN
            else question.loss.reading.undefined,
        )
    return status, f"{word}: out of the range of float64"


def is_rough(cell: Cell, question: Question, units: int) -> bool:
    """Whether an interval is known by simulation to hold the truth clearly less often than it says.

    So it does below 30 independent rows or clusters, and for means of large losses in few rows: those whose standard
    error is more than a fifth of the value, a tenth for a root of a mean.
    """
    if cell.interval is None or cell.stderr is None:
        return False
    if units < FEW:
        return True
    share = {"mean": LARGE_SHARE, "root of a mean": 0.5 * LARGE_SHARE}.get(question.loss.reading.name)
    positive = question.loss.direction == "min" and question.loss.best == 0.0
    return share is not None and positive and cell.stderr > share * abs(cell.value)
