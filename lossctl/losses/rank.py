"""Scores of an order: areas under curves and shares of pairs that are in order, of whole samples, ties taken exactly.

Each has the influence of every row on the value, from which standard errors, comparisons of models on the same rows
and gates follow as for means: of roc_auc it is what DeLong, DeLong & Clarke-Pearson call a placement value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations
from typing import Annotated, Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, flag
from lossctl.core.declare import Recipe, recipe, sample
from lossctl.core.domain import FLAG, LABELS, REAL, UNIT, Interval
from lossctl.core.form import Form, along
from lossctl.core.loss import Part
from lossctl.core.param import Choice
from lossctl.losses.forms import MARGIN_CURVE, SCORES, regression
from lossctl.losses.survival import SURVIVAL, had_event
from lossctl.numerics.array import Array, Mask

Rows = NDArray[Any]
SHARE: Final = (0.0, 1.0)  # between which a share is
CORRELATION: Final = (-1.0, 1.0)
STRICT: Final = ("none", "sigmoid", "tanh", "exp", "softplus")  # activations that keep an order, and make no ties


# runs of equal values ---------------------------------------------------------------------------------------------


def runs(*ordered: Rows) -> tuple[Rows, Rows]:
    """Return where each run of rows of equal values begins, and the number of the run of each row."""
    change = np.zeros(ordered[0].size, dtype=bool)
    change[:1] = True
    for line in ordered:
        change[1:] |= line[1:] != line[:-1]
    return np.flatnonzero(change), np.cumsum(change) - 1


def before_and_in(weight: Array, starts: Rows, run: Rows) -> tuple[Array, Array]:
    """Return the weight of the rows of earlier runs and that of each row's own run, from rows in order."""
    sums = np.add.reduceat(weight, starts)
    return (np.cumsum(sums) - sums)[run], sums[run]


def below_and_tied(values: Array, weight: Array) -> tuple[Array, Array]:
    """Return the weight of the rows of smaller and of equal values, row by row."""
    order = np.argsort(values, kind="stable")
    below, tied = np.empty((2, values.size))
    below[order], tied[order] = before_and_in(weight[order], *runs(values[order]))
    return below, tied


def ranks_of(values: Array) -> Rows:
    """Return the places of values among the different ones."""
    order = np.argsort(values, kind="stable")
    place = np.empty(values.size, dtype=np.int64)
    place[order] = runs(values[order])[1]
    return place


def below_in_both(x: Array, y: Array, weight: Array) -> Array:
    """Return, row by row, the weight of the rows that are smaller in x and in y.

    Rows in the order of x are sorted by the bits of the rank of y, the highest first. Two rows part at the first bit in
    which their ranks differ: the one with a 1 counts those with a 0 that come before it among rows of equal higher
    bits.
    """
    rank = ranks_of(y)
    place = np.lexsort((-rank, x))  # of equal x those of larger y come first: none of them counts another
    rank, weight = rank[place], weight[place]
    below = np.zeros(x.size)
    for bit in reversed(range(int(rank.max(initial=0)).bit_length())):
        high = (rank >> bit) & 1 == 1
        zeros = np.cumsum(np.where(high, 0.0, weight))
        starts, run = runs(rank >> (bit + 1))
        before = np.concatenate([[0.0], zeros])[starts]
        below += np.where(high, zeros - before[run], 0.0)
        order = parted(high, starts, run)
        rank, weight, place, below = rank[order], weight[order], place[order], below[order]
    rows = np.empty(x.size)
    rows[place] = below
    return rows


def parted(flags: NDArray[np.bool_], starts: Rows, run: Rows) -> Rows:
    """Return the order in which, run by run, the rows without a flag come before those with one."""
    zeros = np.cumsum(~flags)
    passed = np.concatenate([[0], zeros])
    before = passed[:-1] - passed[starts][run]
    ends = np.append(starts[1:], flags.size)
    ones_start = (starts + passed[ends] - passed[starts])[run]
    order = np.empty(flags.size, dtype=np.int64)
    rows = np.arange(flags.size)
    order[np.where(flags, ones_start + (rows - starts[run]) - before, starts[run] + before)] = rows
    return order


