"""Paired: differences between models on the same rows, their verdicts, and bounds of them for a gate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lossctl.core.state import SHIFT, means, ratio
from lossctl.core.statistic import MEAN, ROOT, ROUNDING, Statistic
from lossctl.engine.finish import NO_CLOSED_FORM, SETS_IN_TIME, Assumptions, Scope
from lossctl.engine.plan import FIRST, Couple, Design, Question
from lossctl.errors import listed
from lossctl.numerics.array import Array
from lossctl.results.comparison import BestSet, Comparison, Outcome
from lossctl.results.report import Cell
from lossctl.stats import estimate, folded, multiple
from lossctl.stats.estimate import (
    ENDS_OUT_OF_RANGE,
    NO_SPREAD,
    ONE_ROW,
    ONE_SET,
    SKEWED,
    SPREAD_OUT_OF_RANGE,
    Contrast,
    combined,
    skewness,
    slopes_at,
)
from lossctl.stats.spread import CORRELATED, FEW, Series, Spread, autocorrelation, from_scores
from lossctl.stats.student import Shape, normal_quantile, normal_score, normal_tail

BENT: Final = 1e-10  # share of the values by which slopes may differ along a difference that is taken from them
NEARLY: Final = 1e-6  # share of the values below which a difference of them has lost too many digits
POWER: Final = 0.8
DECISIONS: Final = ("zero_one", "accuracy")  # losses whose rows are 0 or 1
ALIKE: Final = "the predictions are the same in every row"
LEAST_UNITS: Final = 10  # clusters, or spans of a horizon, below which nothing is decided by statistics
NO_MAXIMUM: Final = "a maximum has no interval"
NO_SAMPLE: Final = "no closed form for a statistic of all values; --ci-method bootstrap has one"
DECIDED_OTHERWISE: Final = (
    "no closed form for a statistic of all values; compare --ci-method bootstrap has an interval, and --decide point "
    "decides by the values"
)
SHARE: Final = "1 (between 0 and 1)"  # which changes in steps, as decisions do
AGREEMENT: Final = "score", "1 (between -1 and 1)"  # family and unit of what is made of decisions or of ranks

# one loss --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contest:
    """One loss over all rows or one slice, with the cells of all models."""

    scope: Scope
    question: Question
    cells: Mapping[str, Cell]

    def values(self, couple: Couple) -> tuple[float, float]:
        """Return the values of the baseline and the candidate."""
        return self.cells[couple[0]].value, self.cells[couple[1]].value

    def signs(self, couple: Couple) -> tuple[float, float]:
        """Return the signs with which the values count: those that make them absolute where these are judged."""
        if self.question.loss.direction != "zero":
            return 1.0, 1.0
        base, candidate = self.values(couple)
        return math.copysign(1.0, base), math.copysign(1.0, candidate)

    def size(self, couple: Couple) -> float:
        """Return the larger of the absolute values."""
        return max(map(abs, self.values(couple)))


@dataclass(frozen=True)
class Difference:
    """One difference: its spread and two-sided p-value, or why there are none; `guard` says why no verdict is safe.

    score: the difference in standard errors, less what skewness takes from it; 0 where there are none.
    """

    stderr: float | None = None
    interval: tuple[float, float] | None = None
    method: str | None = None
    p: float | None = None
    skew: float | None = None
    units: int | None = None
    guard: str | None = None
    why: str | None = None
    score: float = 0.0


@dataclass(frozen=True)
class Family:
    """The differences of one contest, couple by couple of the design, with their joint spread."""

    contest: Contest
    differences: tuple[Difference, ...]
    spread: Spread | None = None


class Differences:
    """The differences of models, before any correction for their number, from the state of one pass."""

    def __init__(self, assumptions: Assumptions) -> None:
        self.assumptions, self.state, self.plan = assumptions, assumptions.state, assumptions.plan
        assert assumptions.design is not None
        self.design: Design = assumptions.design

    def contrast(self, contest: Contest, couple: Couple, of_base: float, of_candidate: float) -> Contrast | str:
        """Return `of_candidate` times the candidate's value plus `of_base` times the baseline's, as slopes.

        It is taken on the baseline's quantities and on the differences from them, so that what is common to both
        models costs no digits. Says why where a slope is not finite.
        """
        question, view = contest.question, self.assumptions.view(contest.scope)
        indexes = [self.plan.indexes(model, question) for model in couple]
        base_slopes, slopes = (
            slopes_at(question.loss.statistic, means(view, columns, self.plan.weighted)) for columns in indexes
        )
        if slopes is None or base_slopes is None:
            return SPREAD_OUT_OF_RANGE
        by_difference = [of_candidate * slope for slope in slopes]
        by_base = [slope + of_base * other for slope, other in zip(by_difference, base_slopes, strict=True)]
        differences = self.plan.differences(couple, question)
        moved = [by_difference[place] for place in differences]
        return combined(([*differences.values()], moved), (indexes[0], by_base))

    def between(self, contest: Contest, couple: Couple) -> Contrast | str:
        """Return the contrast of a couple: candidate - baseline, of absolute values where these are judged."""
        base, candidate = contest.signs(couple)
        return self.contrast(contest, couple, -base, candidate)

    def of_ranks(self, contest: Contest, couple: Couple) -> Contrast:
        """Return the contrast by the one mean that models rank by, whose value is the difference of theirs, too.

        There is one by their values.
        """
        question, view, weighted = contest.question, self.assumptions.view(contest.scope), self.plan.weighted
        place = self.plan.differences(couple, question)[0]
        (gap,) = means(view, [place], weighted)
        if gap != 0.0:
            return {place: self.value(contest, couple) / float(gap)}
        slopes = slopes_at(question.loss.statistic, means(view, self.plan.indexes(couple[0], question), weighted))
        assert slopes is not None
        return {place: slopes[0]}

    def value(self, contest: Contest, couple: Couple) -> float:
        """Return candidate - baseline, of absolute values where these are judged.

        Where the values nearly agree, and their means do, it is taken from the sums of the rows' differences, along the
        mean of both slopes, which is right to the third power of the difference. Predictions that are a multiple of
        others have the correlation of these and other means.
        """
        (base, candidate), signs = contest.values(couple), contest.signs(couple)
        plain, size = signs[1] * candidate - signs[0] * base, max(abs(base), abs(candidate))
        near = abs(plain) <= NEARLY * size and signs[0] == signs[1]
        question, view, weighted = contest.question, contest.scope.view, self.plan.weighted
        if not near or question.loss.keeps != "moments" or not view.rows:
            return plain
        columns = [self.plan.indexes(model, question) for model in couple]
        before, after = (slopes_at(question.loss.statistic, means(view, indexes, weighted)) for indexes in columns)
        if before is None or after is None or any(view.odd[i] for indexes in columns for i in indexes):
            return plain
        total = view.total_units(0) if weighted else view.rows << SHIFT
        differences = {k: ratio(view.total_units(i), total) for k, i in self.plan.differences(couple, question).items()}
        bend = sum(abs((after[k] - before[k]) * difference) for k, difference in differences.items())
        if not bend <= BENT * size:
            return plain
        return signs[1] * sum((0.5 * before[k] + 0.5 * after[k]) * difference for k, difference in differences.items())

    def family(self, contest: Contest) -> Family:
        """Return the differences of all couples."""
        loss = contest.question.loss
        whys = {couple: self._no_difference(contest, couple) for couple in self.design.pairs}
        if self.design.level is None:
            return Family(contest, tuple(Difference(why=why) for why in whys.values()))
        if self.assumptions.bootstrap and loss.keeps != "peak":
            return self._resampled(contest, whys)
        if loss.influence is not None:
            return self._influenced(contest, whys)
        if loss.keeps == "sample":
            return Family(contest, tuple(self._ordered(contest, couple, why) for couple, why in whys.items()))
        if loss.keeps == "peak" or loss.statistic.interval == "none":
            return Family(contest, tuple(Difference(why=why or NO_MAXIMUM) for why in whys.values()))
        return self._summed(contest, whys)

    def _no_difference(self, contest: Contest, couple: Couple) -> str | None:
        """Say why there can be no test of a couple at all."""
        for model in couple:
            cell = contest.cells[model]
            if cell.status != "ok":
                return cell.reason if cell.status == "empty" else f"the value of {model} is not finite"
        return ALIKE if couple not in self.state.unlike else None

    def _summed(self, contest: Contest, whys: Mapping[Couple, str | None]) -> Family:
        """Return differences of functions of means, by the delta method."""
        outcomes = {couple: why or self.between(contest, couple) for couple, why in whys.items()}
        contrasts = {couple: outcome for couple, outcome in outcomes.items() if not isinstance(outcome, str)}
        sums: list[Contrast] = []
        if contest.question.loss.direction == "zero":  # |a| < |b| only where a - b and a + b surely differ in sign
            for couple in contrasts:
                total = self.contrast(contest, couple, *contest.signs(couple))
                sums += [] if isinstance(total, str) else [total]
        elif contest.question.loss.statistic.ranks:
            sums, contrasts = [*contrasts.values()], {c: self.of_ranks(contest, c) for c in contrasts}
        spread: Spread | str = SPREAD_OUT_OF_RANGE
        if contrasts:
            joint = sum(base == self.design.baseline for base, _ in contrasts)
            spread = self.assumptions.of(contest.scope, contest.question).spread([*contrasts.values(), *sums], joint)
        if contest.question.loss.statistic.interval == "folded" and not isinstance(spread, str):
            spread = spread._replace(stderrs=spread.stderrs * [self.folding(contest, couple) for couple in contrasts])
        faults = {couple: outcome if isinstance(outcome, str) else None for couple, outcome in outcomes.items()}
        return self._tested(contest, faults, spread, bool(sums))

    def folding(self, contest: Contest, couple: Couple) -> float:
        """Return what folding leaves of the standard error of a difference of sums of absolute means."""
        view, inference = self.assumptions.view(contest.scope), self.assumptions.of(contest.scope, contest.question)
        variance = folded_variance = 0.0
        for model in couple:
            indexes = self.plan.indexes(model, contest.question)
            errors = inference.spread([{index: 1.0} for index in indexes], 0)
            if isinstance(errors, str):
                return 1.0
            parts = np.abs(np.array(means(view, indexes, self.plan.weighted)))
            variance += float(np.add.reduce(errors.stderrs**2))
            folded_variance += float(folded.spread(parts[:, np.newaxis], errors.stderrs[:, np.newaxis])[0])
        return math.sqrt(folded_variance / variance) if variance > 0.0 else 1.0

    def _influenced(self, contest: Contest, whys: Mapping[Couple, str | None]) -> Family:
        """Return differences of statistics of all values, by the influence of the rows on both."""
        couples = [couple for couple, why in whys.items() if why is None]
        spread = self.influence_spread(contest, [(couple, -1.0, 1.0) for couple in couples]) if couples else ALIKE
        return self._tested(contest, whys, spread)

    def influence_spread(self, contest: Contest, terms: Sequence[tuple[Couple, float, float]]) -> Spread | str:
        """Return the spread of combinations of two values: a couple, a factor of the baseline's and the candidate's."""
        samples, question = self.assumptions.samples, contest.question
        models = dict.fromkeys(model for couple, _, _ in terms for model in couple)
        influences = {model: samples.influences(model, question, contest.scope) for model in models}
        joint = sum(couple[0] == self.design.baseline for couple, _, _ in terms)
        scores = np.stack([a * influences[base] + b * influences[candidate] for (base, candidate), a, b in terms])
        if scores.shape[1] < 2:
            return ONE_ROW
        rows = np.empty((0, 0))
        if not self.assumptions.independent:
            rows = samples.unsorted(self.design.baseline, question, contest.scope)
        return self.assumptions.of_influences(scores, question, rows, joint)

    def _tested(
        self, contest: Contest, whys: Mapping[Couple, str | None], spread: Spread | str, has_sums: bool = False
    ) -> Family:
        """Return the differences with their spread, or why there is none. has_sums: sums of values follow in it."""
        if isinstance(spread, str):
            return Family(contest, tuple(Difference(why=why or spread) for why in whys.values()))
        couples = [couple for couple, why in whys.items() if why is None]
        tested = {
            couple: self._test(contest, couple, spread, place, place + len(couples) if has_sums else None)
            for place, couple in enumerate(couples)
        }
        differences = (tested[couple] if why is None else Difference(why=why) for couple, why in whys.items())
        return Family(contest, tuple(differences), spread)

    def _test(
        self, contest: Contest, couple: Couple, spread: Spread, place: int, place_of_more: int | None
    ) -> Difference:
        assert self.design.level is not None
        value, stderr = self.value(contest, couple), float(spread.stderrs[place])
        if contest.question.loss.keeps == "moments":
            shape = self.shape(contest, couple)
        else:
            shape = shape_of_units(spread, place)
        skew = self._skew(contest, couple, shape) if spread.skews is None else finite(float(spread.skews[place]))
        if stderr * math.sqrt(spread.units) <= ROUNDING * contest.size(couple):
            return Difference(0.0, skew=skew, units=spread.units, guard=NO_SPREAD, why=NO_SPREAD)
        exact = self._discordant(contest, couple)
        quantile, laws = spread.quantile(self.design.level), [(stderr, shape)] * 2
        if contest.question.loss.statistic.ranks and place_of_more is not None:
            laws = self.laws_of_ranks(contest, couple, spread.stderrs[[place, place_of_more]])
        if not all(math.isfinite(quantile * error) for error, _ in laws):
            return Difference(why=ENDS_OUT_OF_RANGE)
        score = value / stderr
        plain = p = spread.tail(score)
        least = laws[0][1].size(score)
        corrected = max(p, spread.tail(least))
        reaches, method = [(-quantile, quantile)] * 2, spread.law
        if self.assumptions.corrects:
            p, score = corrected, math.copysign(least, score)
            reaches = [law.reach(quantile) for _, law in laws]
            method = method if set(reaches) == {(-quantile, quantile)} else SKEWED
        stderr = laws[1][0]
        interval = interval_of(value, [(error, reach) for (error, _), reach in zip(laws, reaches, strict=True)])
        if place_of_more is not None and contest.question.loss.direction == "zero":
            error = float(spread.stderrs[place_of_more])
            total = sum(map(abs, contest.values(couple)))
            p = max(p, spread.tail(total / error) if error > 0.0 else 0.0)
            # biases that may be of opposite signs differ in size by no more than their sum, nor than themselves
            least_sum = max(total - quantile * error, -max(map(abs, interval)))
            interval = min(interval[0], least_sum), max(interval[1], -least_sum)
        if exact is not None:
            plain = p = corrected = estimate.mcnemar(*exact)
        guard = self._guard(skew, (plain, corrected), spread.units)
        return Difference(stderr, interval, method, p, skew, spread.units, guard, score=score)

    def _discordant(self, contest: Contest, couple: Couple) -> tuple[int, int] | None:
        """Return in how many rows the baseline alone is wrong, and the candidate; None where no test of them is due."""
        question, view = contest.question, contest.scope.view
        if not tests_decisions(question, self.plan.weighted, self.assumptions):
            return None
        (place,) = self.plan.differences(couple, question).values()
        rows = view.product_units(place, place)
        if rows is None:
            return None
        unlike = ((rows >> (2 * SHIFT - 1)) + 1) >> 1  # whole numbers, but for what a block has rounded
        excess = ((view.total_units(place) >> (SHIFT - 1)) + 1) >> 1
        return (unlike - excess) // 2, (unlike + excess) // 2

    def shape(self, contest: Contest, couple: Couple) -> Shape:
        """Return the shape of a difference of values, absolute ones where these are judged."""
        return self._shape(contest, couple, contest.signs(couple), contest.question.loss.statistic)

    def laws_of_ranks(self, contest: Contest, couple: Couple, stderrs: Array) -> list[tuple[float, Shape]]:
        """Return the laws of a difference by the mean that models rank by, which is that of zero, and by the values."""
        sign = -1.0 if contest.question.loss.direction == "max" else 1.0  # of values that go up with the mean, or down
        of_zero = self._shape(contest, couple, (sign, sign), MEAN)
        return [(float(stderrs[0]), of_zero), (float(stderrs[1]), self.shape(contest, couple))]

    def _shape(self, contest: Contest, couple: Couple, signs: tuple[float, float], statistic: Statistic) -> Shape:
        question, view = contest.question, contest.scope.view
        if self.assumptions.independent and question.one_mean and view.live > FIRST:
            skew = skewness(view, self.plan.differences(couple, question)[0])
            return Shape.of_mean(signs[1] * skew, view.live)
        terms = {couple[0]: -signs[0], couple[1]: signs[1]}
        return self.assumptions.shape(contest.scope, question, terms, statistic)

    def _skew(self, contest: Contest, couple: Couple, shape: Shape) -> float | None:
        """Return the skewness of the row differences, where the loss is not one mean that of their influences."""
        if not contest.question.one_mean:
            return finite(float(shape.skew[0]))
        return finite(skewness(contest.scope.view, self.plan.differences(couple, contest.question)[0]))

    def _guard(self, skew: float | None, p: tuple[float, float], units: int) -> str | None:
        """Say why there is no verdict where a p-value shows a difference, but not once it is corrected for skewness."""
        plain, corrected = p
        if self.design.level is None or not plain <= 1.0 - self.design.level < corrected:
            return None
        return too_skewed(skew, units, "clusters" if self.design.cluster is not None else "rows")

    def _ordered(self, contest: Contest, couple: Couple, why: str | None) -> Difference:
        """Return the difference of two quantiles."""
        level, question = self.design.level, contest.question
        assert level is not None
        base, candidate = (contest.cells[model] for model in couple)
        if why is not None or question.loss.quantile is None:
            return Difference(why=why or (NO_SAMPLE if self.design.time is None else NO_CLOSED_FORM))
        if base.interval is None or candidate.interval is None:
            return Difference(why=base.interval_reason or candidate.interval_reason)
        first, second = self._unsorted(contest, couple)
        stderr = self.stderr_of_order(contest, couple, (base.interval, candidate.interval))
        value = self.value(contest, couple)
        if stderr <= ROUNDING * contest.size(couple):
            return Difference(0.0, guard=NO_SPREAD, why=NO_SPREAD)
        spread = Spread(np.array([stderr]), np.eye(1), None, first.shape[1])
        reach = spread.quantile(level) * stderr
        score = value / stderr
        interval = (value - reach, value + reach)
        p = spread.tail(score)
        if self.tied(contest, couple, (base.interval, candidate.interval)):
            (least, most), (low, high) = base.interval, candidate.interval
            interval = min(interval[0], low - most), max(interval[1], high - least)  # of all values in both
            tied = estimate.p_of_tied(first[0], second[0], first[1], question.loss.quantile)
            if tied > p:
                p, score = tied, math.copysign(normal_score(tied), value)
        return Difference(stderr, interval, "order", p, units=spread.units, score=score)

    def stderr_of_order(
        self, contest: Contest, couple: Couple, ends: Sequence[tuple[float, float]], times: float = 1.0
    ) -> float:
        """Return the standard error of the candidate's quantile less `times` the baseline's."""
        level = self.design.level
        assert level is not None
        first, second = self._unsorted(contest, couple)
        widths = times * (ends[0][1] - ends[0][0]), ends[1][1] - ends[1][0]
        return estimate.paired_stderr(first[0], second[0], first[1], contest.values(couple), widths, level)

    def _unsorted(self, contest: Contest, couple: Couple) -> list[Array]:
        """Return the lines of both models' samples, rows in the same order."""
        return [self.assumptions.samples.unsorted(model, contest.question, contest.scope) for model in couple]

    def tied(self, contest: Contest, couple: Couple, ends: Sequence[tuple[float, float]]) -> bool:
        """Whether values repeat about the quantile of a model."""
        samples = self.assumptions.samples
        return any(
            estimate.are_tied(samples.rows(model, contest.question, contest.scope)[:2], interval)
            for model, interval in zip(couple, ends, strict=True)
        )

    def _resampled(self, contest: Contest, whys: Mapping[Couple, str | None]) -> Family:
        """Return differences in bootstrap replicates, the same rows for every model."""
        replicates: dict[str, Array] = {}
        for model in {model for couple, why in whys.items() if why is None for model in couple}:
            values = self.assumptions.replicates(model, contest.question, contest.scope)
            replicates[model] = np.abs(values) if contest.question.loss.direction == "zero" else values
        differences = {
            couple: Difference(why=why) if why is not None else self._replicated(contest, couple, replicates)
            for couple, why in whys.items()
        }
        joint = [
            replicates[couple[1]] - replicates[couple[0]]
            for couple, difference in differences.items()
            if couple[0] == self.design.baseline and difference.p is not None
        ]
        if not joint:
            return Family(contest, tuple(differences.values()))
        scores = np.stack([values - np.mean(values) for values in joint])
        share = 1.0 / (self.design.resamples - 1)
        spread = from_scores(scores, share, contest.scope.view.live, None, len(joint))
        return Family(contest, tuple(differences.values()), spread)

    def _replicated(self, contest: Contest, couple: Couple, replicates: Mapping[str, Array]) -> Difference:
        """Return the difference of one couple from its replicates."""
        assert self.design.level is not None
        values = replicates[couple[1]] - replicates[couple[0]]
        fault = estimate.fault(values)
        if fault is not None:
            guard = fault if fault == NO_SPREAD else None
            return Difference(0.0 if guard else None, guard=guard, why=fault)
        interval, p = estimate.ends(values, self.design.level), estimate.two_sided(values)
        units = self.assumptions.units(contest.scope, contest.question)
        stderr = estimate.stderr(values)
        score, skew, corrected = self.value(contest, couple) / stderr, None, p
        if contest.question.has_shape:
            shape = self.shape(contest, couple)
            skew = self._skew(contest, couple, shape) if self.assumptions.independent else None
            corrected = max(p, normal_tail(float(shape.quantile(np.array([score]))[0])))
        guard = self._guard(skew, (p, corrected), units)
        return Difference(stderr, interval, estimate.BOOTSTRAP, p, skew, units, guard, score=score)


