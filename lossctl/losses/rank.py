"""Scores of an order: areas under curves and shares of pairs that are in order, of whole samples, ties taken exactly.

Each has the influence of every row on the value, from which standard errors, comparisons of models on the same rows
and gates follow as for means: of roc_auc it is what DeLong, DeLong & Clarke-Pearson call a placement value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import permutations
from typing import Annotated, Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, flag
from lossctl.core.declare import Recipe, sample, score
from lossctl.core.domain import FLAG, LABELS, REAL, UNIT, Interval
from lossctl.core.form import Form, along
from lossctl.core.loss import Part
from lossctl.core.param import Choice
from lossctl.losses.forms import MARGIN_CURVE, SCORES
from lossctl.losses.regression import ONE_OUTPUT
from lossctl.losses.survival import SURVIVAL, had_event
from lossctl.numerics.array import Array, Mask
from lossctl.numerics.segments import run_starts

Rows = NDArray[Any]
SHARE: Final = (0.0, 1.0)  # between which a share is
CORRELATION: Final = (-1.0, 1.0)
STRICT: Final = ("none", "sigmoid", "tanh", "exp", "softplus")  # activations that keep an order, and make no ties


# rows in the order of their values ---------------------------------------------------------------------------------


class Runs:
    """Runs of rows in which all of some ordered lines are equal."""

    def __init__(self, *ordered: Rows) -> None:
        self.starts, self.rows = run_starts(*ordered), ordered[0].size

    def sums(self, line: Array) -> Array:
        """Sum a line up by run."""
        return np.add.reduceat(line, self.starts) if self.starts.size < self.rows else line

    def of_rows(self, values: Rows) -> Rows:
        """Return, row by row, the value of its run."""
        if self.starts.size == self.rows:
            return values
        return np.repeat(values, np.diff(self.starts, append=self.rows))


class Order:
    """The rows in the order of a line."""

    def __init__(self, line: Array) -> None:
        self.rows: Rows | None = None
        if not (line[1:] >= line[:-1]).all():
            self.rows = np.argsort(line, kind="stable")
            line = line[self.rows]
        self.line, self.runs = line, Runs(line)

    def of(self, line: Rows) -> Rows:
        """Put a line in this order."""
        return line if self.rows is None else line[self.rows]

    def back(self, line: Rows) -> Rows:
        """Put a line of this order in the order of the rows."""
        if self.rows is None:
            return line
        values = np.empty_like(line)
        values[self.rows] = line
        return values

    def below_and_tied(self, weight: Array) -> tuple[Array, Array]:
        """Return, row by row, the weight of the rows of smaller and of equal values."""
        tied = self.runs.sums(self.of(weight))
        below = np.cumsum(tied) - tied
        return self.back(self.runs.of_rows(below)), self.back(self.runs.of_rows(tied))

    def beneath(self, weight: Array) -> Array:
        """Return, row by row, the weight of the rows of smaller values and half of that of equal ones."""
        tied = self.runs.sums(self.of(weight))
        return self.back(self.runs.of_rows(np.cumsum(tied) - 0.5 * tied))

    def below_tied_in(self, line: Array, weight: Array) -> tuple[Array, Array]:
        """Return, row by row, of the rows of equal values the weight of those smaller and of those equal in a line.

        The rows of equal values are in the order of the line already.
        """
        both = Runs(self.line, self.of(line))
        tied = both.sums(self.of(weight))
        below = both.of_rows(np.cumsum(tied) - tied)
        of_run = self.runs.of_rows(below[self.runs.starts])
        return self.back(below - of_run), self.back(both.of_rows(tied))

    def ranks(self) -> Rows:
        """Return a place of each row in this order, of equal values the last first."""
        places = np.arange(self.line.size, dtype=np.int32)
        starts = self.runs.starts.astype(np.int32)
        ends = np.append(starts[1:], np.int32(self.line.size))
        return self.back(self.runs.of_rows(starts + ends - np.int32(1)) - places)


LEAF: Final = 64  # ranks at most that are compared two by two


def below_before(rank: Rows, weight: Array) -> Array:
    """Return, row by row, the weight of the rows before it that have a smaller rank; each place is the rank of one row.

    Halves of the ranks are parted again and again, in the order of the rows: one of the upper half counts those of the
    lower half before it. Ranks are filled up so that all halves are of one length.
    """
    rows = rank.size
    depth = (max(rows - 1, 0) // LEAF).bit_length()
    leaf = max(-(-rows // (1 << depth)), 1)
    length = leaf << depth
    is_counted = bool((weight == 1.0).all())
    ranks = np.concatenate([rank, np.arange(rows, length, dtype=np.int32)])
    below: Rows = np.zeros(length, dtype=np.int32 if is_counted else np.float64)
    weights = None if is_counted else np.concatenate([weight, np.zeros(length - rows)])
    for level in range(depth):
        groups, half = 1 << level, length >> (level + 1)
        middle = np.arange(half, length, 2 * half, dtype=np.int32)[:, np.newaxis]
        is_low = ranks.reshape(groups, -1) < middle
        lower = is_low if weights is None else np.where(is_low, weights.reshape(groups, -1), 0.0)
        passed = np.cumsum(lower, axis=1, dtype=below.dtype).reshape(-1)
        low = is_low.reshape(-1)
        high = ~low

        def parted(line: Rows) -> Rows:
            halves = np.stack((line[low].reshape(groups, half), line[high].reshape(groups, half)), axis=1)  # noqa: B023
            return halves.reshape(-1)

        below[high] += passed[high]
        ranks, below = parted(ranks), parted(below)
        weights = None if weights is None else parted(weights)
    within = np.ascontiguousarray((ranks % leaf).astype(np.uint8).reshape(-1, leaf).T)
    lines = None if weights is None else np.ascontiguousarray(weights.reshape(-1, leaf).T)
    for place in range(1, leaf):
        smaller = within[:place] < within[place]
        counts = smaller.view(np.uint8) if lines is None else np.where(smaller, lines[:place], 0.0)
        below[place::leaf] += np.add.reduce(counts, axis=0, dtype=counts.dtype)
    by_rank = np.empty(length)
    by_rank[ranks] = below
    return by_rank[rank]


def total(values: Array) -> float:
    """Return the sum of all values."""
    return float(np.add.reduce(values))


def geometric_mean(first: float, second: float) -> float:
    """Return the root of a product: of two equal numbers exactly them."""
    return first if first == second else math.sqrt(first) * math.sqrt(second)


def scaled(weight: Array) -> Array:
    """Return weights times a power of two, so that products of their sums stay in range."""
    largest = np.maximum.reduce(weight, initial=0.0)
    return weight if largest == 1.0 else np.ldexp(weight, 1 - int(np.frexp(largest)[1]))


def bessel(count: int) -> float:
    """Return n/(n - 1), which makes a sample variance of the mean square about the mean."""
    return count / (count - 1.0) if count > 1.0 else np.nan


Influenced = tuple[float, Array]  # a value, and the influence of each row on it
NONE: Final = np.zeros(0)


# areas under curves: of one yes-or-no column ----------------------------------------------------------------------


def auc(score: Array, truth: Mask, weight: Array, influence: bool = False) -> Influenced:
    """Return the share of pairs of a yes and a no in which the yes has the higher score, half of the ties; NaN without.

    And the influence of each row, if it is asked for: its square sum is the variance of DeLong et al. 1988. Rows are in
    the order of the score.
    """
    runs = Runs(score)
    yeses, noes = np.where(truth, weight, 0.0), np.where(truth, 0.0, weight)
    ahead, below = runs.sums(yeses), runs.sums(noes)
    below = np.cumsum(below) - 0.5 * below
    total_yes, total_no = total(yeses), total(noes)
    if not (total_yes > 0.0 and total_no > 0.0):
        return np.nan, NONE
    value = total(ahead * below) / (total_yes * total_no)
    if not influence:
        return value, NONE
    above = total_yes - (np.cumsum(ahead) - 0.5 * ahead)
    count = int(np.count_nonzero(truth))
    yeses *= (runs.of_rows(below) / total_no - value) * (np.sqrt(bessel(count)) / total_yes)
    noes *= (runs.of_rows(above) / total_yes - value) * (np.sqrt(bessel(truth.size - count)) / total_no)
    yeses += noes
    return value, yeses


def precision_area(score: Array, truth: Mask, weight: Array, influence: bool = False) -> Influenced:
    """Return the mean over the yes rows of the precision from their score on; NaN where there is none.

    With T(s) the weight of yes rows and M(s) that of all rows from s on it is A = Σ w T/M over the yes rows, per their
    weight P; a row of score x has the influence w/P (y (T(x)/M(x) - A) + Σ w_j (y/M_j - T_j/M_j²)), over yes rows j
    with s_j <= x. Rows are in the order of the score.
    """
    runs = Runs(score)
    gains = runs.sums(np.where(truth, weight, 0.0))
    hits, calls = (np.cumsum(line[::-1])[::-1] for line in (gains, runs.sums(weight)))
    amount = float(hits[0])
    if not amount > 0.0:
        return np.nan, NONE
    precision = hits / calls
    value = total(gains * precision) / amount
    if not influence:
        return value, NONE
    gain, loss = np.cumsum(gains / calls), np.cumsum(gains * precision / calls)
    parts = np.where(truth, runs.of_rows(precision - value + gain), 0.0) - runs.of_rows(loss)
    parts *= weight * (np.sqrt(bessel(truth.size)) / amount)
    return value, parts


Area = Callable[..., Influenced]


# areas: of every task ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scores(Interval):
    """A score for each column, of which only the order counts: probabilities or raw outputs."""

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


class Areas(NamedTuple):
    """The area of each of K columns or pairs of classes, and what they weigh; lines are as `parts` names them."""

    area: Area
    classes: bool
    columns: int
    average: str
    multi_class: str
    empty: float | None

    @property
    def parts(self) -> tuple[Part, ...]:
        """The score of each column, then the class of the row or the flag of each column."""
        places = range(self.columns)
        return (*map(score_of, places), *((class_code,) if self.classes else map(flag_of, places)))

    def _truths(self, lines: Array) -> list[Mask]:
        """Return the flags of each column."""
        truth = lines[self.columns : -1]
        return [truth[0] == place for place in range(self.columns)] if self.classes else list(truth > 0.0)

    def value(self, lines: Array, **_: Any) -> float:
        """Return the score of a sample, the value for those that have none, or NaN."""
        return self._scored(lines, False)[0]

    def influence(self, lines: Array, **_: Any) -> Influenced:
        """Return the score and the influence of each row on it."""
        return self._scored(lines, True)

    def _of(self, score: Array, truth: Mask, weight: Array, influence: bool) -> Influenced:
        """Return the area of one column."""
        order = Order(score)
        value, parts = self.area(order.line, order.of(truth), order.of(weight), influence)
        return value, order.back(parts) if parts.size else parts

    def _scored(self, lines: Array, influence: bool) -> Influenced:
        scores, weight, truths = lines[: self.columns], scaled(lines[-1]), self._truths(lines)
        if self.columns == 1:
            return self._filled(*self._of(scores[0], truths[0], weight, influence), weight.size)
        if self.average == "micro":
            flat = scores.reshape(-1), np.concatenate(truths), np.tile(weight, self.columns)
            value, parts = self._of(*flat, influence)
            summed = np.add.reduce(parts.reshape(self.columns, -1), axis=0) if parts.size else parts
            return self._filled(value, summed, weight.size)
        if self.classes and self.multi_class == "ovo":
            return self._of_pairs(scores, truths, weight, influence)
        areas = [
            self._filled(*self._of(score, truth, weight, influence), weight.size)
            for score, truth in zip(scores, truths, strict=True)
        ]
        return self._averaged(areas, [np.where(truth, weight, 0.0) for truth in truths], influence)

    def _filled(self, value: float, parts: Array, rows: int) -> Influenced:
        """Replace an area that is not defined."""
        if value == value:
            return value, parts
        return (np.nan if self.empty is None else self.empty), np.zeros(rows)

    def _of_pairs(self, scores: Array, truths: list[Mask], weight: Array, influence: bool) -> Influenced:
        """Return the mean over ordered pairs of classes: how well the score of the first tells it from the second."""
        areas, shares = [], []
        for first, second in permutations(range(self.columns), 2):
            rows = np.flatnonzero(truths[first] | truths[second])
            pair = scores[first][rows], truths[first][rows], weight[rows]
            value, parts = self._of(*pair, influence) if rows.size else (np.nan, NONE)
            spread = np.zeros(weight.size)
            spread[rows] = parts if parts.size else 0.0
            areas.append(self._filled(value, spread, weight.size))
            shares.append(np.where(truths[first] | truths[second], weight, 0.0))
        return self._averaged(areas, shares, influence)

    def _averaged(self, areas: list[Influenced], shares: list[Array], influence: bool) -> Influenced:
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
            factor = np.sqrt(bessel(shares[0].size)) / mass_of_all
            parts = parts + sum(factor * share * (x - value) for share, x in zip(shares, values, strict=True))
        return value, np.asarray(parts)


areas: Final = cache(Areas)  # one object for equal arguments, so that losses share their samples


def area_recipe(area: Area, average: str, multi_class: str, empty: float | None, undefined: str) -> Recipe:
    """Return the recipe of an area of one column, and by the form that of several."""

    def recipe_of(form: Form, columns: int) -> Recipe:
        of_form = areas(area, form.labels, columns, average, multi_class, empty)
        return sample(
            *of_form.parts, value=of_form.value, influence=of_form.influence, bounds=SHARE, undefined=undefined
        )

    return recipe_of(RANKED, 1)._replace(by_form=recipe_of)


AreaAverage = Annotated[
    str,
    Choice(("macro", "weighted", "micro")),
    "of several columns: the mean of their areas, that by how many rows are positive, or the area of all together",
]
Strategy = Annotated[
    str, Choice(("ovr", "ovo")), "classes: each against all others, or every two against each other (Hand & Till)"
]
Empty = Annotated[float | None, UNIT, "what an area that is not defined counts as; off: then there is none"]


@score(forms=(RANKED, RANKED_CLASSES))
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
        scikit-learn  roc_auc_score         # one class only is NaN there, too
        scikit-learn scorer  roc_auc_ovr           # of probabilities of classes
        scikit-learn scorer  roc_auc_ovo           = roc_auc:multi_class=ovo
        scikit-learn scorer  roc_auc_ovr_weighted  = roc_auc:average=weighted
        scikit-learn scorer  roc_auc_ovo_weighted  = roc_auc:multi_class=ovo,average=weighted
        XGBoost       auc                   # of flags; float32
        LightGBM      auc                   # of flags; float32
        CatBoost      AUC                   # of flags; float32
    """
    return area_recipe(
        auc,
        average,
        multi_class,
        zero_division,
        "a class, or all others, were never observed; zero_division=0.5 counts it as a guess",
    )