def total(values: Array) -> float:
    """Return the sum of all values."""
    return float(np.add.reduce(values))


def scaled(weight: Array) -> Array:
    """Return weights times a power of two, so that products of their sums stay in range."""
    return np.ldexp(weight, -int(np.frexp(np.maximum.reduce(weight, initial=0.0))[1]))


def freed(count: int) -> float:
    """Return what the mean square of deviations from a mean of so many rows is to be multiplied by."""
    return count / (count - 1.0) if count > 1.0 else np.nan


# areas under curves: of one yes-or-no column ----------------------------------------------------------------------


def auc(score: Array, truth: Mask, weight: Array, influence: bool = False) -> tuple[float, Array]:
    """Return the share of pairs of a yes and a no in which the yes has the higher score, half of the ties; NaN without.

    And the influence of each row, if it is asked for: its square sum is the variance of DeLong et al. 1988.
    """
    order = np.argsort(score, kind="stable")
    yes = truth[order]
    yeses, noes = (np.where(kind, weight[order], 0.0) for kind in (yes, ~yes))
    starts, run = runs(score[order])
    ahead, tied = np.add.reduceat(yeses, starts), np.add.reduceat(noes, starts)
    reached = np.cumsum(tied)
    total_yes, total_no = total(ahead), float(reached[-1])
    if not (total_yes > 0.0 and total_no > 0.0):
        return np.nan, np.zeros(0)
    value = total(ahead * (2.0 * (reached - tied) + tied)) / (2.0 * total_yes * total_no)
    if not influence:
        return value, np.zeros(0)
    of_yes = ((reached - tied) + 0.5 * tied)[run] / total_no
    passed = np.cumsum(ahead)
    of_no = ((total_yes - passed) + 0.5 * ahead)[run] / total_yes
    count = int(np.count_nonzero(yes))
    parts = np.where(
        yes,
        (of_yes - value) * (yeses / total_yes) * np.sqrt(freed(count)),
        (of_no - value) * (noes / total_no) * np.sqrt(freed(yes.size - count)),
    )
    influences = np.empty(score.size)
    influences[order] = parts
    return value, influences


def precision_area(score: Array, truth: Mask, weight: Array, influence: bool = False) -> tuple[float, Array]:
    """Return the mean over the yes rows of the precision from their score on; NaN where there is none.

    With T(s) the weight of yes rows and M(s) that of all rows from s on it is A = Σ w T/M over the yes rows, per their
    weight P; a row of score x has the influence w/P (y (T(x)/M(x) - A) + Σ w_j (y/M_j - T_j/M_j²)), over yes rows j
    with s_j <= x.
    """
    order = np.argsort(-score, kind="stable")
    yes = truth[order]
    w = weight[order]
    yeses = np.where(yes, w, 0.0)
    starts, run = runs(score[order])
    gains = np.add.reduceat(yeses, starts)
    hits, calls = np.cumsum(gains), np.cumsum(np.add.reduceat(w, starts))
    amount = float(hits[-1])
    if not amount > 0.0:
        return np.nan, np.zeros(0)
    precision = hits / calls
    value = total(gains * precision) / amount
    if not influence:
        return value, np.zeros(0)
    gain, loss = (np.cumsum(line[::-1])[::-1] for line in (gains / calls, gains * precision / calls))
    parts = (w / amount) * (np.where(yes, precision[run] - value + gain[run], 0.0) - loss[run])
    influences = np.empty(score.size)
    influences[order] = parts * np.sqrt(freed(yes.size))
    return value, influences


Area = Callable[..., tuple[float, Array]]


# areas: of every task ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scores(Interval):
    """A score for each column, of which the order counts; probabilities and raw outputs are as good."""

    def activations(self) -> frozenset[str]:
        return super().activations() | {"softmax", "renormalize"}