def interval_of(value: float, laws: Sequence[tuple[float, tuple[float, float]]]) -> tuple[float, float]:
    """Return the interval about a value from its standard error and reach if the truth is zero, and if it is the value.

    It holds zero as the first has it, and ends away from zero as the second has it. In between standard errors are at
    most those of the line between the two (Fieller 1954 has them where a ratio makes the line).
    """
    of_zero, of_value = ((stderr * low, stderr * high) for stderr, (low, high) in laws)
    if of_zero == of_value:
        return value + of_value[0], value + of_value[1]
    near, ends = (value + of_zero[0], of_value) if value >= 0.0 else (value + of_zero[1], of_value[::-1])
    if value * near > 0.0:
        near = value * (near / (near - ends[0]))
    far = value + ends[1]
    return min(near, far), max(near, far)


def tests_decisions(question: Question, weighted: bool, assumptions: Assumptions) -> bool:
    """Whether a loss is the share of wrong or right decisions in independent rows that count alike: McNemar's test."""
    return (
        question.loss.name in DECISIONS
        and question.loss.keeps == "moments"
        and question.one_mean
        and not weighted
        and assumptions.independent
        and assumptions.corrects
        and question.output is None
    )


def shape_of_units(spread: Spread, place: int) -> Shape:
    """Return the shape of a mean of the units' scores."""
    return Shape.of_mean(0.0 if spread.skews is None else float(spread.skews[place]), spread.units)