@score(forms=(RANKED, RANKED_CLASSES))
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


@cache
def without_influence(function: Callable[..., Influenced]) -> Callable[..., float]:
    """Return the function of a sample that is the value alone, the same for the same."""
    return lambda lines, **args: function(lines, **args)[0]


def plain_target(batch: Batch) -> Array:
    """The target."""
    return batch.target[0]


def plain_pred(batch: Batch) -> Array:
    """The prediction, or the raw output where its order is the same and has no ties by rounding."""
    return (batch.raw if batch.activation in STRICT else batch.pred)[0]


def one_is_constant(lines: Array) -> bool:
    """Whether target or prediction has one value, of which weighted sums of ranks say so only but for rounding."""
    return bool((lines[:2] == lines[:2, :1]).all(axis=1).any())


def spearman_of(lines: Array, *, influence: bool = False, **_: Any) -> Influenced:
    """Return the correlation of ranks from lines of target, prediction and weight.

    And the influence of each row: by its own ranks, and by those that it lifts.
    """
    if one_is_constant(lines):
        return np.nan, NONE
    weight = scaled(lines[-1])
    orders = Order(lines[0]), Order(lines[1])
    u, v = (order.beneath(weight) for order in orders)
    for ranks in (u, v):
        ranks -= total(weight * ranks) / total(weight)
    uu, vv, uv = total(weight * u * u), total(weight * v * v), total(weight * u * v)
    root = geometric_mean(uu, vv)
    value = uv / root
    if not influence:
        return value, NONE
    # what the rows above each weigh, and half of its equals, times their ranks: all of these sum to zero
    of_first, of_second = v / root - (value / uu) * u, u / root - (value / vv) * v
    parts = u * v / root - 0.5 * value * (u * u / uu + v * v / vv)
    parts -= orders[0].beneath(weight * of_first) + orders[1].beneath(weight * of_second)
    parts *= weight * np.sqrt(bessel(weight.size))
    return value, parts