SCORE_PER_CLASS: Final = Scores(words="scores of any scale")
RANKED: Final = Form("binary", {"target": FLAG, "pred": REAL}, MARGIN_CURVE, outputs=True)
RANKED_CLASSES: Final = Form(
    "multiclass",
    {"target": LABELS, "pred": SCORE_PER_CLASS},
    along("score of the observed class, the other at 0", SCORES, True, target=0.0, pred=[SCORES, 0.0]),
)


@cache
def score_of(place: int) -> Part:
    """Return the part that is a column of the prediction, raw where its activation keeps every order."""

    def column(batch: Batch) -> Array:
        return (batch.raw if batch.form == "binary" and batch.activation in STRICT else batch.pred)[place]

    return column


@cache
def flag_of(place: int) -> Part:
    """Return the part that is 1 for a yes in a column of the target, else 0."""
    return lambda batch: flag(batch)[place]


def class_code(batch: Batch) -> Array:
    """The number of the observed class."""
    return batch.target.astype(np.float64)


class Areas:
    """The area of each of K columns or pairs of classes, and what they weigh; lines are as `parts` names them."""

    def __init__(
        self, area: Area, form: Form, columns: int, average: str, multi_class: str, empty: float | None
    ) -> None:
        self.area, self.columns, self.average, self.ovo = area, columns, average, multi_class == "ovo"
        self.empty, self.classes = empty, form.labels
        self.parts = (*map(score_of, range(columns)), *((class_code,) if form.labels else map(flag_of, range(columns))))

    def _truths(self, lines: Array) -> list[Mask]:
        """Return the flags of each column."""
        truth = lines[self.columns : -1]
        return [truth[0] == place for place in range(self.columns)] if self.classes else list(truth > 0.0)

    def value(self, lines: Array, **_: Any) -> float:
        """Return the score of a sample, the value for those that have none, or NaN."""
        return self._scored(lines, False)[0]

    def influence(self, lines: Array, **_: Any) -> Array:
        """Return the influence of each row of a sample on its score."""
        return self._scored(lines, True)[1]

    def _scored(self, lines: Array, influence: bool) -> tuple[float, Array]:
        scores, weight, truths = lines[: self.columns], scaled(lines[-1]), self._truths(lines)
        if self.columns == 1:
            return self._filled(*self.area(scores[0], truths[0], weight, influence), weight.size)
        if self.average == "micro":
            flat = scores.reshape(-1), np.concatenate(truths), np.tile(weight, self.columns)
            value, parts = self.area(*flat, influence)
            summed = np.add.reduce(parts.reshape(self.columns, -1), axis=0) if parts.size else parts
            return self._filled(value, summed, weight.size)
        if self.classes and self.ovo:
            return self._of_pairs(scores, truths, weight, influence)
        areas = [
            self._filled(*self.area(score, truth, weight, influence), weight.size)
            for score, truth in zip(scores, truths, strict=True)
        ]
        return self._averaged(areas, [np.where(truth, weight, 0.0) for truth in truths], influence)

    def _filled(self, value: float, parts: Array, rows: int) -> tuple[float, Array]:
        """Replace an area that is not defined."""
        if value == value:
            return value, parts
        return (np.nan if self.empty is None else self.empty), np.zeros(rows)

    def _of_pairs(self, scores: Array, truths: list[Mask], weight: Array, influence: bool) -> tuple[float, Array]:
        """Return the mean over ordered pairs of classes: how well the score of the first tells it from the second."""
        areas, shares = [], []
        for first, second in permutations(range(self.columns), 2):
            rows = np.flatnonzero(truths[first] | truths[second])
            pair = scores[first][rows], truths[first][rows], weight[rows]
            value, parts = self.area(*pair, influence) if rows.size else (np.nan, np.zeros(0))
            spread = np.zeros(weight.size)
            spread[rows] = parts if parts.size else 0.0
            areas.append(self._filled(value, spread, weight.size))
            shares.append(np.where(truths[first] | truths[second], weight, 0.0))
        return self._averaged(areas, shares, influence)

    def _averaged(self, areas: list[tuple[float, Array]], shares: list[Array], influence: bool) -> tuple[float, Array]:
        """Return the mean of areas, each weighing alike or as much as the rows that it is of."""
        values = np.array([value for value, _ in areas])
        totals = np.array([np.add.reduce(share) for share in shares])
        masses = totals if self.average == "weighted" else np.ones(len(areas))
        if self.average == "weighted":  # what no row belongs to has no say
            values = np.where(masses > 0.0, values, 0.0)
        mass_of_all = total(masses)
        value = total(masses * values) / mass_of_all if mass_of_all > 0.0 else np.nan
        if not influence or value != value:
            return value, np.zeros(shares[0].size)
        parts = sum(mass / mass_of_all * part for mass, (_, part) in zip(masses, areas, strict=True))
        if self.average == "weighted":
            factor = np.sqrt(freed(shares[0].size)) / mass_of_all
            parts = parts + sum(factor * share * (x - value) for share, x in zip(shares, values, strict=True))
        return value, np.asarray(parts)