def finite(value: float) -> float | None:
    """Return a number, None for an infinity or NaN."""
    return value if math.isfinite(value) else None


def too_skewed(skew: float | None, units: int, noun: str) -> str:
    """Say why skewed differences show less than they seem to, and what would help."""
    return (
        f"skewed: few of {units} {noun} decide (skewness {skew or 0.0:.3g}), and with a correction for that no "
        f"difference is shown; take more {noun}, or a loss that few {noun} do not rule"
    )


# all losses ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compared:
    """All comparisons of one run, the model confidence sets, the correction in words, and warnings.

    random: whether random numbers had a part in them.
    """

    comparisons: tuple[Comparison, ...]
    best_sets: tuple[BestSet, ...]
    correction: str
    random: bool
    warnings: tuple[str, ...]


def contests(differences: Differences, scopes: Sequence[Scope], cells: Sequence[Cell]) -> list[Contest]:
    """Return one contest for each loss over each scope; `cells` are those of the scopes."""
    plan = differences.plan
    by_place = {(tuple(cell.slice.items()), cell.loss, cell.model): cell for cell in cells}
    return [
        Contest(scope, question, {model: by_place[scope.words, question.label, model] for model in plan.models})
        for scope in scopes
        for question in plan.questions
    ]


def compare(differences: Differences, all_contests: Sequence[Contest]) -> Compared:
    """Compare all couples in all contests."""
    design = differences.design
    families = [differences.family(contest) for contest in all_contests]
    comparisons = [
        _comparison(differences, family.contest, difference, couple, p)
        for family, adjusted in zip(families, adjusted_p(families, design), strict=True)
        for couple, difference, p in zip(design.pairs, family.differences, adjusted, strict=True)
    ]
    sets = [best_set(family, design) for family in families] if design.all_pairs else []
    return Compared(
        tuple(comparisons),
        tuple(entry for entry in sets if entry is not None),
        correction(design, families) + _tests(differences, families),
        design.level is not None and len(design.pairs) > 1,
        tuple(_warnings(differences, families)),
    )