CONSTANT: Final = "the target or the prediction is constant"


def of_ranks(value: Callable[..., Influenced]) -> Recipe:
    """Return the recipe of a correlation of two columns by their order."""
    return sample(
        plain_target,
        plain_pred,
        value=without_influence(value),
        influence=partial(value, influence=True),
        bounds=CORRELATION,
        undefined=CONSTANT,
    )


@score(forms=ONE_OUTPUT)
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
    return of_ranks(spearman_of)


# shares of pairs --------------------------------------------------------------------------------------------------


class Pairs:
    """What the other rows of a row weigh by where they are in two lines, rows being in the order of both.

    x, y: the order of a line. Each weight is by row: of smaller x and y (`less`), and of those that are larger in both;
    equal in both are `same` (the row is one of them).
    """

    def __init__(self, first: Array, second: Array, weight: Array) -> None:
        self.first, self.second = first, second
        self.x, self.y = Order(first), Order(second)
        self.of_weight(weight)

    def of_weight(self, weight: Array) -> Self:
        """Count rows with this weight."""
        self.all = total(weight)
        self.x_less, self.x_same = self.x.below_and_tied(weight)
        self.y_less, self.y_same = self.y.below_and_tied(weight)
        self.y_less_x_same, self.same = self.x.below_tied_in(self.second, weight)
        self.x_less_y_same, _ = self.y.below_tied_in(self.first, weight)
        self.less = below_before(self.y.ranks(), weight) - self.y_less_x_same
        return self

    @property
    def more(self) -> Array:
        """Rows of larger x and y."""
        x_up_to, y_up_to = self.x_less + self.x_same, self.y_less + self.y_same
        both = (self.less + self.same) + (self.y_less_x_same + self.x_less_y_same)
        return (self.all - x_up_to) - (y_up_to - both)

    @property
    def crossed(self) -> Array:
        """Rows of smaller x and larger y, or of larger x and smaller y."""
        return (self.x_less - self.x_less_y_same - self.less) + (self.y_less - self.y_less_x_same - self.less)


