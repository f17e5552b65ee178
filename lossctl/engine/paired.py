"""Differences: couples of models on the same rows, one loss over one part of them, before any correction."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lossctl.core.statistic import means
from lossctl.engine.plan import Couple, Design, Plan, Question
from lossctl.engine.reduce import RunState
from lossctl.engine.scope import Assumptions, Scope
from lossctl.errors import listed
from lossctl.numerics.array import Array
from lossctl.numerics.exact import SHIFT, ratio
from lossctl.results.report import BestSet, Cell, Comparison, Outcome
from lossctl.stats import estimate, multiple, quantile, spread
from lossctl.stats.contrast import Contrast, combined, skewness, slopes_at
from lossctl.stats.estimate import ENDS_OUT_OF_RANGE, NO_SPREAD, SPREAD_OUT_OF_RANGE
from lossctl.stats.spread import Series, Spread, autocorrelation, from_scores
from lossctl.stats.student import normal_quantile

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

    part: Scope
    question: Question
    found: tuple[Difference, ...]
    spread: Spread | None = None


def orientation(direction: str, value: float) -> float:
    """Return the sign with which a value counts: that which makes it its absolute value where that is judged."""
    return math.copysign(1.0, value) if direction == "zero" else 1.0


class Differences:
    """What turns the sums of one tally into differences."""

    def __init__(self, tally: RunState, plan: Plan, assumptions: Assumptions) -> None:
        self.tally, self.plan, self.assumptions = tally, plan, assumptions
        assert plan.design is not None
        self.design: Design = plan.design

    def contrast(
        self, part: Scope, question: Question, couple: Couple, of_base: float, of_own: float
    ) -> Contrast | str:
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
            return SPREAD_OUT_OF_RANGE
        apart = [of_own * slope for slope in own_slopes]
        rest = [mine + of_base * theirs for mine, theirs in zip(apart, base_slopes, strict=True)]
        return combined((self.plan.indexes(own, question, base), apart), (columns[base], rest))

    def apart(self, part: Scope, question: Question, couple: Couple, cells: Mapping[str, Cell]) -> float:
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

    def family(self, part: Scope, question: Question, cells: Mapping[str, Cell]) -> Family:
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

    def between(self, part: Scope, question: Question, couple: Couple, cells: Mapping[str, Cell]) -> Contrast | str:
        """Return the contrast of a couple: candidate - baseline, of absolute values where these are judged."""
        base, own = (orientation(cells[model].direction, cells[model].value) for model in couple)
        return self.contrast(part, question, couple, -base, own)

    def _summed(self, part: Scope, question: Question, cells: Mapping[str, Cell], whys: Sequence[str | None]) -> Family:
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
        part: Scope,
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
            return Difference(0.0, skew=skew, units=spread.units, guard=NO_SPREAD, why=NO_SPREAD)
        reach = spread.quantile(self.design.level) * stderr
        p = spread.tail(apart / stderr)
        if opposed is not None:
            together = sum(orientation("zero", cells[model].value) * cells[model].value for model in couple)
            other = float(spread.stderrs[opposed])
            p = max(p, spread.tail(together / other) if other > 0.0 else 0.0)
        if not math.isfinite(reach):
            return Difference(why=ENDS_OUT_OF_RANGE)
        interval = (apart - reach, apart + reach)
        return Difference(stderr, interval, spread.law, p, skew, spread.units, self._guard(skew, spread.units))

    def _skew(self, part: Scope, question: Question, couple: Couple, spread: Spread, place: int) -> float | None:
        """Return the skewness of the difference, where the loss is a mean."""
        if spread.skews is None or not question.one_mean:
            return self._row_skew(part, question, couple)
        skew = float(spread.skews[place])
        return skew if math.isfinite(skew) else None

    def _row_skew(self, part: Scope, question: Question, couple: Couple) -> float | None:
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
        self, part: Scope, question: Question, couple: Couple, cells: Mapping[str, Cell], why: str | None
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
            return Difference(0.0, guard=NO_SPREAD, why=NO_SPREAD)
        spread = Spread(np.array([stderr]), np.eye(1), None, left.shape[1])
        reach = spread.quantile(level) * stderr
        return Difference(
            stderr, (apart - reach, apart + reach), "order", spread.tail(apart / stderr), units=spread.units
        )

    def _resampled(
        self, part: Scope, question: Question, cells: Mapping[str, Cell], whys: Sequence[str | None]
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

    def _replicated(self, part: Scope, question: Question, couple: Couple, drawn: Mapping[str, Array]) -> Difference:
        """Return the difference of one couple from its replicates."""
        assert self.design.level is not None
        values = drawn[couple[1]] - drawn[couple[0]]
        fault = estimate.fault(values)
        if fault is not None:
            guard = fault if fault == NO_SPREAD else None
            return Difference(0.0 if guard else None, guard=guard, why=fault)
        skew = self._row_skew(part, question, couple) if self.assumptions.independent else None
        interval, p = estimate.ends(values, self.design.level), estimate.two_sided(values)
        units = self.assumptions.units(part, question)
        guard = self._guard(skew, units)
        return Difference(estimate.stderr(values), interval, estimate.BOOTSTRAP, p, skew, units, guard)


NO_SHARE = "a share of a quantile has no interval; give an absolute tolerance"


class Weighed:
    """Paired confidence bounds of the candidates of one comparison, as the gate asks for them."""

    def __init__(self, differences: Differences, parts: Sequence[Scope], cells: Sequence[Cell]) -> None:
        self._differences = differences
        self._parts = {tuple(part.chosen.items()): part for part in parts}
        self._questions = {question.label: question for question in differences.plan.questions}
        self._cells = {(tuple(cell.slice.items()), cell.loss, cell.model): cell for cell in cells}
        self._found: dict[tuple[str, str, tuple[tuple[str, str], ...]], Difference] = {}

    def bounds(
        self, model: str, loss: str, chosen: Mapping[str, str], tolerance: float, relative: bool, level: float
    ) -> tuple[float, float] | str:
        """Return the interval of (worsening - tolerance), or the reason why there is no evidence.

        A relative tolerance is a share r of |baseline|, and the interval that of a linear contrast: of squares for a
        root of a mean, B² - (1 + r)² A², whose sign decides as that of B - (1 + r) A would.
        """
        part, question = self._parts[tuple(chosen.items())], self._questions[loss]
        couple = self._differences.design.baseline, model
        cells = self._of(part, question)
        found = self._difference(part, question, model)
        worse = self._differences.apart(part, question, couple, cells) * (
            -1.0 if question.loss.direction == "max" else 1.0
        )
        size = tolerance * (abs(cells[couple[0]].value) if relative else 1.0)
        if found.why == ALIKE:
            return -size, -size
        if found.why is not None:
            return found.why
        if question.loss.keeps == "sample":
            if relative and tolerance:
                return NO_SHARE
            reach = normal_quantile(level) * (found.stderr or 0.0)
            return worse - size - reach, worse - size + reach
        if question.loss.keeps == "peak" or question.loss.reading.interval == "none":
            return NO_MAXIMUM
        if question.loss.direction == "zero":
            return self._of_sizes(part, question, couple, cells, tolerance, relative, level)
        base = cells[couple[0]].value
        sign = -1.0 if question.loss.direction == "max" else 1.0
        share = math.copysign(tolerance, base) if relative else 0.0
        if relative and question.loss.reading.name == "root of a mean":
            return self._of_squares(part, question, couple, cells, tolerance, level)
        contrast = self._differences.contrast(part, question, couple, -sign - share, sign)
        return self._about(part, question, contrast, worse - size, _largest(cells, couple), level)

    def guarded(self, model: str, loss: str, chosen: Mapping[str, str]) -> str | None:
        """Return why these rows cannot support a `pass`, None where they can."""
        part, question = self._parts[tuple(chosen.items())], self._questions[loss]
        return self._difference(part, question, model).guard

    def _of(self, part: Scope, question: Question) -> dict[str, Cell]:
        words = tuple(part.chosen.items())
        return {model: self._cells[words, question.label, model] for model in self._differences.plan.models}

    def _difference(self, part: Scope, question: Question, model: str) -> Difference:
        """Return the difference of a candidate from the baseline, each family worked out once."""
        words = tuple(part.chosen.items())
        if (model, question.label, words) not in self._found:
            family = self._differences.family(part, question, self._of(part, question))
            for (_, candidate), found in zip(self._differences.design.pairs, family.found, strict=True):
                self._found[candidate, question.label, words] = found
        return self._found[model, question.label, words]

    def _about(
        self,
        part: Scope,
        question: Question,
        contrast: Contrast | str,
        value: float,
        size: float,
        level: float,
    ) -> tuple[float, float] | str:
        """Return the interval of one contrast about its value, which is made of values of some size."""
        if isinstance(contrast, str):
            return contrast
        spread = self._differences.assumptions.of(part, question).spread([contrast], 1)
        if isinstance(spread, str):
            return spread
        stderr = float(spread.stderrs[0])
        if stderr * math.sqrt(spread.units) <= ROUNDING * size:
            return NO_SPREAD
        reach = spread.quantile(level) * stderr
        return value - reach, value + reach

    def _of_squares(
        self,
        part: Scope,
        question: Question,
        couple: Couple,
        cells: Mapping[str, Cell],
        tolerance: float,
        level: float,
    ) -> tuple[float, float] | str:
        """Return the interval of B² - (1 + r)² A², the difference of the means under the roots."""
        plan, (base, own) = self._differences.plan, couple
        times = (1.0 + tolerance) ** 2
        columns = plan.indexes(own, question, base), plan.indexes(base, question)
        contrast = combined((columns[0], [1.0]), (columns[1], [1.0 - times]))
        value = cells[own].value ** 2 - times * cells[base].value ** 2
        return self._about(part, question, contrast, value, _largest(cells, couple) ** 2, level)

    def _of_sizes(
        self,
        part: Scope,
        question: Question,
        couple: Couple,
        cells: Mapping[str, Cell],
        tolerance: float,
        relative: bool,
        level: float,
    ) -> tuple[float, float] | str:
        """Return bounds of |B| - (1 + r)|A| - t, whatever the signs: |B| is the larger of B and -B, as |A| is."""
        base, own = couple
        times = 1.0 + tolerance if relative else 1.0
        size = 0.0 if relative else tolerance
        a, b = cells[base].value, cells[own].value
        sides = orientation("zero", a), orientation("zero", b)
        ends: list[tuple[float, float]] = []
        for of_base, of_own in ((1.0, sides[1]), (-1.0, sides[1]), (sides[0], 1.0), (sides[0], -1.0)):
            contrast = self._differences.contrast(part, question, couple, -times * of_base, of_own)
            found = self._about(
                part, question, contrast, of_own * b - times * of_base * a - size, _largest(cells, couple), level
            )
            if isinstance(found, str):
                return found
            ends.append(found)
        return min(ends[0][0], ends[1][0]), max(ends[2][1], ends[3][1])


def _largest(cells: Mapping[str, Cell], couple: Couple) -> float:
    return max(abs(cells[model].value) for model in couple)


POWER: Final = 0.8


@dataclass(frozen=True)
class Compared:
    """All comparisons of one run, the model confidence sets, the correction in words, and what to beware of.

    drawn: whether random numbers had a part in them.
    """

    comparisons: tuple[Comparison, ...]
    best_sets: tuple[BestSet, ...]
    correction: str
    drawn: bool
    warnings: tuple[str, ...]


def compare(maker: Differences, parts: Sequence[Scope], cells: Sequence[Cell]) -> Compared:
    """Compare all couples; `cells` are those of the parts, in order."""
    design, plan = maker.design, maker.plan
    by_place = {(tuple(cell.slice.items()), cell.loss, cell.model): cell for cell in cells}
    families, rows = [], []
    for part in parts:
        for question in plan.questions:
            mine = {m: by_place[tuple(part.chosen.items()), question.label, m] for m in plan.models}
            families.append(maker.family(part, question, mine))
            rows.append(mine)
    found = [
        _comparison(maker, family, difference, couple, mine, p)
        for family, mine, adjusted in zip(families, rows, adjusted_p(families, design), strict=True)
        for couple, difference, p in zip(design.pairs, family.found, adjusted, strict=True)
    ]
    asked = zip(families, rows, strict=True) if design.all_pairs else ()
    sets = [best_set(family, mine, plan, design) for family, mine in asked]
    return Compared(
        tuple(found),
        tuple(each for each in sets if each is not None),
        correction(design, families),
        design.level is not None and len(design.pairs) > 1,
        tuple(_warnings(maker, families, rows)),
    )


def correction(design: Design, families: Sequence[Family]) -> str:
    """Name how p-values are adjusted."""
    tested = [family for family in families if any(found.p is not None for found in family.found)]
    words = []
    if len(design.pairs) > 1 and tested:
        apart = dict.fromkeys(family.question.label for family in tested if not _joined(family, design))
        words.append(f"max-T over {len(design.pairs)} {'couples of models' if design.all_pairs else 'models'}")
        words[0] += f" (Bonferroni for {listed(list(apart))})" if apart else ""
    if len(tested) > 1:
        words.append(f"Holm over {len(tested)} losses and slices")
    return ", ".join(words) or "none"


def _joined(family: Family, design: Design) -> bool:
    """Whether the differences of a family have a joint law."""
    return covariance(family, design) is not None and family.question.loss.direction != "zero"


def _comparison(
    maker: Differences, family: Family, found: Difference, couple: Couple, cells: Mapping[str, Cell], p: float | None
) -> Comparison:
    design = maker.design
    base, own = (cells[model] for model in couple)
    apart = maker.apart(family.part, family.question, couple, cells)
    size = abs(base.value)
    significant = p is not None and design.level is not None and p <= 1.0 - design.level
    outcome: Outcome = "undecided"
    if significant and found.guard is None:
        outcome = "better" if (apart < 0.0) == (own.direction != "max") else "worse"
    detectable, needed = None, None
    if found.stderr and design.level is not None and design.effect is not None:
        detectable = (normal_quantile(design.level) + normal_quantile(2.0 * POWER - 1.0)) * found.stderr
        effect = design.effect.amount * (size if design.effect.relative else 1.0)
        times = detectable / effect if effect > 0.0 else math.inf
        rows = family.part.view.live * times * times  # a power would raise where a product is infinite
        needed = math.ceil(rows) if math.isfinite(rows) else None
    return Comparison(
        baseline=couple[0],
        candidate=couple[1],
        loss=own.loss,
        spec=own.spec,
        slice=own.slice,
        rows=own.rows,
        clusters=found.units if design.cluster is not None else None,
        baseline_value=base.value,
        value=own.value,
        difference=apart,
        relative=apart / size if size > 0.0 and math.isfinite(apart) else None,
        stderr=found.stderr,
        interval=found.interval,
        level=design.level if found.interval else None,
        method=found.method,
        p=found.p,
        adjusted=p,
        skew=found.skew,
        verdict=outcome,
        reason=found.why or (found.guard if significant else _at_floor(design, found)),
        direction=own.direction,
        unit=own.unit,
        detectable=detectable,
        needed=needed,
    )


def _at_floor(design: Design, found: Difference) -> str | None:
    """Say that the resamples are too few, where none of them contradicts a difference that is not shown."""
    if found.method != "bootstrap" or found.p is None or found.p > 2.0 / (design.resamples + 1):
        return None
    return f"{design.resamples} resamples show no p-value below {found.p:.2g}; take more (--resamples)"


def adjusted_p(families: Sequence[Family], design: Design) -> list[list[float | None]]:
    """Adjust p-values by max-T within families and by Holm across them."""
    within = [_within(family, design) for family in families]
    result: list[list[float | None]] = []
    for family, values in zip(families, multiple.holm(within), strict=True):
        left = iter(values)
        result.append([None if found.p is None else next(left) for found in family.found])
    return result


def _within(family: Family, design: Design) -> list[float]:
    """Adjust p-values within one loss and part; by Bonferroni where there is no joint law."""
    tested = [(couple, found) for couple, found in zip(design.pairs, family.found, strict=True) if found.p is not None]
    p = [found.p for _, found in tested if found.p is not None]
    joint = covariance(family, design)
    if len(p) < 2:
        return p
    if joint is None or family.spread is None or not _joined(family, design):
        return [min(len(p) * own, 1.0) for own in p]
    models, whole = joint
    rows = np.zeros((len(tested), len(models)))
    for row, ((base, own), _) in zip(rows, tested, strict=True):
        row[models.index(own)], row[models.index(base)] = 1.0, -1.0
    among = rows @ whole @ rows.T
    length = np.sqrt(np.maximum(np.diagonal(among), np.finfo(float).tiny))
    correlation = np.clip(among / np.outer(length, length), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    scores = [found.score for _, found in tested]
    return multiple.max_t(scores, family.spread.freedom, p, correlation, design.seed)


def covariance(family: Family, design: Design) -> tuple[list[str], Array] | None:
    """Return all models, the baseline first, and the covariance of their differences from it.

    In units of the largest standard error, so that it stays in the float range; None where a model has no spread.
    """
    against = [
        (couple[1], found)
        for couple, found in zip(design.pairs, family.found, strict=True)
        if couple[0] == design.baseline
    ]
    tested = [place + 1 for place, (_, found) in enumerate(against) if found.p is not None]
    if family.spread is None or any(found.p is None and found.why != ALIKE for _, found in against):
        return None
    stderrs = family.spread.stderrs[: len(tested)]
    scale = stderrs / np.max(stderrs, initial=0.0)
    whole = np.zeros((len(against) + 1, len(against) + 1))
    whole[np.ix_(tested, tested)] = family.spread.correlation * np.outer(scale, scale)
    return [design.baseline, *(model for model, _ in against)], whole


def best_set(family: Family, cells: Mapping[str, Cell], plan: Plan, design: Design) -> BestSet | None:
    """Return the model confidence set of one loss over one part, None where some model has no spread."""
    joint = covariance(family, design)
    if joint is None or design.level is None or family.spread is None:
        return None
    models, whole = joint
    top = float(np.max(family.spread.stderrs[: len(family.spread.correlation)]))
    costs = [(cells[model].merit - cells[models[0]].merit) / top for model in models]
    p, kept = multiple.best_set(costs, whole, design.level, design.seed)
    by_model = dict(zip(models, p, strict=True))
    return BestSet(
        family.question.label,
        family.part.chosen,
        design.level,
        {model: by_model[model] for model in plan.models},
        tuple(model for model in plan.models if models.index(model) in kept),
    )


def _warnings(maker: Differences, families: Sequence[Family], rows: Sequence[Mapping[str, Cell]]) -> list[str]:
    """Say what makes intervals too narrow: few clusters, or rows in time that follow each other closely."""
    design = maker.design
    counted = [found.units for family in families for found in family.found if found.units is not None]
    few = counted if design.cluster is not None else []
    if few and min(few) < spread.FEW:
        return [f"as few as {min(few)} clusters: below {spread.FEW} intervals are somewhat too narrow"]
    if design.time is None or design.horizon > 1 or design.level is None:
        return []
    for family, cells in zip(families, rows, strict=True):
        if family.part.group is None and family.question.loss.keeps == "moments" and family.spread is not None:
            for couple, found in zip(design.pairs, family.found, strict=True):
                contrast = maker.between(family.part, family.question, couple, cells) if found.p is not None else ""
                inference = maker.assumptions.of(family.part, family.question)
                if isinstance(contrast, str) or not isinstance(inference, Series):
                    continue
                shared = autocorrelation(inference.scores([contrast])[0])
                if shared > max(spread.CORRELATED, 2.0 / math.sqrt(family.part.view.live)):
                    return [
                        f"differences follow each other closely ({family.question.label} of {couple[1]}: correlation "
                        f"{shared:.2f} with the row before), so p-values are too small; is the horizon longer than 1?"
                    ]
    return []