def _tests(differences: Differences, families: Sequence[Family]) -> str:
    """Name the losses whose p-values are of McNemar's test."""
    weighted, assumptions = differences.plan.weighted, differences.assumptions
    labels = dict.fromkeys(
        family.contest.question.label
        for family in families
        if any(difference.p is not None for difference in family.differences)
        and tests_decisions(family.contest.question, weighted, assumptions)
    )
    return f"; {listed(list(labels))}: McNemar's exact test" if labels else ""


def correction(design: Design, families: Sequence[Family]) -> str:
    """Name how p-values are adjusted."""
    tested = [family for family in families if any(difference.p is not None for difference in family.differences)]
    words = []
    if len(design.pairs) > 1 and tested:
        separate = dict.fromkeys(family.contest.question.label for family in tested if not _is_joint(family, design))
        words.append(f"max-T over {len(design.pairs)} {'couples of models' if design.all_pairs else 'models'}")
        words[0] += f" (Bonferroni for {listed(list(separate))})" if separate else ""
    if len(tested) > 1:
        words.append(f"Holm over {len(tested)} losses and slices")
    return ", ".join(words) or "none"


def _is_joint(family: Family, design: Design) -> bool:
    """Whether the differences of a family have a joint law."""
    return covariance(family, design) is not None and family.contest.question.loss.direction != "zero"


