"""Differences: couples of models on the same rows, one loss over one part of them, before any correction."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lossctl.core.design import Design
from lossctl.core.report import Cell
from lossctl.core.tally import means
from lossctl.engine.assume import Assumptions
from lossctl.engine.part import Part
from lossctl.engine.plan import Couple, Plan, Question
from lossctl.engine.tally import Tally
from lossctl.numerics.array import Array
from lossctl.numerics.exact import SHIFT, ratio
from lossctl.stats import quantile, replicates
from lossctl.stats.contrast import Contrast, combined, skewness, slopes_at
from lossctl.stats.estimate import Why
from lossctl.stats.spread import Spread, from_scores

ROWS_PER_SKEW: Final = 25.0  # rows for each square of the skewness, below which a mean is not near normal (Cochran)
NEARLY: Final = 1e-6  # share of the values below which a difference of them has lost too many digits
ROUNDING: Final = 4.0 * 2.0**-52  # share of the values below which a spread of row differences is rounding
ALIKE: Final = "the predictions are the same in every row"
NO_MAXIMUM: Final = "a maximum has no interval"
NO_SAMPLE: Final = "no closed form for a statistic of all values; --ci-method bootstrap has one"
NOT_FINITE: Final = "the value of {} is not finite"


@dataclass(frozen=True)
class Difference:
    """One difference: its spread and two-sided p-value, or why there are none; `guard` says why no verdict is safe."""

    stderr: float | None = None
    interval: tuple[float, float] | None = None
    method: str | None = None
    p: float | None = None
    skew: float | None = None
    units: int | None = None
    guard: str | None = None
    why: str | None = None

    @property
    def score(self) -> float:
        """The difference in standard errors, 0 where there are none."""
        if self.interval is None or not self.stderr:
            return 0.0
        return (0.5 * self.interval[0] + 0.5 * self.interval[1]) / self.stderr


@dataclass(frozen=True)
class Family:
    """The differences of one loss over one part, with what joins them."""

    part: Part
    question: Question
    found: tuple[Difference, ...]
    spread: Spread | None = None


def orientation(direction: str, value: float) -> float:
    """Return the sign with which a value counts: that which makes it its absolute value where that is judged."""
    return math.copysign(1.0, value) if direction == "zero" else 1.0


class Differences:
    """What turns the sums of one tally into differences."""

    def __init__(self, tally: Tally, plan: Plan, assumptions: Assumptions) -> None:
        self.tally, self.plan, self.assumptions = tally, plan, assumptions
        assert plan.design is not None
        self.design: Design = plan.design

    def contrast(self, part: Part, question: Question, couple: Couple, of_base: float, of_own: float) -> Contrast | str:
        """Return `of_own` times the candidate's value plus `of_base` times the baseline's, as slopes.

        It is taken on the baseline's quantities and on the differences from them, so that what is common to both
        models costs no digits. Says why where a slope is not finite.
        """
        base, own = couple
        reading, weighted = question.loss.reading, self.plan.weighted
        columns = {model: self.plan.indexes(model, question) for model in couple}
        view = self.assumptions.view(part)
        slopes = {model: slopes_at(reading, means(view, columns[model], weighted)) for model in couple}
        own_slopes, base_slopes = slopes[own], slopes[base]
        if own_slopes is None or base_slopes is None:
            return Why.SPREAD.words
        apart = [of_own * slope for slope in own_slopes]
        rest = [mine + of_base * theirs for mine, theirs in zip(apart, base_slopes, strict=True)]
        return combined((self.plan.indexes(own, question, base), apart), (columns[base], rest))

    def apart(self, part: Part, question: Question, couple: Couple, cells: Mapping[str, Cell]) -> float:
        """Return candidate - baseline, of absolute values where these are judged.

        Where the values nearly agree it is taken from the sums of the rows' differences, along the mean of both
        slopes, which is right to the third power of the difference.
        """
        base, own = (cells[model].value for model in couple)
        signs = [orientation(question.loss.direction, value) for value in (base, own)]
        apart = signs[1] * own - signs[0] * base
        near = abs(apart) <= NEARLY * max(abs(base), abs(own)) and signs[0] == signs[1]
        if not near or question.loss.keeps != "moments" or not part.view.rows:
            return apart
        weighted, reading, view = self.plan.weighted, question.loss.reading, part.view
        columns = [self.plan.indexes(model, question) for model in couple]
        left, right = (slopes_at(reading, means(view, indexes, weighted)) for indexes in columns)
        if left is None or right is None or any(view.odd[i] for indexes in columns for i in indexes):
            return apart
        whole = view.total_units(0) if weighted else view.rows << SHIFT
        moved = (ratio(view.total_units(i), whole) for i in self.plan.indexes(couple[1], question, couple[0]))
        along = (0.5 * before + 0.5 * after for before, after in zip(left, right, strict=True))
        return signs[1] * sum(slope * move for slope, move in zip(along, moved, strict=True))

    def family(self, part: Part, question: Question, cells: Mapping[str, Cell]) -> Family:
        """Return the differences of all couples."""
        whys = [self._no_difference(couple, cells) for couple in self.design.pairs]
        if self.design.level is None:
            return Family(part, question, tuple(Difference(why=why) for why in whys))
        if self.design.method == "bootstrap" and question.loss.keeps != "peak":
            return self._resampled(part, question, cells, whys)
        if question.loss.keeps == "sample":
            return Family(
                part, question, tuple(self._ordered(part, question, c, cells, w) for c, w in self._each(whys))
            )
        if question.loss.keeps == "peak" or question.loss.reading.interval == "none":
            return Family(part, question, tuple(Difference(why=why or NO_MAXIMUM) for why in whys))
        return self._summed(part, question, cells, whys)

    def _each(self, whys: Sequence[str | None]) -> Iterator[tuple[Couple, str | None]]:
        return iter(zip(self.design.pairs, whys, strict=True))

    def _no_difference(self, couple: Couple, cells: Mapping[str, Cell]) -> str | None:
        """Say why there can be no test of a couple at all."""
        for model in couple:
            if cells[model].status != "ok":
                return cells[model].reason if cells[model].status == "empty" else NOT_FINITE.format(model)
        return ALIKE if couple not in self.tally.unlike else None

    def between(self, part: Part, question: Question, couple: Couple, cells: Mapping[str, Cell]) -> Contrast | str:
        """Return the contrast of a couple: candidate - baseline, of absolute values where these are judged."""
        base, own = (orientation(cells[model].direction, cells[model].value) for model in couple)
        return self.contrast(part, question, couple, -base, own)

    def _summed(self, part: Part, question: Question, cells: Mapping[str, Cell], whys: Sequence[str | None]) -> Family:
        """Return differences of functions of means, by the delta method."""
        made = [why or self.between(part, question, couple, cells) for couple, why in self._each(whys)]
        contrasts = [contrast for contrast in made if not isinstance(contrast, str)]
        tested = [
            couple for couple, contrast in zip(self.design.pairs, made, strict=True) if not isinstance(contrast, str)
        ]
        opposed: list[Contrast] = []
        if question.loss.direction == "zero":  # |a| < |b| only where a - b and a + b surely have opposite signs
            for couple in tested:
                base, own = (orientation("zero", cells[model].value) for model in couple)
                other = self.contrast(part, question, couple, base, own)
                opposed += [] if isinstance(other, str) else [other]
        if not contrasts:
            return Family(part, question, tuple(Difference(why=why) for why in made if isinstance(why, str)))
        joint = sum(base == self.design.baseline for base, _ in tested)
        spread = self.assumptions.of(part, question).spread([*contrasts, *opposed], joint)
        if isinstance(spread, str):
            return Family(part, question, tuple(Difference(why=why or spread) for why in whys))
        found = iter(
            self._tested(part, question, couple, cells, spread, place, place + len(contrasts) if opposed else None)
            for place, couple in enumerate(tested)
        )
        return Family(
            part,
            question,
            tuple(Difference(why=contrast) if isinstance(contrast, str) else next(found) for contrast in made),
            spread,
        )

    def _tested(
        self,
        part: Part,
        question: Question,
        couple: Couple,
        cells: Mapping[str, Cell],
        spread: Spread,
        place: int,
        opposed: int | None,
    ) -> Difference:
        assert self.design.level is not None
        stderr = float(spread.stderrs[place])
        apart = self.apart(part, question, couple, cells)
        size = max(abs(cells[model].value) for model in couple)
        skew = self._skew(part, question, couple, spread, place)
        if stderr * math.sqrt(spread.units) <= ROUNDING * size:
            return Difference(0.0, skew=skew, units=spread.units, guard=Why.NO_SPREAD.words, why=Why.NO_SPREAD.words)
        reach = spread.quantile(self.design.level) * stderr
        p = spread.tail(apart / stderr)
        if opposed is not None:
            together = sum(orientation("zero", cells[model].value) * cells[model].value for model in couple)
            other = float(spread.stderrs[opposed])
            p = max(p, spread.tail(together / other) if other > 0.0 else 0.0)
        if not math.isfinite(reach):
            return Difference(why=Why.RANGE.words)
        interval = (apart - reach, apart + reach)
        return Difference(stderr, interval, spread.law, p, skew, spread.units, self._guard(skew, spread.units))

    def _skew(self, part: Part, question: Question, couple: Couple, spread: Spread, place: int) -> float | None:
        """Return the skewness of the difference, where the loss is a mean."""
        if spread.skews is None or not question.one_mean:
            return self._row_skew(part, question, couple)
        skew = float(spread.skews[place])
        return skew if math.isfinite(skew) else None

    def _row_skew(self, part: Part, question: Question, couple: Couple) -> float | None:
        """Return the skewness of the row differences, where the loss is a mean."""
        if not question.one_mean:
            return None
        skew = skewness(part.view, self.plan.indexes(couple[1], question, couple[0])[0])
        return skew if math.isfinite(skew) else None

    def _guard(self, skew: float | None, units: int) -> str | None:
        """Say why no verdict is to be had from so few and so skewed differences (Cochran 1977, 2.15)."""
        needed = ROWS_PER_SKEW * skew * skew if skew is not None else 0.0
        if units < needed:
            what = "clusters" if self.design.cluster is not None else "rows"
            return f"skewed: {units} {what}, {math.ceil(needed)} are needed for a skewness of {skew:.3g}"
        return None

    def _ordered(
        self, part: Part, question: Question, couple: Couple, cells: Mapping[str, Cell], why: str | None
    ) -> Difference:
        """Return the difference of two quantiles."""
        level = self.design.level
        assert level is not None
        base, own = couple
        ends = cells[base].interval, cells[own].interval
        if why is not None or question.loss.quantile is None:
            return Difference(why=why or NO_SAMPLE)
        if ends[0] is None or ends[1] is None:
            return Difference(why=cells[base].interval_reason or cells[own].interval_reason)
        places = self.plan.whole(base, question), self.plan.whole(own, question)
        left, right = self.assumptions.samples.aligned(question, places, part.group)
        centres = cells[base].value, cells[own].value
        widths = ends[0][1] - ends[0][0], ends[1][1] - ends[1][0]
        stderr = quantile.paired_stderr(left[0], right[0], left[1], centres, widths, level)
        apart = self.apart(part, question, couple, cells)
        if stderr <= ROUNDING * max(map(abs, centres)):
            return Difference(0.0, guard=Why.NO_SPREAD.words, why=Why.NO_SPREAD.words)
        spread = Spread(np.array([stderr]), np.eye(1), None, left.shape[1])
        reach = spread.quantile(level) * stderr
        return Difference(
            stderr, (apart - reach, apart + reach), "order", spread.tail(apart / stderr), units=spread.units
        )

    def _resampled(
        self, part: Part, question: Question, cells: Mapping[str, Cell], whys: Sequence[str | None]
    ) -> Family:
        """Return differences in bootstrap replicates, the same rows for every model."""
        assert self.design.level is not None
        direction = question.loss.direction
        drawn: dict[str, Array] = {}
        for model in {model for couple, why in self._each(whys) if why is None for model in couple}:
            values = self.assumptions.replicates(question, model, part)
            drawn[model] = np.abs(values) if direction == "zero" else values
        found = [
            Difference(why=why) if why is not None else self._replicated(part, question, couple, drawn)
            for couple, why in self._each(whys)
        ]
        joint = [
            drawn[couple[1]] - drawn[couple[0]]
            for couple, each in zip(self.design.pairs, found, strict=True)
            if couple[0] == self.design.baseline and each.p is not None
        ]
        if not joint:
            return Family(part, question, tuple(found))
        scores = np.stack([values - np.mean(values) for values in joint])
        share = 1.0 / (self.design.resamples - 1)
        return Family(part, question, tuple(found), from_scores(scores, share, part.view.live, None, len(joint)))

    def _replicated(self, part: Part, question: Question, couple: Couple, drawn: Mapping[str, Array]) -> Difference:
        """Return the difference of one couple from its replicates."""
        assert self.design.level is not None
        values = drawn[couple[1]] - drawn[couple[0]]
        fault = replicates.fault(values)
        if fault is not None:
            guard = fault if fault == Why.NO_SPREAD.words else None
            return Difference(0.0 if guard else None, guard=guard, why=fault)
        skew = self._row_skew(part, question, couple) if self.assumptions.independent else None
        interval, p = replicates.ends(values, self.design.level), replicates.two_sided(values)
        units = self.assumptions.units(part, question)
        guard = self._guard(skew, units)
        return Difference(replicates.stderr(values), interval, replicates.METHOD, p, skew, units, guard)