@cache
def areas(area: Area, form: Form, columns: int, average: str, multi_class: str, empty: float | None) -> Areas:
    """Return the areas of a task, the same for the same arguments, so that losses share their samples."""
    return Areas(area, form, columns, average, multi_class, empty)


def area_recipe(area: Area, average: str, multi_class: str, empty: float | None, undefined: str) -> Recipe:
    """Return the recipe of an area of one column, and by the form that of several."""

    def recipe_of(form: Form, columns: int) -> Recipe:
        of_form = areas(area, form, columns, average, multi_class, empty)
        return sample(
            *of_form.parts, value=of_form.value, influence=of_form.influence, bounds=SHARE, undefined=undefined
        )

    return replace(recipe_of(RANKED, 1), by_form=recipe_of)


AreaAverage = Annotated[
    str,
    Choice(("macro", "weighted", "micro")),
    "of several columns: the mean of their areas, that by how many rows are positive, or the area of all together",
]
Strategy = Annotated[
    str, Choice(("ovr", "ovo")), "classes: each against all others, or every two against each other (Hand & Till)"
]
Empty = Annotated[float | None, UNIT, "what an area that is not defined counts as; off: then there is none"]


@recipe(forms=(RANKED, RANKED_CLASSES), best=1.0, direction="max")
def roc_auc(*, average: AreaAverage = "macro", multi_class: Strategy = "ovr", zero_division: Empty = None) -> Recipe:
    """Area under the ROC curve: the share of pairs of a positive and a negative that the score puts in order.

    Exact: ties count one half, as the trapezoidal rule has it. Weighted, a pair counts by the product of its weights.
    The standard error is that of DeLong, and so are differences of two models on the same rows. Scores may be of any
    scale: probabilities, logits and decision values give one number. Several classes are each held against all others
    (scikit-learn asks for `multi_class` there), several labels (multilabel) are areas of their own; `average` says how
    these become one number. Undefined where a class, or all others, were never observed. K columns
    keeps K scores and the class, or K labels, of each row.

    Formula: Σ_i Σ_j w_i w_j ([s_i > s_j] + ½ [s_i = s_j]) / Σ_i Σ_j w_i w_j, i the positive and j the negative rows
    Unit: 1 (between 0 and 1)
    Use: How well a score separates two classes, whatever the threshold and the scale.
    Avoid: Probabilities must be right (bce, brier), or positives are rare and only the top matters (average_precision).
    Source: Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747; DeLong et al. 1988, doi:10.2307/2531595; Hand &
        Till 2001, doi:10.1023/A:1010920819831
    Also: auc, auroc, roc_auc_score, area_under_roc, auc_roc, c_statistic
    Elsewhere:
        scikit-learn  roc_auc_score  # one class only is NaN there, too
        scikit-learn scorer  roc_auc_ovr                # of probabilities of classes
        scikit-learn scorer  roc_auc_ovo                = roc_auc:multi_class=ovo
        scikit-learn scorer  roc_auc_ovr_weighted       = roc_auc:average=weighted
        scikit-learn scorer  roc_auc_ovo_weighted       = roc_auc:multi_class=ovo,average=weighted
        XGBoost       auc  # of flags; float32
        LightGBM      auc  # of flags; float32
        CatBoost      AUC  # of flags; float32
    """
    return area_recipe(
        auc,
        average,
        multi_class,
        zero_division,
        "a class, or all others, were never observed; zero_division=0.5 counts it as a guess",
    )