def _comparison(
    differences: Differences, contest: Contest, difference: Difference, couple: Couple, p: float | None
) -> Comparison:
    design = differences.design
    base, candidate = (contest.cells[model] for model in couple)
    value, size = differences.value(contest, couple), abs(base.value)
    significant = p is not None and design.level is not None and p <= 1.0 - design.level
    outcome: Outcome = "undecided"
    if significant and difference.guard is None:
        outcome = "better" if (value < 0.0) == (candidate.direction != "max") else "worse"
    if _is_within(design, difference, size):
        outcome = "equivalent"
    detectable, needed = None, None
    if difference.stderr and design.level is not None and design.effect is not None:
        detectable = (normal_quantile(design.level) + normal_quantile(2.0 * POWER - 1.0)) * difference.stderr
        effect = design.effect.amount * (size if design.effect.relative else 1.0)
        times = detectable / effect if effect > 0.0 else math.inf
        rows = contest.scope.view.live * times * times  # a power would raise where a product is infinite
        needed = math.ceil(rows) if math.isfinite(rows) else None
    return Comparison(
        baseline=couple[0],
        candidate=couple[1],
        loss=candidate.loss,
        spec=candidate.spec,
        slice=candidate.slice,
        rows=candidate.rows,
        clusters=difference.units if design.cluster is not None else None,
        baseline_value=base.value,
        value=candidate.value,
        difference=value,
        relative=value / size if size > 0.0 and math.isfinite(value) else None,
        stderr=difference.stderr,
        interval=difference.interval,
        level=design.level if difference.interval else None,
        method=difference.method,
        p=difference.p,
        adjusted=p,
        skew=difference.skew,
        verdict=outcome,
        reason=difference.why or difference.guard or _at_floor(design, difference),
        direction=candidate.direction,
        unit=candidate.unit,
        detectable=detectable,
        needed=needed,
    )