def kendall_of(lines: Array, *, influence: bool = False, **_: Any) -> Influenced:
    """Return tau-b from lines of target, prediction and weight; and the influence of each row, by its pairs."""
    if one_is_constant(lines):
        return np.nan, NONE
    weight = scaled(lines[-1])
    pairs = Pairs(lines[0], lines[1], weight)
    surplus = (pairs.less + pairs.more) - pairs.crossed
    by_target, by_pred = pairs.all - pairs.x_same, pairs.all - pairs.y_same
    all_surplus, all_target, all_pred = (total(weight * line) for line in (surplus, by_target, by_pred))
    root = geometric_mean(all_target, all_pred)
    value = all_surplus / root
    if not influence:
        return value, NONE
    slope = 2.0 * surplus / root - value * (by_target / all_target + by_pred / all_pred)
    return value, weight * slope * np.sqrt(bessel(weight.size))


@score(forms=ONE_OUTPUT)
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
    return of_ranks(kendall_of)


def c_index_of(lines: Array, *, events: bool, influence: bool = False) -> Influenced:
    """Return the share of comparable pairs that are in order; and the influence of each row, by its pairs."""
    weight = scaled(lines[-1])
    if events:
        time, event, risk = lines[:-1]
        order = np.lexsort((-risk, -event, time))  # who is censored at a time outlives the events at that time
        time, event, risk, weight = (line[order] for line in (time, event, risk, weight))
        begins = Runs(time, event)
        x, y, live = begins.of_rows(np.arange(begins.starts.size, dtype=np.float64)), -risk, event
    else:
        x, y, live = *lines[:-1], np.ones(weight.size)
    pairs = Pairs(x, y, weight)  # with the rows after an event, of all kinds
    good = live * (pairs.more + 0.5 * (pairs.y_same - pairs.x_less_y_same - pairs.same))
    possible = live * (pairs.all - pairs.x_less - pairs.x_same)
    if events:
        pairs.of_weight(weight * live)  # with the events before a row
    good += pairs.less + 0.5 * pairs.x_less_y_same
    possible += pairs.x_less
    all_good, all_possible = total(weight * good), total(weight * possible)
    if not all_possible > 0.0:
        return np.nan, NONE
    value = all_good / all_possible
    if not influence:
        return value, NONE
    parts = weight * (good - value * possible) * (2.0 / all_possible * np.sqrt(bessel(weight.size)))
    if events:
        parts[order] = parts.copy()
    return value, parts


SUBJECTS: Final = replace(
    SURVIVAL,
    roles={role: domain for role, domain in SURVIVAL.roles.items() if role != "query"},
    curve=replace(SURVIVAL.curve, roles={role: line for role, line in SURVIVAL.curve.roles.items() if role != "query"}),
)


@score(forms=lambda events: (SUBJECTS,) if events else ONE_OUTPUT)
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
        lifelines  utils.concordance_index     ≠ it takes times, the negated risks
        scikit-survival  concordance_index_censored
    """
    parts: tuple[Part, ...] = (plain_target, had_event, plain_pred) if events else (plain_target, plain_pred)
    return sample(
        *parts,
        value=without_influence(c_index_of),
        influence=partial(c_index_of, influence=True),
        bounds=SHARE,
        undefined="no two rows are comparable",
    )