@recipe(forms=(RANKED, RANKED_CLASSES), best=1.0, direction="max")
def average_precision(*, average: AreaAverage = "macro", zero_division: Empty = None) -> Recipe:
    """Average precision: the mean over the positives of the precision from their score on.

    It is the area under the precision-recall curve as steps, without interpolation, as in scikit-learn. Rows of equal
    score come in together. Scores may be of any scale. Several classes are each held against all others, several
    labels (multilabel) are areas of their own; `average` says how these become one number. Undefined without a
    positive, where scikit-learn has 0: zero_division=0.

    Formula: Σ_i w_i P(s_i) / Σ_i w_i, i the positive rows, P(s) = share of positives among the rows of score s and
        above
    Unit: 1 (between 0 and 1)
    Use: Rare positives: how pure the top of the order is.
    Avoid: Data of different shares of positives: its floor is that share (roc_auc).
    Source: Zhu 2004, Recall, precision and average precision; Davis & Goadrich 2006, doi:10.1145/1143844.1143874
    Also: ap, average_precision_score
    Elsewhere:
        scikit-learn  average_precision_score  # without a positive it is 0
    """
    return area_recipe(
        precision_area, average, "ovr", zero_division, "there is no positive row; zero_division=0 counts it as 0"
    )


# correlations of ranks --------------------------------------------------------------------------------------------


def plain_target(batch: Batch) -> Array:
    """The target."""
    return batch.target[0]


def plain_pred(batch: Batch) -> Array:
    """The prediction."""
    return (batch.raw if batch.activation in STRICT else batch.pred)[0]


def midranks(values: Array, weight: Array) -> Array:
    """Return the weight below each row plus half of that of its equals, about its mean."""
    below, tied = below_and_tied(values, weight)
    ranks = below + 0.5 * tied
    return ranks - total(weight * ranks) / total(weight)


def _rank_sums(lines: Array) -> tuple[Array, Array, Array, float, float, float]:
    """Return both lines of ranks and the weights, and the sums of the products of the ranks."""
    target, pred, weight = *lines[:-1], scaled(lines[-1])
    u, v = midranks(target, weight), midranks(pred, weight)
    return u, v, weight, total(weight * u * u), total(weight * v * v), total(weight * u * v)


def spearman_of(lines: Array, **_: Any) -> float:
    """Return the correlation of ranks from lines of target, prediction and weight."""
    *_lines, uu, vv, uv = _rank_sums(lines)
    return uv / (np.sqrt(uu) * np.sqrt(vv)) if uu > 0.0 and vv > 0.0 else np.nan


def spearman_influence(lines: Array, **_: Any) -> Array:
    """Return the influence of each row: by its own ranks, and by those that it lifts."""
    u, v, weight, uu, vv, uv = _rank_sums(lines)

    def lifted(values: Array, moments: Array) -> Array:
        """Sum up what the rows above each weigh, and half of its equals."""
        below, tied = below_and_tied(values, weight * moments)
        return -(below + 0.5 * tied)  # all sum to zero

    root, rho = np.sqrt(uu) * np.sqrt(vv), uv / (np.sqrt(uu) * np.sqrt(vv))
    by_product = u * v + lifted(lines[0], v) + lifted(lines[1], u)
    by_squares = (u * u + 2.0 * lifted(lines[0], u)) / uu + (v * v + 2.0 * lifted(lines[1], v)) / vv
    return weight * (by_product / root - 0.5 * rho * by_squares) * np.sqrt(freed(weight.size))


ONE: Final = (regression(one=True),)
CONSTANT: Final = "the target or the prediction is constant"