def _is_within(design: Design, difference: Difference, size: float) -> bool:
    """Whether the interval of a difference lies within the margin of what is equivalent: two one-sided tests."""
    if design.margin is None or difference.interval is None or difference.guard is not None:
        return False
    margin = design.margin.amount * (size if design.margin.relative else 1.0)
    return -margin < difference.interval[0] and difference.interval[1] < margin


def _at_floor(design: Design, difference: Difference) -> str | None:
    """Say that the resamples are too few, where none of them contradicts a difference that is not shown."""
    if difference.method != "bootstrap" or difference.p is None or difference.p > 2.0 / (design.resamples + 1):
        return None
    return f"{design.resamples} resamples show no p-value below {difference.p:.2g}; take more (--resamples)"


def adjusted_p(families: Sequence[Family], design: Design) -> list[list[float | None]]:
    """Adjust p-values by max-T within families and by Holm across them."""
    within = [_within(family, design) for family in families]
    adjusted: list[list[float | None]] = []
    for family, values in zip(families, multiple.holm(within), strict=True):
        p = iter(values)
        adjusted.append([None if difference.p is None else next(p) for difference in family.differences])
    return adjusted


def _within(family: Family, design: Design) -> list[float]:
    """Adjust p-values within one contest; by Bonferroni where there is no joint law."""
    pairs = zip(design.pairs, family.differences, strict=True)
    tested = [(couple, difference) for couple, difference in pairs if difference.p is not None]
    p = [difference.p for _, difference in tested if difference.p is not None]
    joint = covariance(family, design)
    if len(p) < 2:
        return p
    if joint is None or family.spread is None or not _is_joint(family, design):
        return [min(len(p) * single, 1.0) for single in p]
    models, among_models = joint
    rows = np.zeros((len(tested), len(models)))
    for row, ((base, candidate), _) in zip(rows, tested, strict=True):
        row[models.index(candidate)], row[models.index(base)] = 1.0, -1.0
    among = rows @ among_models @ rows.T
    length = np.sqrt(np.maximum(np.diagonal(among), np.finfo(float).tiny))
    correlation = np.clip(among / np.outer(length, length), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    scores = [difference.score for _, difference in tested]
    return multiple.max_t(scores, family.spread.freedom, p, correlation, design.seed)


def covariance(family: Family, design: Design) -> tuple[list[str], Array] | None:
    """Return all models, the baseline first, and the covariance of their differences from it.

    In units of the largest standard error, so that it stays in the float range; None where a model has no spread.
    """
    pairs = zip(design.pairs, family.differences, strict=True)
    against = {couple[1]: difference for couple, difference in pairs if couple[0] == design.baseline}
    tested = [place for place, difference in enumerate(against.values(), 1) if difference.p is not None]
    if family.spread is None or any(d.p is None and d.why != ALIKE for d in against.values()):
        return None
    stderrs = family.spread.stderrs[: len(tested)]
    scale = stderrs / np.max(stderrs, initial=0.0)
    among_models = np.zeros((len(against) + 1, len(against) + 1))
    among_models[np.ix_(tested, tested)] = family.spread.correlation * np.outer(scale, scale)
    return [design.baseline, *against], among_models


def best_set(family: Family, design: Design) -> BestSet | None:
    """Return the model confidence set of one contest, None where some model has no spread."""
    joint, cells = covariance(family, design), family.contest.cells
    if joint is None or design.level is None or family.spread is None:
        return None
    models, among_models = joint
    top = float(np.max(family.spread.stderrs[: len(family.spread.correlation)]))
    costs = [(cells[model].merit - cells[models[0]].merit) / top for model in models]
    p, places = multiple.best_set(costs, among_models, design.level, design.seed)
    return BestSet(
        family.contest.question.label,
        family.contest.scope.slice,
        design.level,
        {model: p[models.index(model)] for model in cells},
        tuple(model for model in cells if models.index(model) in places),
    )


def _warnings(differences: Differences, families: Sequence[Family]) -> list[str]:
    """Say what makes intervals too narrow: few clusters, or rows in time that follow each other closely."""
    design = differences.design
    units = [entry.units for family in families for entry in family.differences if entry.units is not None]
    if design.cluster is not None and units and min(units) < FEW:
        return [f"as few as {min(units)} clusters: below {FEW} intervals are somewhat too narrow"]
    if design.time is None or design.horizon > 1 or design.level is None:
        return []
    for family in families:
        contest = family.contest
        if contest.scope.group is None and contest.question.loss.keeps == "moments" and family.spread is not None:
            for couple, difference in zip(design.pairs, family.differences, strict=True):
                contrast = differences.between(contest, couple) if difference.p is not None else ""
                inference = differences.assumptions.of(contest.scope, contest.question)
                if isinstance(contrast, str) or not isinstance(inference, Series):
                    continue
                shared = autocorrelation(inference.scores([contrast])[0])
                if shared > max(CORRELATED, 2.0 / math.sqrt(contest.scope.view.live)):
                    return [
                        f"differences follow each other closely ({contest.question.label} of {couple[1]}: correlation "
                        f"{shared:.2f} with the row before), so p-values are too small; is the horizon longer than 1?"
                    ]
    return []


# bounds for a gate -----------------------------------------------------------------------------------------------


class PairedBounds:
    """Confidence bounds of the candidates of one comparison against the baseline, as the gate asks for them."""

    def __init__(self, differences: Differences, contests: Sequence[Contest]) -> None:
        self._differences = differences
        self._contests = {(contest.scope.words, contest.question.label): contest for contest in contests}
        self._families: dict[tuple[tuple[tuple[str, str], ...], str], dict[str, Difference]] = {}

    def bounds(
        self,
        model: str,
        loss: str,
        of_slice: Mapping[str, str],
        tolerance: float,
        relative: bool,
        level: float,
        inner: bool = False,
    ) -> tuple[float, float] | str:
        """Return the interval of (worsening - tolerance), or the reason why there is no evidence.

        It is as wide as Student's t and a correction for skewness have it; `inner`, as narrow as one of them has it.
        A relative tolerance is a share r of |baseline|, and the interval that of a linear contrast: of squares for a
        root of a mean, B² - (1 + r)² A², whose sign decides as that of B - (1 + r) A would, in units of B + (1 + r) A.
        """
        contest = self._contests[tuple(of_slice.items()), loss]
        kind = contest.question.loss
        couple = self._differences.design.baseline, model
        base, candidate = contest.values(couple)
        difference = self._difference(contest, model)
        sign = -1.0 if kind.direction == "max" else 1.0
        worse = self._differences.value(contest, couple) * sign
        size = tolerance * (abs(base) if relative else 1.0)
        if difference.why == ALIKE:
            return -size, -size
        if difference.why == NO_SPREAD:  # as certain as no discordant row among so many makes a share
            jumps = kind.unit == SHARE or (kind.family, kind.unit) == AGREEMENT
            reach = -math.log(0.5 * (1.0 - level)) / contest.scope.view.live if jumps else 0.0
            return worse - reach - size, worse + reach - size
        if difference.why is not None:
            return DECIDED_OTHERWISE if difference.why == NO_SAMPLE else difference.why
        if kind.influence is not None and not self._differences.assumptions.bootstrap:
            share = math.copysign(1.0, base) * tolerance if relative else 0.0
            spread = self._differences.influence_spread(contest, [(couple, -sign - share, sign)])
            if isinstance(spread, str):
                return spread
            return _reach(spread, shape_of_units(spread, 0), worse - size, contest.size(couple), level, inner)
        if kind.keeps == "sample":
            of_base, of_candidate, sizes = contest.cells[couple[0]].interval, contest.cells[model].interval, [size]
            if of_base is None or of_candidate is None or difference.interval is None:
                return NO_SPREAD
            times = abs(sign + math.copysign(tolerance, base)) if relative else 1.0  # B - (1 + r) A
            reach = normal_quantile(level) * self._differences.stderr_of_order(
                contest, couple, (of_base, of_candidate), times
            )
            low, high = worse - reach, worse + reach
            if not inner and self._differences.tied(contest, couple, (of_base, of_candidate)):
                # as wide as at the level of the report, where values repeat
                ends = (sign * difference.interval[0], sign * difference.interval[1])
                low, high = min(low, *ends), max(high, *ends)
                sizes += [tolerance * abs(end) for end in of_base] if relative else []
            return low - max(sizes), high - min(sizes)
        if kind.keeps == "peak" or kind.statistic.interval == "none":
            return NO_MAXIMUM
        if kind.direction == "zero":
            return self._of_sizes(contest, couple, tolerance, relative, level, inner)
        if kind.statistic.ranks and size == 0.0:
            return self._of_ranks(contest, couple, sign, level, inner)
        plan, scale = self._differences.plan, contest.size(couple)
        if relative and kind.statistic is ROOT:
            times = (1.0 + tolerance) ** 2
            columns = plan.differences(couple, contest.question), plan.indexes(couple[0], contest.question)
            squares = combined(([columns[0][0]], [1.0]), (columns[1], [1.0 - times]))
            terms: tuple[Statistic, Mapping[str, float]] = MEAN, {couple[0]: -times, model: 1.0}
            interval = self._about(contest, squares, terms, candidate**2 - times * base**2, scale**2, level, inner)
            unit = candidate + (1.0 + tolerance) * base
            return interval if isinstance(interval, str) else (interval[0] / unit, interval[1] / unit)
        share = math.copysign(1.0, base) * tolerance if relative else 0.0
        contrast = self._differences.contrast(contest, couple, -sign - share, sign)
        terms = kind.statistic, {couple[0]: -sign - share, model: sign}
        return self._about(contest, contrast, terms, worse - size, scale, level, inner)

    def too_few(self, model: str, loss: str, of_slice: Mapping[str, str]) -> str | None:
        """Say why clusters, or a series, are too few to decide by; None where they are not."""
        contest, design = self._contests[tuple(of_slice.items()), loss], self._differences.design
        if design.independent or self._difference(contest, model).why in (ALIKE, ONE_SET, SETS_IN_TIME):
            return None
        units = self._differences.assumptions.units(contest.scope, contest.question)
        if design.cluster is not None:
            return f"{units} clusters, {LEAST_UNITS} are needed" if units < LEAST_UNITS else None
        least = LEAST_UNITS * design.horizon
        steps = f"{design.horizon} step{'s' * (design.horizon > 1)} ahead"
        return f"{units} rows of a series, {least} are needed {steps}" if units < least else None

    def guarded(
        self, model: str, loss: str, of_slice: Mapping[str, str], contrasts: Sequence[tuple[float, bool]], level: float
    ) -> str | None:
        """Return why these rows cannot support a `pass`, None where they can.

        They cannot where a worsening beyond all tolerances is shown by Student's t or by what is corrected for
        skewness, and not by both. contrasts: the tolerances, and whether each is relative.
        """
        ends = [self.bounds(model, loss, of_slice, *contrast, level, inner=True) for contrast in contrasts]
        if any(isinstance(end, str) or end[0] <= 0.0 for end in ends):
            return None
        contest = self._contests[tuple(of_slice.items()), loss]
        difference, cluster = self._difference(contest, model), self._differences.design.cluster
        return too_skewed(difference.skew, difference.units or 0, "rows" if cluster is None else "clusters")

    def _difference(self, contest: Contest, model: str) -> Difference:
        """Return the difference of a candidate from the baseline, each family worked out once."""
        key = contest.scope.words, contest.question.label
        if key not in self._families:
            family = self._differences.family(contest)
            pairs = zip(self._differences.design.pairs, family.differences, strict=True)
            self._families[key] = {candidate: difference for (_, candidate), difference in pairs}
        return self._families[key][model]

    def _about(
        self,
        contest: Contest,
        contrast: Contrast | str,
        terms: tuple[Statistic, Mapping[str, float]],
        value: float,
        size: float,
        level: float,
        inner: bool,
    ) -> tuple[float, float] | str:
        """Return the interval of one contrast about its value, which is made of values of some size.

        terms: the statistic that it is a sum of, and how many times that of each model is in it.
        """
        if isinstance(contrast, str):
            return contrast
        assumptions, question = self._differences.assumptions, contest.question
        spread = assumptions.of(contest.scope, question).spread([contrast], 1)
        if isinstance(spread, str):
            return spread
        if question.loss.statistic.interval == "folded":
            base, candidate = terms[1]
            spread = spread._replace(stderrs=spread.stderrs * self._differences.folding(contest, (base, candidate)))
        shape = assumptions.shape(contest.scope, question, terms[1], terms[0])
        return _reach(spread, shape, value, size, level, inner)

    def _of_ranks(
        self, contest: Contest, couple: Couple, sign: float, level: float, inner: bool
    ) -> tuple[float, float] | str:
        """Return the interval of a worsening by the one mean that models rank by, as that of a difference."""
        of_value = self._differences.between(contest, couple)
        if isinstance(of_value, str):
            return of_value
        contrasts = self._differences.of_ranks(contest, couple), of_value
        spread = self._differences.assumptions.of(contest.scope, contest.question).spread(contrasts, 1)
        if isinstance(spread, str):
            return spread
        laws = self._differences.laws_of_ranks(contest, couple, spread.stderrs)
        quantile = spread.quantile(level)
        reaches = [(error, shape.reach(quantile, inner)) for error, shape in laws]
        low, high = interval_of(self._differences.value(contest, couple), reaches)
        return (low, high) if sign > 0.0 else (-high, -low)

    def _of_sizes(
        self, contest: Contest, couple: Couple, tolerance: float, relative: bool, level: float, inner: bool
    ) -> tuple[float, float] | str:
        """Return bounds of |B| - (1 + r)|A| - t for any signs, as |B| is the larger of B and -B, and so with A.

        Besides, | |B| - |A| | is at most |B - A|.
        """
        times = 1.0 + tolerance if relative else 1.0
        size = 0.0 if relative else tolerance
        (a, b), signs = contest.values(couple), contest.signs(couple)
        ends: list[tuple[float, float]] = []
        for of_base, of_candidate in ((1.0, signs[1]), (-1.0, signs[1]), (signs[0], 1.0), (signs[0], -1.0)):
            contrast = self._differences.contrast(contest, couple, -times * of_base, of_candidate)
            value = of_candidate * b - times * of_base * a - size
            terms = contest.question.loss.statistic, {couple[0]: -times * of_base, couple[1]: of_candidate}
            interval = self._about(contest, contrast, terms, value, contest.size(couple), level, inner)
            if isinstance(interval, str):
                return interval
            ends.append(interval)
        low, high = min(ends[0][0], ends[1][0]), max(ends[2][1], ends[3][1])
        gap = self._about(
            contest,
            self._differences.contrast(contest, couple, -1.0, 1.0),
            (contest.question.loss.statistic, {couple[0]: -1.0, couple[1]: 1.0}),
            b - a,
            contest.size(couple),
            level,
            inner,
        )
        if isinstance(gap, str):
            return low, high
        farthest = max(map(abs, gap))
        low = max(low, -farthest - size) if not relative or tolerance <= 0.0 else low
        return low, min(high, farthest - size) if not relative or tolerance >= 0.0 else high


def _reach(
    spread: Spread, shape: Shape, value: float, size: float, level: float, inner: bool
) -> tuple[float, float] | str:
    """Return the interval about a value, which is made of values of some size; see `PairedBounds.bounds`."""
    stderr = float(spread.stderrs[0])
    if stderr * math.sqrt(spread.units) <= ROUNDING * size:
        return NO_SPREAD
    low, high = shape.reach(spread.quantile(level), inner)
    return value + stderr * low, value + stderr * high
