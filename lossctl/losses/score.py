"""Scores of answers: how often they are right, class by class or together, of ordered lists, of intervals, of images.

What is counted is the table of observed and predicted classes. Of one yes-or-no column and of several labels its cells
are means of rows; of K classes, whose cells are K², the sample of both classes is kept, and each row has an influence
on the value by its cell. One formula per score reads both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, flag
from lossctl.core.declare import Recipe, loss, recipe, sample, score, set_loss, set_of, starts
from lossctl.core.domain import AT_LEAST_ONE_WHOLE, OPEN_UNIT, POSITIVE, REAL, UNIT
from lossctl.core.form import Form, along
from lossctl.core.loss import Part
from lossctl.core.param import Choice, PerColumn
from lossctl.core.statistic import Dual, Means, Statistic, value_of
from lossctl.losses.decision import FLAGS, Threshold, decided, decision_forms, top, wrong_decision
from lossctl.losses.forms import DECIDED, DECISION, RESIDUALS, regression
from lossctl.losses.listwise import LISTS, NO_RELEVANT, K, defined, place
from lossctl.losses.outcome import has_labels, pick
from lossctl.losses.rank import CORRELATION, RANKED_CLASSES, SHARE, Influenced, Runs, bessel, scaled
from lossctl.losses.regression import by_column, pinball_slope, quantile_forms, residual_loss, squared
from lossctl.numerics.activation import sum_of_others
from lossctl.numerics.array import Array
from lossctl.numerics.segments import groups

Rows = NDArray[Any]
ZeroDivision = Annotated[float | None, UNIT, "what a score that is not defined counts as; off: then there is none"]


# the answers ------------------------------------------------------------------------------------------------------


def observed_class(batch: Batch) -> Array:
    """The number of the observed class of each row."""
    if batch.form == DECIDED.name:
        return batch.target[0]
    return (batch.target if has_labels(batch) else np.argmax(batch.target, axis=0)).astype(np.float64)


def predicted_class(batch: Batch) -> Array:
    """The number of the predicted class of each row: of the largest column, the first of equal ones."""
    return batch.raw[0] if batch.form == DECIDED.name else top(batch)[0].astype(np.float64)


@cache
def yes_and(truth: bool, answer: bool, place: int | None = None) -> Part:
    """Return the part that is 1 where a yes or no was observed and a yes or no is the answer, in one column or each."""

    def cell(batch: Batch, *, threshold: float) -> Array:
        cells = ((flag(batch) == 1.0) == truth) & (decided(batch, threshold) == answer)
        return (cells if place is None else cells[place]).astype(np.float64)

    return cell


def right(batch: Batch, *, threshold: float) -> Array:
    """1 where the answer is right: in all columns of a row."""
    slips = wrong_decision(batch, threshold)
    return 1.0 - (slips if slips.ndim == 1 else np.maximum.reduce(slips, axis=0))


# what is made of them ---------------------------------------------------------------------------------------------

Table = Callable[..., Any]  # of the rows of each class that are right, falsely given and missed, (classes, ...) each
AS_ZERO: Final = "zero_division=0 counts it as 0"


def filled(above: Any, below: Any, empty: float | None) -> Any:
    """Divide; what is over nothing counts as `empty`."""
    is_defined = value_of(below) > 0.0
    return np.where(is_defined, above / np.where(is_defined, below, 1.0), np.nan if empty is None else empty)


def precision_of(hits: Any, false: Any, missed: Any, empty: float | None) -> Any:
    """Return hits per answer."""
    return filled(hits, hits + false, empty)


def recall_of(hits: Any, false: Any, missed: Any, empty: float | None) -> Any:
    """Return hits per observation."""
    return filled(hits, hits + missed, empty)


def f1_of(hits: Any, false: Any, missed: Any, empty: float | None) -> Any:
    """Return the harmonic mean of both."""
    return filled(2.0 * hits, 2.0 * hits + (false + missed), empty)


Rate = Callable[[Any, Any, Any, float | None], Any]


@cache
def averaged(rate: Rate, weighted: bool, every: bool, empty: float | None) -> Table:
    """Return the mean of a rate over the classes that occur (or every one), or by how often they were observed."""

    def table(hits: Any, false: Any, missed: Any) -> Any:
        support = hits + missed
        share = support if weighted else np.where(every | (value_of(support + false) > 0.0), 1.0, 0.0)
        values = np.where(value_of(share) > 0.0, rate(hits, false, missed, empty), 0.0)
        return filled(np.add.reduce(share * values, axis=0), np.add.reduce(share, axis=0), empty)

    return table


def balanced_of(hits: Any, false: Any, missed: Any, *, empty: float | None) -> Any:
    """Return the mean of the recall over the observed classes; undefined where there is one."""
    support = hits + missed
    occurs = np.where(value_of(support) > 0.0, 1.0, 0.0)
    classes = np.add.reduce(occurs, axis=0)
    value = np.add.reduce(np.where(occurs > 0.0, recall_of(hits, false, missed, 0.0), 0.0), axis=0) / classes
    return np.where(classes > 1.0, value, np.nan if empty is None else empty)


def of_others(counts: Any) -> Any:
    """Return, class by class, the sum of all other classes."""
    return counts.each(sum_of_others) if isinstance(counts, Dual) else sum_of_others(counts)


def _beyond_chance(hits: Any, false: Any, missed: Any) -> tuple[Any, Any, Any, Any]:
    """Return how much answers agree beyond chance, and how spread observations, answers and both are, squared."""
    observations, answers = hits + missed, hits + false
    agreement = np.add.reduce(hits * (of_others(observations) - false) - missed * false, axis=0)
    pairs = ((observations, observations), (answers, answers), (observations, answers))
    return agreement, *(np.add.reduce(first * of_others(second), axis=0) for first, second in pairs)


def mcc_of(hits: Any, false: Any, missed: Any, *, empty: float | None) -> Any:
    """Return the correlation of observed and predicted classes."""
    agreement, observations, answers, _ = _beyond_chance(hits, false, missed)
    return filled(agreement, np.sqrt(observations * answers), empty)


def kappa_of(hits: Any, false: Any, missed: Any, *, empty: float | None) -> Any:
    """Return the agreement beyond chance over what there could be."""
    agreement, _, _, most = _beyond_chance(hits, false, missed)
    return filled(agreement, most, empty)


table_of: Final = cache(partial)  # one object for equal arguments, so that losses share what they compute


# tables of rows ---------------------------------------------------------------------------------------------------


class Cells:
    """The cells of the table of a sample of classes, (cells,) codes and sums of weights, and those by class.

    Rows are in the order of both classes. Codes are given to classes as they come, and threads take turns: so classes
    are put in the order of their sums, and those summed exactly, which leaves no trace of it.
    """

    def __init__(self, lines: Array) -> None:
        self.weight = scaled(lines[-1])
        self.runs = Runs(*lines[:-1])
        self.truth, self.answer = (line[self.runs.starts].astype(np.int64) for line in lines[:-1])
        sums = self.runs.sums(self.weight)
        classes = int(max(self.truth.max(), self.answer.max())) + 1
        self.same = self.truth == self.answer
        hits = np.bincount(self.truth[self.same], sums[self.same], classes)
        false, missed = (
            np.array([math.fsum(sums[~self.same & (codes == code)]) for code in range(classes)])
            for codes in (self.answer, self.truth)
        )
        self.order = np.lexsort((false, missed, hits))
        self.counts = tuple(line[self.order] for line in (hits, false, missed))


def table_value(lines: Array, *, table: Table, **_: Any) -> float:
    """Return what a table makes of a sample."""
    return float(table(*Cells(lines).counts))


def table_influence(lines: Array, *, table: Table, **_: Any) -> Influenced:
    """Return that and the influence of each row: the slope of the table by its cell."""
    cells = Cells(lines)
    classes = len(cells.order)
    duals = [
        Dual(line, {kind * classes + place: unit for place, unit in enumerate(np.eye(classes))})
        for kind, line in enumerate(cells.counts)
    ]
    result = table(*duals)
    slopes = np.zeros((3, classes))
    for variable, slope in result.slopes.items() if isinstance(result, Dual) else ():
        kind, place = divmod(variable, classes)
        slopes[kind, cells.order[place]] = slope
    hits, false, missed = slopes
    of_cell = np.where(cells.same, hits[cells.truth], false[cells.answer] + missed[cells.truth])
    influences = cells.runs.of_rows(of_cell) * cells.weight * np.sqrt(bessel(cells.weight.size))
    return float(value_of(result)), influences


@cache
def of_sample(table: Table, undefined: str, bounds: tuple[float, float]) -> Recipe:
    """Return the recipe of a table of classes."""
    value, influence = partial(table_value, table=table), partial(table_influence, table=table)
    return sample(observed_class, predicted_class, value=value, influence=influence, bounds=bounds, undefined=undefined)


HITS: Final = (True, True), (False, True), (True, False)  # observed and answered yes: hits, falsely given, missed


@cache
def of_columns(table: Table, columns: int, undefined: str) -> Recipe:
    """Return the recipe of a table of yes and no: both are classes of one column, several columns are one each."""
    if columns == 1:
        cells = (*(yes_and(*cell) for cell in HITS), yes_and(False, False))
        return Recipe(cells, Statistic("table of answers", partial(_of_one_column, table=table), undefined=undefined))
    parts = tuple(yes_and(*cell, place) for cell in HITS for place in range(columns))
    return Recipe(parts, Statistic("table of answers", partial(_of_columns, table=table), undefined=undefined))


def _of_one_column(m: Means, table: Table) -> Any:
    hits, false, missed, spared = m
    return table(np.stack((spared, hits)), np.stack((missed, false)), np.stack((false, missed)))


def _of_columns(m: Means, table: Table) -> Any:
    columns = len(m) // 3
    return table(*(np.stack(m[first : first + columns]) for first in range(0, len(m), columns)))


def of_any_task(table: Callable[[Form, int], Table], undefined: str, bounds: tuple[float, float] = SHARE) -> Recipe:
    """Return the recipe of a table that depends on the form and the number of columns."""

    def recipe_of(form: Form, columns: int) -> Recipe:
        of_form = table(form, columns)
        is_binary = form.name == "binary"
        return of_columns(of_form, columns, undefined) if is_binary else of_sample(of_form, undefined, bounds)

    return recipe_of(FLAGS, 1)._replace(by_form=recipe_of)


def of_classes(
    function: Callable[..., Any], empty: float | None, undefined: str, bounds: tuple[float, float] = SHARE
) -> Recipe:
    """Return the recipe of a table that is the same for every task of one answer in each row."""
    table = table_of(function, empty=empty)
    return of_any_task(lambda form, columns: table, f"{undefined}; {AS_ZERO}", bounds)


@cache
def _rate_statistic(rate: Rate, empty: float | None, undefined: str) -> Statistic:
    return Statistic("rate of answers", lambda m: rate(m[0], m[1], m[2], empty), undefined=undefined)


def of_rate(rate: Rate, average: str, empty: float | None, *, of_yes: str, of_class: str) -> Recipe:
    """Return the recipe of a rate of answers: of the yes, of all answers together, or averaged over classes.

    of_yes, of_class: why it has no value.
    """
    by_class = average in ("macro", "weighted")
    undefined = f"{of_class if by_class else of_yes}; {AS_ZERO}"
    if by_class:
        weighted = average == "weighted"
        return of_any_task(
            lambda form, columns: averaged(rate, weighted, form.name == "binary" and columns > 1, empty), undefined
        )
    cells = Recipe(tuple(yes_and(*cell) for cell in HITS), _rate_statistic(rate, empty, undefined))
    if average == "binary":
        return cells
    one_answer = Recipe((right,))  # of one answer in each row, whatever is not right is both falsely given and missed
    return one_answer._replace(
        by_form=lambda form, columns: cells if form.name == "binary" and columns > 1 else one_answer
    )


def rate_forms(average: str, threshold: float) -> tuple[Form, ...]:
    """Return the forms: of the yes alone one column, else those of every task."""
    return (DECISION,) if average == "binary" else decision_forms(FLAGS)(threshold)


# decisions --------------------------------------------------------------------------------------------------------


@loss(forms=decision_forms(FLAGS), best=1.0, direction="max")
def accuracy(batch: Batch, *, threshold: Threshold = 0.5) -> Array:
    """Share of rows whose answer is right.

    Binary: yes where p > threshold. Multiclass: the class of the largest column, the first of equal ones. Multilabel: a
    row is right where every label is, as in scikit-learn; 1 - hamming counts single labels. Predictions may be classes
    too, as `.predict()` gives them, text or numbers.

    Formula: share of rows whose predicted class is the observed one
    Unit: 1 (between 0 and 1)
    Use: To report how often the decision is right.
    Avoid: Unbalanced classes, where always naming the largest looks good (balanced_accuracy, mcc).
    Source: Wald 1950, Statistical Decision Functions
    Also: acc, accuracy_score, categorical_accuracy, sparse_categorical_accuracy, subset_accuracy, exact_match
    Elsewhere:
        scikit-learn  accuracy_score          # of the decided labels
        keras         metrics.BinaryAccuracy  # of flags; of one output, of several it is 1 - hamming; float32
        CatBoost      Accuracy                # of the decided labels
    """
    return right(batch, threshold=threshold)


@score(forms=decision_forms(DECISION))
def balanced_accuracy(*, threshold: Threshold = 0.5, zero_division: ZeroDivision = None) -> Recipe:
    """Mean over the observed classes of the share of their rows whose answer is right.

    Classes that were never observed have no say, as in scikit-learn. Undefined where one class alone was observed
    (scikit-learn returns its recall). Binary: yes where p > threshold, and both classes count. K classes keep the
    observed and the predicted one of each row.

    Formula: mean over the observed classes of TP_c / (TP_c + FN_c)
    Unit: 1 (between 0 and 1)
    Use: Unbalanced classes that matter alike; 1/K is chance.
    Avoid: Every row matters alike: accuracy.
    Source: Mosley 2013, doi:10.31274/etd-180810-3375; Brodersen et al. 2010, doi:10.1109/ICPR.2010.764
    Also: balanced_accuracy_score, balanced_acc, bal_accuracy, bacc
    Elsewhere:
        scikit-learn  balanced_accuracy_score  # of the decided labels
        CatBoost      1 - BalancedErrorRate    # of flags
    """
    return of_classes(balanced_of, zero_division, "one class alone was observed")


Average = Annotated[
    str,
    Choice(("binary", "macro", "weighted", "micro")),
    "of the yes alone; or the mean over the classes, alike or by how often each was observed; or of all together",
]


@score(forms=rate_forms)
def precision(*, average: Average = "binary", threshold: Threshold = 0.5, zero_division: ZeroDivision = None) -> Recipe:
    """Share of the rows answered with yes that are one.

    `average=binary` is that of the positive class and takes one column. Of K classes, of several labels, and of no and
    yes as two classes `macro` is the mean over those that occur, `weighted` that by how often each was observed, and
    `micro` that of all answers together: of one answer in each row it is accuracy. So it is in scikit-learn. Undefined
    where nothing is answered with yes, or with a class that occurs: zero_division says what that counts as.

    Formula: TP / (TP + FP)
    Unit: 1 (between 0 and 1)
    Use: Acting on a yes is expensive: how many of them are right.
    Avoid: Alone: it is easily high with few answers (recall, f1).
    Source: van Rijsbergen 1979, Information Retrieval
    Also: precision_score, positive_predictive_value, ppv
    Elsewhere:
        scikit-learn  precision_score   # of the decided labels; 0 where it is not defined
        torchmetrics  binary_precision  # 0 where it is not defined; its quotient is float32
        scikit-learn  precision_score(average='macro') | precision_macro  = precision:average=macro
            # 0 where it is not defined
        scikit-learn  precision_score(average='micro') | precision_micro  = precision:average=micro
            # 0 where it is not defined
        scikit-learn  precision_score(average='weighted') | precision_weighted  = precision:average=weighted
            # 0 where it is not defined
    """
    of_yes, of_class = "no answer is yes", "a class that occurs is never the answer"
    return of_rate(precision_of, average, zero_division, of_yes=of_yes, of_class=of_class)


@score(like=precision, forms=rate_forms)
def recall(*, average: str, threshold: float, zero_division: float | None) -> Recipe:
    """Share of the yes that are answered with one.

    `average` is as for precision. Undefined where no yes, or none of a class that is answered, was observed:
    zero_division says what that counts as.

    Formula: TP / (TP + FN)
    Use: Missing a yes is expensive: how many of them are not missed.
    Avoid: Alone: always answering yes has 1 (precision, f1).
    Also: recall_score, sensitivity, true_positive_rate, tpr
    Elsewhere:
        scikit-learn  recall_score   # of the decided labels; 0 where it is not defined
        torchmetrics  binary_recall  # 0 where it is not defined; its quotient is float32
        scikit-learn  recall_score(average='macro') | recall_macro  = recall:average=macro  # 0 where it is not defined
        scikit-learn  recall_score(average='micro') | recall_micro  = recall:average=micro  # 0 where it is not defined
        scikit-learn  recall_score(average='weighted') | recall_weighted  = recall:average=weighted
            # 0 where it is not defined
    """
    of_yes, of_class = "no yes was observed", "a class that is an answer was never observed"
    return of_rate(recall_of, average, zero_division, of_yes=of_yes, of_class=of_class)


@score(like=precision, forms=rate_forms)
def f1(*, average: str, threshold: float, zero_division: float | None) -> Recipe:
    """Harmonic mean of precision and recall.

    `average` is as for precision. It is 0 where nothing is right, and undefined where there is no yes at all:
    zero_division says what that counts as.

    Formula: 2 TP / (2 TP + FP + FN)
    Use: A rare yes that is to be found without too many false ones.
    Avoid: The no matters as well: mcc.
    Also: f1_score
    Elsewhere:
        scikit-learn  f1_score                              # of the decided labels; 0 where it is not defined
        torchmetrics  binary_f1_score                       # 0 where it is not defined; its quotient is float32
        scikit-learn  f1_score(average='macro') | f1_macro  = f1:average=macro  # 0 where it is not defined
        scikit-learn  f1_score(average='micro') | f1_micro  = f1:average=micro  # 0 where it is not defined
        scikit-learn  f1_score(average='weighted') | f1_weighted  = f1:average=weighted  # 0 where it is not defined
    """
    of_yes, of_class = "no yes was observed, and none is an answer", "a label has no yes, and none is an answer"
    return of_rate(f1_of, average, zero_division, of_yes=of_yes, of_class=of_class)


@score(forms=decision_forms(DECISION))
def mcc(*, threshold: Threshold = 0.5, zero_division: ZeroDivision = None) -> Recipe:
    """Matthews correlation of observed and predicted classes, between -1 and 1; of K classes Gorodkin's R_K.

    0 is as good as chance. Undefined where all rows are of one class, or all answers are one: scikit-learn has 0 there,
    zero_division=0. K classes keep the observed and the predicted one of each row.

    Formula: (TP TN - FP FN) / √((TP + FP)(TP + FN)(TN + FP)(TN + FN)); K classes: (c s - Σ t_k p_k) / √((s² - Σ
        p_k²)(s² - Σ t_k²)), c = right rows, s = all rows, t and p = rows observed and predicted of a class
    Unit: 1 (between -1 and 1)
    Use: Unbalanced classes of which none is the positive one: it is high only where all cells are good.
    Avoid: Probabilities matter: bce. mcc_loss is that of soft counts.
    Source: Matthews 1975, doi:10.1016/0005-2795(75)90109-9; Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006
    Also: matthews_corrcoef, matthews_correlation, phi_coefficient
    Elsewhere:
        CatBoost      MCC                # of the decided labels
        scikit-learn  matthews_corrcoef  # of the decided labels; 0 where it is not defined
    """
    return of_classes(mcc_of, zero_division, "all rows are of one class, or all answers are one", CORRELATION)


@score(forms=decision_forms(DECISION))
def kappa(*, threshold: Threshold = 0.5, zero_division: ZeroDivision = None) -> Recipe:
    """Cohen's kappa of observed and predicted classes, between -1 and 1: agreement beyond chance.

    0 is as good as chance. Undefined where all rows are of one class and so are all answers. K classes keep the
    observed and the predicted one of each row.

    Formula: (p_o - p_e) / (1 - p_e), p_o = share of right rows, p_e = Σ_k t_k p_k / n²
    Unit: 1 (between -1 and 1)
    Use: Agreement of two raters, or of a model and a rater, whatever the shares of the classes.
    Avoid: Classes in order, where near misses count: it has no weights.
    Source: Cohen 1960, doi:10.1177/001316446002000104
    Also: cohen_kappa, cohen_kappa_score, cohens_kappa
    Elsewhere:
        CatBoost      Kappa              # of the decided labels
        scikit-learn  cohen_kappa_score  # of the decided labels
    """
    return of_classes(kappa_of, zero_division, "all rows are of one class, and all answers are it", CORRELATION)


@loss(forms=(RANKED_CLASSES,), best=1.0, direction="max")
def top_k_accuracy(
    batch: Batch, *, k: Annotated[float, AT_LEAST_ONE_WHOLE, "how many of the largest columns count"] = 2.0
) -> Array:
    """Share of rows whose class is among the k largest columns.

    Of equal columns the first counts as larger, as for accuracy, which it is at k=1 (scikit-learn takes the last).
    Columns may be probabilities, logits or scores.

    Formula: share of rows with fewer than k columns ahead of that of the observed class
    Unit: 1 (between 0 and 1)
    Use: Many classes, of which a short list is shown.
    Avoid: One answer is acted on: accuracy.
    Source: Deng et al. 2010, doi:10.1007/978-3-642-15555-0_6
    Also: top_k_accuracy_score
    Elsewhere:
        scikit-learn  top_k_accuracy_score(k=2)  = top_k_accuracy:k=2  # of equal columns it takes the last
        keras         metrics.SparseTopKCategoricalAccuracy(k=k) | metrics.TopKCategoricalAccuracy
            # 5 by default; without tied scores; float32 throughout
    """
    columns = batch.pred if batch.activation == "relu" else batch.raw  # no other activation makes ties in a row
    observed_column, places = pick(batch, columns), np.arange(len(columns))[:, np.newaxis]
    ahead = (columns > observed_column) | ((columns == observed_column) & (places < batch.target))
    return (np.count_nonzero(ahead, axis=0) < k).astype(np.float64)


# lists ------------------------------------------------------------------------------------------------------------

EmptyList = Annotated[float | None, UNIT, "the score of a list without relevant items; off: it has none"]


@set_loss(forms=(LISTS,), best=1.0, direction="max", undefined=NO_RELEVANT)
def mrr(batch: Batch, *, k: K = None, empty: EmptyList = None) -> Array:
    """Mean over lists of 1 over the place of the first relevant item.

    Items with a target above 0 are relevant; of items of equal score the others stand before them. A list without
    relevant items has no score, which leaves the whole undefined, unless `empty` says what it counts as: 0 in
    torchmetrics.

    Formula: mean over lists of 1/r, r = place of the first relevant item; 0 if r > k
    Unit: 1 (between 0 and 1)
    Use: One right answer is looked for: known items, questions.
    Avoid: Several relevant items (map, ndcg), or graded ones (ndcg).
    Source: Voorhees 1999, The TREC-8 Question Answering Track Report
    Also: mean_reciprocal_rank, reciprocal_rank, retrieval_mrr
    Elsewhere:
        torchmetrics  retrieval_reciprocal_rank  ≠ an item with a score of 0 or less does not count
    """
    first, of_row, score = starts(batch), set_of(batch), batch.pred[0]
    relevant = batch.target[0] > 0.0
    best = np.maximum.reduceat(np.where(relevant, score, -np.inf), first)
    rank = 1.0 + np.add.reduceat(((score >= best[of_row]) & ~relevant).astype(np.float64), first)
    value = 1.0 / rank if k is None else np.where(rank <= k, 1.0 / rank, 0.0)
    return defined(value, np.add.reduceat(relevant.astype(np.float64), first), empty)


@set_loss(like=mrr, best=1.0, direction="max")
def map(batch: Batch, *, k: float | None, empty: float | None) -> Array:  # noqa: A001
    """Mean over lists of their average precision.

    Items with a target above 0 are relevant. Items of equal score come in together, as for average_precision and
    scikit-learn's label_ranking_average_precision_score. With `k` the items at the first k places count, over as many
    relevant ones as could stand there. A list without relevant items has no score, which leaves the whole undefined,
    unless `empty` says what it counts as: 0 in torchmetrics, 1 in scikit-learn's.

    Formula: mean over lists of Σ_i P(r_i) / min(R, k), i the relevant items within the first k, P(r) = share of
        relevant ones among the first r items, R = number of relevant items
    Use: Several relevant items, the order of all of which matters, the top most.
    Avoid: Graded relevance: ndcg.
    Source: Manning, Raghavan & Schütze 2008, Introduction to Information Retrieval, 8.4
    Also: retrieval_map
    Elsewhere:
        LightGBM      map | mean_average_precision           # a list without a relevant row is 1
        scikit-learn  label_ranking_average_precision_score  = map:empty=1  # one list for each row of its arrays
        torchmetrics  retrieval_average_precision            ≠ an item with a score of 0 or less does not count
    """
    first, of_row = starts(batch), set_of(batch)
    order = np.lexsort((batch.target[0] > 0.0, -batch.pred[0], of_row))
    relevant = (batch.target[0] > 0.0)[order].astype(np.float64)
    _, last = groups(of_row[order], batch.pred[0][order])
    passed = np.concatenate([[0.0], np.cumsum(relevant)])[first][of_row]
    precision_there = (np.cumsum(relevant)[last] - passed) / (last - first[of_row] + 1.0)
    counts = relevant if k is None else np.where(place(batch) < k, relevant, 0.0)
    total = np.add.reduceat(relevant, first)
    most = total if k is None else np.minimum(total, k)
    return defined(np.add.reduceat(counts * precision_there, first) / most, total, empty)


# intervals and quantiles ------------------------------------------------------------------------------------------

BOUNDS: Final = Form(
    "interval",
    {"target": REAL.wide(1), "pred": REAL.wide(2)},
    along(
        "upper bound, the lower one 1 below, target 0",
        RESIDUALS,
        target=0.0,
        pred=[[x - 1.0 for x in RESIDUALS], RESIDUALS],
    ),
)
Alpha = Annotated[float, OPEN_UNIT, "share of rows that the interval may miss"]


def _interval_slope(batch: Batch, *, alpha: float) -> Array:
    y, (low, high) = batch.target[0], batch.pred
    return np.stack([-1.0 + 2.0 / alpha * (y < low), 1.0 - 2.0 / alpha * (y > high)])


@loss(forms=(BOUNDS,), gradient=_interval_slope, best=None)
def interval_score(batch: Batch, *, alpha: Alpha = 0.1) -> Array:
    """Interval (Winkler) score: the width of a prediction interval, and 2/alpha times by how much it misses.

    A loss: lower is better. The prediction is two columns, the lower and the upper bound. Columns that are named by
    their quantiles (q05,q95 or lo-90,hi-90) say alpha.

    Formula: mean of (u - l) + 2/alpha max(0, l - y) + 2/alpha max(0, y - u)
    Unit: target
    Optimises: the quantiles alpha/2 and 1 - alpha/2
    Use: Central prediction intervals of one level: narrow ones that hold what they should.
    Avoid: Several levels: wis. How often an interval holds: coverage.
    Source: Winkler 1972, doi:10.1080/01621459.1972.10481224; Gneiting & Raftery 2007, doi:10.1198/016214506000001437
    Subgradient: at a bound that is the target, as if it held it
    Also: winkler, winkler_score, mean_interval_score
    """
    y, (low, high) = batch.target[0], batch.pred
    return (high - low) + 2.0 / alpha * (np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0))


@residual_loss(slope=lambda r, q: 2.0 * pinball_slope(r, q), forms=quantile_forms)
def wis(
    r: Array, *, q: Annotated[float | tuple[float, ...], PerColumn(UNIT), "the quantile of each column"] = 0.5
) -> Array:
    """Weighted interval score: twice the mean quantile loss of the quantiles of one target.

    A loss: lower is better. A column for each quantile: q=0.05/0.5/0.95, or the columns are named by them. Of the
    bounds of K central intervals and the median it is 1/(K + ½) (½ |y - median| + Σ_k alpha_k/2 interval_score_k).

    Formula: mean over the columns of 2 max(q·(target - pred), (q - 1)·(target - pred))
    Unit: target
    Optimises: the quantiles
    Use: Forecasts given as quantiles, as of epidemics; it nears the CRPS.
    Avoid: One interval: interval_score.
    Source: Bracher et al. 2021, doi:10.1371/journal.pcbi.1008618
    Subgradient: 0 at r = 0
    Also: weighted_interval_score
    """
    level = by_column(q)
    return np.maximum(2.0 * (1.0 - level) * r, -2.0 * level * r)


@loss(forms=(BOUNDS,), best=None, direction="max", ranks=False)
def coverage(batch: Batch) -> Array:
    """Share of rows whose target is within the bounds, these included.

    The prediction is two columns, the lower and the upper bound. It does not rank models: it should be what the
    interval says, 0.9 for one of 90 %.

    Formula: share of rows with l ≤ y ≤ u
    Unit: 1 (between 0 and 1)
    Use: Whether intervals hold as often as they say.
    Avoid: Alone: wide intervals hold always (interval_score).
    Source: Gneiting, Balabdaoui & Raftery 2007, doi:10.1111/j.1467-9868.2007.00587.x
    Also: interval_coverage, picp, prediction_interval_coverage
    """
    y, (low, high) = batch.target[0], batch.pred
    return ((low <= y) & (y <= high)).astype(np.float64)


# images -----------------------------------------------------------------------------------------------------------


@cache
def _decibels(data_range: float) -> Statistic:
    return Statistic(
        "decibels over the mean squared residual",
        lambda m: 10.0 / math.log(10.0) * (2.0 * math.log(data_range) - np.log(m[0])),
        undefined="every residual is 0",
    )


@recipe(forms=(regression(),), best=None, direction="max")
def psnr(*, data_range: Annotated[float, POSITIVE, "largest less smallest value that there can be"] = 1.0) -> Recipe:
    """Peak signal-to-noise ratio, in decibels; infinite where every pixel is right.

    Of all values together, not the mean over images: `--by image` has one of each.

    Formula: 10 log10(data_range² / mean r²)
    Unit: dB
    Use: Images and signals of a known range: 1, or 255 for bytes (psnr:data_range=255).
    Avoid: What the eye sees is asked for, or the range is not known: mse.
    Source: Huynh-Thu & Ghanbari 2008, doi:10.1049/el:20080522
    Also: peak_signal_noise_ratio, peak_signal_to_noise_ratio
    Elsewhere:
        torchmetrics  peak_signal_noise_ratio(data_range=data_range)  # 3 by default; its mean is float32
    """
    return Recipe((squared,), _decibels(data_range))