@recipe(forms=ONE, best=1.0, direction="max")
def spearman() -> Recipe:
    """Spearman's rank correlation of prediction and target, between -1 and 1.

    Pearson's correlation of the ranks; equal values share the mean of theirs. Weighted, a rank is the weight below plus
    half of that of equals. Undefined where either is constant.

    Formula: Cov(R, Q) / √(Var(R)·Var(Q)), R and Q = the ranks of target and prediction
    Unit: 1 (between -1 and 1)
    Use: Only the order of the predictions is used, as in ranking or screening.
    Avoid: Values matter (pearson, concordance), or pairs are to be counted (kendall).
    Source: Spearman 1904, doi:10.2307/1412159
    Also: spearmanr, spearman_corrcoef, spearman_correlation
    Elsewhere:
        scipy         stats.spearmanr
        torchmetrics  spearman_corrcoef  # it computes in float32
    """
    return sample(
        plain_target,
        plain_pred,
        value=spearman_of,
        influence=spearman_influence,
        bounds=CORRELATION,
        undefined=CONSTANT,
    )


# shares of pairs --------------------------------------------------------------------------------------------------


class Below(NamedTuple):
    """Of the rows of smaller x that each row finds, what those weigh that have a smaller, the same and any y."""

    with_less: Array
    with_same: Array
    all: Array

    @classmethod
    def of(cls, x: Array, y: Array, weight: Array) -> Self:
        order = np.lexsort((x, y))
        starts, run = runs(y[order])
        before = before_and_in(weight[order], *runs(y[order], x[order]))[0]
        with_same = np.empty(x.size)
        with_same[order] = before - before[starts][run]
        return cls(below_in_both(x, y, weight), with_same, below_and_tied(x, weight)[0])

    @property
    def surplus(self) -> Array:
        """Rows of smaller y less rows of larger y."""
        return 2.0 * self.with_less + self.with_same - self.all


def kendall_sums(lines: Array) -> tuple[Array, Array, Array, float, float, float]:
    """Return, row by row, pairs in order less pairs out of it, pairs not tied in either, and the sums of all pairs."""
    target, pred, weight = *lines[:-1], scaled(lines[-1])
    order = Below.of(target, pred, weight).surplus + Below.of(-target, -pred, weight).surplus
    by_target, by_pred = (total(weight) - below_and_tied(line, weight)[1] for line in (target, pred))
    return order, by_target, by_pred, total(weight * order), total(weight * by_target), total(weight * by_pred)


def kendall_of(lines: Array, **_: Any) -> float:
    """Return tau-b from lines of target, prediction and weight."""
    *_lines, order, by_target, by_pred = kendall_sums(lines)
    return order / (np.sqrt(by_target) * np.sqrt(by_pred)) if by_target > 0.0 and by_pred > 0.0 else np.nan


def kendall_influence(lines: Array, **_: Any) -> Array:
    """Return the influence of each row, by the pairs that it is in."""
    order, u, v, surplus, by_target, by_pred = kendall_sums(lines)
    root = np.sqrt(by_target) * np.sqrt(by_pred)
    slope = 2.0 * order / root - surplus / root * (u / by_target + v / by_pred)
    return scaled(lines[-1]) * slope * np.sqrt(freed(order.size))


@recipe(forms=ONE, best=1.0, direction="max")
def kendall() -> Recipe:
    """Kendall's tau-b of prediction and target: pairs in order less pairs out of order, between -1 and 1.

    Exact with ties, which tau-b takes out of either count of pairs, in n log² n steps. Weighted, a pair counts by the
    product of its weights. Undefined where either is constant.

    Formula: (C - D) / √((P - T_target)·(P - T_pred)), C and D = pairs in and out of order, P = all pairs, T = tied
        pairs
    Unit: 1 (between -1 and 1)
    Use: As spearman, where the value should have a meaning: the surplus of pairs in order.
    Avoid: Values matter: pearson, concordance.
    Source: Kendall 1945, doi:10.1093/biomet/33.3.239
    Also: kendalltau, kendall_tau, kendall_rank_corrcoef, tau_b
    Elsewhere:
        scipy         stats.kendalltau
        torchmetrics  kendall_rank_corrcoef  # it computes in float32
    """
    return sample(
        plain_target, plain_pred, value=kendall_of, influence=kendall_influence, bounds=CORRELATION, undefined=CONSTANT
    )


def concordance_sums(lines: Array, *, events: bool) -> tuple[Array, Array, float, float]:
    """Return, row by row, pairs in order and half of the ties in score, and comparable pairs; and both sums of all."""
    if events:
        time, event, risk, weight = *lines[:-1], scaled(lines[-1])
        # who is censored at a time outlives the events at that time
        x, y, first = ranks_of_two(time, 1.0 - event), -risk, weight * event
    else:
        x, y, weight = *lines[:-1], scaled(lines[-1])
        first = weight
    before, after = Below.of(x, y, first), Below.of(-x, -y, weight)
    live = (first > 0.0).astype(np.float64)  # whose own time begins pairs
    good = before.with_less + 0.5 * before.with_same + live * (after.with_less + 0.5 * after.with_same)
    possible = before.all + live * after.all
    return good, possible, 0.5 * total(weight * good), 0.5 * total(weight * possible)


def ranks_of_two(first: Array, second: Array) -> Array:
    """Return the places of pairs of values among the different ones, as numbers."""
    order = np.lexsort((second, first))
    place = np.empty(first.size)
    place[order] = runs(first[order], second[order])[1]
    return place


def c_index_of(lines: Array, *, events: bool, **_: Any) -> float:
    """Return the share of comparable pairs that are in order."""
    *_lines, good, possible = concordance_sums(lines, events=events)
    return good / possible if possible > 0.0 else np.nan


def c_index_influence(lines: Array, *, events: bool, **_: Any) -> Array:
    """Return the influence of each row, by the pairs that it is in."""
    good, possible, all_good, all_possible = concordance_sums(lines, events=events)
    value = all_good / all_possible
    return scaled(lines[-1]) * (good - value * possible) / all_possible * np.sqrt(freed(good.size))


def time_of(batch: Batch) -> Array:
    """The time."""
    return batch.target[0]


SUBJECTS: Final = replace(
    SURVIVAL,
    roles={role: domain for role, domain in SURVIVAL.roles.items() if role != "query"},
    curve=replace(SURVIVAL.curve, roles={role: line for role, line in SURVIVAL.curve.roles.items() if role != "query"}),
)


def c_index_forms(events: bool) -> tuple[Form, ...]:
    """Return the form of subjects with an event or without, or that of plain numbers."""
    return (SUBJECTS,) if events else ONE


@recipe(forms=c_index_forms, best=1.0, direction="max")
def c_index(
    *,
    events: Annotated[bool, None, "rows have an event or are censored; false: plain numbers, larger for larger"] = True,
) -> Recipe:
    """Harrell's concordance index: the share of comparable pairs that the prediction puts in order.

    Survival: pred is a risk, higher for those whose event comes earlier, as for cox. A pair is comparable where the
    earlier of the two times is an event; at one time an event is before whoever is censored then, and two events are
    not comparable, as in scikit-survival and lifelines (which takes predicted times: the negated risk). Ties in the
    risk count one half. With `events=false` target and prediction are plain numbers that should go up together; every
    two rows of different targets are comparable. Weighted, a pair counts by the product of its weights. Undefined
    where no pair is comparable.

    Formula: Σ_(i,j) w_i w_j ([s_i > s_j] + ½ [s_i = s_j]) / Σ_(i,j) w_i w_j, over pairs with an event at t_i before t_j
    Unit: 1 (between 0 and 1)
    Use: How well a risk orders subjects, some of which are censored.
    Avoid: Much censoring, on which its limit depends; or risks themselves must be right (cox).
    Source: Harrell et al. 1982, doi:10.1001/jama.1982.03320430047030
    Also: harrell_c, concordance_index_censored
    Elsewhere:
        lifelines        utils.concordance_index       ≠ it takes times, the negated risks
        scikit-survival  concordance_index_censored
    """
    parts: tuple[Part, ...] = (time_of, had_event, plain_pred) if events else (plain_target, plain_pred)
    return sample(
        *parts, value=c_index_of, influence=c_index_influence, bounds=SHARE, undefined="no two rows are comparable"
    )
