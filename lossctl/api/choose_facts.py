"""Facts: what a profile says of the data that a loss is chosen for, and the thresholds that it is held against."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from lossctl.core.domain import (
    MASK,
    NON_NEGATIVE,
    ONE_HOT,
    POSITIVE,
    SIMPLEX,
    SUM_TOLERANCE,
    TARGET_BOX,
    UNIT,
)
from lossctl.core.form import form_wish
from lossctl.errors import printable
from lossctl.profile.numbers import Distribution
from lossctl.profile.roles import BOX_WIDTH, SIGNS
from lossctl.profile.rows import LabelProfile, RowsProfile
from lossctl.results.advice import Finding, Threshold

# thresholds: no source gives them; they are conventions, and a report shows those that it used -----------------------

NORMAL_MAD: Final = 1.4826  # times the median absolute deviation is the standard deviation of a normal law
OUTLIER_SCALES: Final = 3.0  # standard deviations beyond which a value is called an outlier
HUBER_95: Final = 1.345  # standard deviations: there huber keeps 95 % of the efficiency of mse under a normal law
FEW_OUTLIERS: Final = 3  # rows that a tail takes: one or two odd rows of a small file are none
SHARP: Final = 3  # significant digits of a suggested parameter: the sketch that it comes from has no more
FEW_LABELS: Final = 3  # labels that are named

OUTLIERS: Final = Threshold(
    "outlier share",
    0.01,
    "a normal law has 0.27 % beyond 3 x 1.4826 x MAD, a logistic one 1.5 %, a Laplace one 4.6 %; "
    f"and at least {FEW_OUTLIERS} rows",
    "share",
)
DOMINANT: Final = Threshold(
    "share of the largest square", 0.5, "one value then counts for more than all others together", "share"
)
SKEWED: Final = Threshold("skewness", 2.0, "that of an exponential law: mean and median are far apart")
MAGNITUDES: Final = Threshold(
    "99% quantile / 1% quantile", 100.0, "two orders of magnitude: errors are then compared by their ratio"
)
COUNT_MEDIAN: Final = Threshold(
    "median of whole numbers",
    30.0,
    "above it a Poisson count is near normal (skewness 0.18), and whole numbers are measurements as well as counts",
)
OVERDISPERSED: Final = Threshold(
    "dispersion", 2.0, "a Poisson count has 1; at 2 its intervals are too narrow by a factor of 1.4"
)
ZEROS: Final = Threshold(
    "share of zeros", 0.1, "a continuous number is never exactly 0: that many zeros are a second kind of row", "share"
)
HALF_ZEROS: Final = Threshold("share of zeros", 0.5, "the median is 0 then, and mae is best served by 0", "share")
TINY: Final = Threshold("1% quantile of |target| / median", 0.01, "such rows outweigh others a hundredfold in mape")
IMBALANCE: Final = Threshold("smallest class x classes", 0.2, "a fifth of an even share, which is 10 % of two classes")
FOREGROUND: Final = Threshold("share of ones", 0.1, "an empty mask is right in nine pixels of ten then", "share")
MASK_WIDTH: Final = Threshold("columns of a mask", 64.0, "8 x 8 pixels; fewer 0/1 columns are labels")
ROW_SUM: Final = Threshold("|sum of a row - 1|", 1e-6, "what is left of a softmax after seven digits")
ROUNDED_SUM: Final = Threshold("|sum of a row - 1|", SUM_TOLERANCE, "probabilities that were rounded to three digits")
MAY_BE_LABELS: Final = Threshold("different whole numbers", 20.0, "so few may as well be class labels")
FEW_ROWS: Final = Threshold("rows", 30.0, "shares and scales of fewer rows are rough")
MARGIN: Final = Threshold(
    "mean distance of what differs / margin", 2.0, "a margin on another scale leaves no or every pair without slope"
)

# what data may be ----------------------------------------------------------------------------------------------------


class Kind(NamedTuple):
    """A kind of data in words, and the task that it is for `evaluate`; None where it has none for such data."""

    words: str
    task: str | None = None


KINDS: Final[Mapping[str, Kind]] = {
    "triplets": Kind("triplets of embeddings"),
    "pairs": Kind("pairs of embeddings with a yes/no label"),
    "binary": Kind("one of two labels", "binary"),
    "classes": Kind("one of {k} class labels", "multiclass"),
    "one-hot": Kind("one-hot rows of {k} classes", "multiclass"),
    "soft": Kind("rows of {k} class probabilities", "multiclass"),
    "multilabel": Kind("{k} yes/no labels in each row", "multilabel"),
    "masks": Kind("masks of {k} pixels"),
    "boxes": Kind("boxes x1, y1, x2, y2"),
    "counts": Kind("counts", "regression"),
    "proportion": Kind("numbers in [0, 1]", "regression"),
    "zero-inflated": Kind("non-negative numbers, many of them exactly 0", "regression"),
    "positive": Kind("positive numbers", "regression"),
    "non-negative": Kind("non-negative numbers", "regression"),
    "real": Kind("real numbers", "regression"),
    "constant": Kind("the same in every row"),
}
FLAGS: Final = ({"0", "1"}, {"-1", "1"})


class Output(NamedTuple):
    """What predictions look like the output of, the activation that they still need before a loss, and why."""

    name: str
    needs: str
    meaning: str


SOFTMAX: Final = Output("softmax", "none", "class probabilities")
SIGMOID: Final = Output("sigmoid", "none", "probabilities")
DECISIONS: Final = Output("decisions", "none", "only 0 and 1, or -1 and 1: no probabilities")
SIGMOIDS: Final = Output("independent sigmoids", "none", "rows do not sum to 1: no distribution over the classes")
LOG_SOFTMAX: Final = Output("log-softmax", "softmax", "all <= 0, exp sums to 1: softmax gives the probabilities back")
TANH: Final = Output("tanh", "none", "in [-1, 1] and of either sign: scores, no probabilities")
CLASS_LOGITS: Final = Output("linear (logits)", "softmax", "no probabilities; logits of the classes need a softmax")
LOGITS: Final = Output("linear (logits)", "sigmoid", "no probabilities; logits of a yes need a sigmoid")
ONE_SIDED: Final = Output("one-sided scores", "none", "no probabilities, all on one side of 0: their order is left")
RATES: Final = Output("exp, softplus or linear", "none", "all positive, as rates are")
RELU: Final = Output("relu or linear", "none", "never negative, with exact zeros, which have no logarithm")
LINEAR: Final = Output("linear", "none", "of any sign: no rates, no probabilities")
SQUASHED: Final = Output("sigmoid or tanh", "none", "in [-1, 1], and the target is not: such a model cannot reach it")
PROBABLE: Final = (None, SOFTMAX, SIGMOID, LOG_SOFTMAX, CLASS_LOGITS, LOGITS)
OUTPUTS: Final = {"decisions": DECISIONS, "tanh": TANH, "sigmoids": SIGMOIDS, "one_sided": ONE_SIDED}  # by fact


def percent(share: float | None) -> str:
    """Write a share in percent."""
    return f"{100.0 * (share or 0.0):.3g}%"


@dataclass(frozen=True)
class Facts:
    """What rules about losses ask of some data.

    widths: columns by role. labels: the rows of each label, where the target is labels; of two, the second is 1 unless
    they are `text`. coded: whether there is a prediction column for each label, in their order.
    """

    profile: RowsProfile
    widths: Mapping[str, int]
    labels: Mapping[str, LabelProfile]
    text: bool = False
    coded: bool = False

    def __getitem__(self, name: str) -> Any:
        """Return a fact by its name, or by its name after % in percent; of an output, whether it is this one."""
        if name in OUTPUTS:
            return self.output is OUTPUTS[name]
        return percent(getattr(self, name[1:])) if name.startswith("%") else getattr(self, name)

    @property
    def target(self) -> Distribution | None:
        return self.profile.numbers.get("target")

    @property
    def pred(self) -> Distribution | None:
        return self.profile.numbers.get("pred")

    # what the data is ------------------------------------------------------------------------------------------------

    @cached_property
    def kind(self) -> str:
        """The kind of data: by its columns, then by the range of the target."""
        target, present = self.target, sum(label.rows > 0 for label in self.labels.values())
        if "anchor" in self.widths:
            return "triplets"
        if ((self.text or self.coded) and present < 2) or (target is not None and target.constant):
            return "constant"
        if "left" in self.widths:
            return "pairs"
        if self.coded or target is None:
            return "binary" if present == 2 and not self.coded else "classes"
        return self._kind_of_columns() or self._kind_of_numbers(target)

    def _kind_of_columns(self) -> str | None:
        width = self.widths["target"]
        if width == 1:
            return None
        for kind, domain in (("one-hot", ONE_HOT), ("soft", SIMPLEX)):
            if self.profile.holds("target", domain):
                return kind
        if self.profile.holds("target", MASK):
            return "masks" if width >= MASK_WIDTH.value else "multilabel"
        return "boxes" if width == BOX_WIDTH and self.profile.holds("target", TARGET_BOX) else None

    def _kind_of_numbers(self, target: Distribution) -> str:
        if set(self.profile.target.counts or ()) in FLAGS:
            return "binary"
        if target.whole and target.low >= 0.0 and (target.sketch.quantile(0.5) or 0.0) <= COUNT_MEDIAN.value:
            return "counts"
        for kind, domain in (("proportion", UNIT), ("positive", POSITIVE)):
            if self.profile.holds("target", domain):
                return kind
        if self.profile.holds("target", NON_NEGATIVE):
            return "zero-inflated" if self.zeros >= ZEROS.value else "non-negative"
        return "real"

    @property
    def what(self) -> str:
        """The kind in words."""
        width = self.widths.get("target", 1)
        several = f" in {width} columns" if width > 1 and self.task == "regression" else ""
        return KINDS[self.kind].words.format(k=width if width > 1 else len(self.labels)) + several

    @property
    def task(self) -> str | None:
        return KINDS[self.kind].task

    @property
    def wish(self) -> str | None:
        """The form to take of a loss that has two for such columns."""
        return form_wish(self.task, ())

    # the target ------------------------------------------------------------------------------------------------------

    @property
    def zeros(self) -> float:
        """The share of targets that are exactly 0."""
        return self.target.zeros / self.target.count if self.target is not None else 0.0

    @property
    def ones(self) -> float:
        """The share of ones in 0/1 columns."""
        return 1.0 - self.zeros

    @property
    def median_is_zero(self) -> bool:
        return self.zeros >= HALF_ZEROS.value

    @property
    def costly_zeros(self) -> bool:
        """Whether there are targets of 0 among numbers that are counts or never negative."""
        return self.kind in ("counts", "zero-inflated") and self.zeros > 0.0

    @cached_property
    def magnitudes(self) -> float | None:
        """The 99 % quantile of a positive target over the 1 % quantile."""
        return self._ratio(0.99, 0.01)

    @property
    def wide(self) -> bool:
        """Whether the target spans orders of magnitude."""
        return self.magnitudes is not None and self.magnitudes >= MAGNITUDES.value

    @cached_property
    def tiny(self) -> float | None:
        """The 1 % quantile of a positive target over its median."""
        return self._ratio(0.01, 0.5)

    @property
    def has_tiny(self) -> bool:
        return self.tiny is not None and self.tiny < TINY.value

    def _ratio(self, over: float, under: float) -> float | None:
        if self.target is None or self.target.low <= 0.0:
            return None
        value, base = (self.target.sizes.quantile(q) for q in (over, under))
        return value / base if value is not None and base else None

    @property
    def about_rates(self) -> bool:
        """Whether the dispersion is about the predictions."""
        return self.pred is not None and self.pred.low > 0.0 and "chi square" in self.profile.sums

    @property
    def dispersion(self) -> float | None:
        """The variance over the mean: of the target, or about the predictions where these are rates."""
        if self.target is None or not self.target.mean:
            return None
        if self.about_rates:
            return self.profile.average("chi square")
        return None if self.target.variance is None else self.target.variance / self.target.mean

    @property
    def overdispersed(self) -> bool:
        """Whether counts vary more than those of a Poisson law."""
        return self.dispersion is not None and self.dispersion >= OVERDISPERSED.value

    @cached_property
    def smallest(self) -> tuple[str, float, float] | None:
        """The rarest label that occurs, its share of the rows, and that as a part of an even share."""
        rows = {word: label.rows for word, label in self.labels.items() if label.rows}
        if len(rows) < 2:
            return None
        word = min(rows, key=lambda name: (rows[name], name))
        share = rows[word] / sum(rows.values())
        return word, share, share * len(rows)

    @property
    def rarest(self) -> str:
        """Why accuracy misleads."""
        share = f": the rarest has {percent(self.smallest[1])} of the rows" if self.smallest is not None else ""
        return f"always naming the commoner classes looks good{share}"

    @property
    def imbalanced(self) -> bool:
        """Whether a label is rare."""
        if self.kind == "multilabel":
            return 2.0 * min(self.ones, 1.0 - self.ones) < IMBALANCE.value
        return self.smallest is not None and self.smallest[2] < IMBALANCE.value

    @property
    def small_foreground(self) -> bool:
        return self.ones < FOREGROUND.value

    # the predictions -------------------------------------------------------------------------------------------------

    @cached_property
    def output(self) -> Output | None:
        """What the range of the predictions, and the sums of their rows, look like; None without any."""
        pred, target, holds = self.pred, self.target, self.profile.holds
        if pred is None or self.kind in ("boxes", "constant"):
            return None
        squashed = pred.low >= -1.0 and pred.high <= 1.0
        if self.of_classes:
            if holds("pred", UNIT):
                sums = SOFTMAX if self.off_one("row sum") <= ROUNDED_SUM.value else SIGMOIDS
                return DECISIONS if holds("pred", ONE_HOT) else sums
            if pred.high <= 0.0 and self.off_one("row sum of exp") <= ROW_SUM.value:
                return LOG_SOFTMAX
            return TANH if squashed else CLASS_LOGITS
        if self.kind in ("binary", "multilabel", "masks", "classes"):
            if holds("pred", MASK) or holds("pred", SIGNS):
                return DECISIONS
            if holds("pred", UNIT):
                return SIGMOID
            return ONE_SIDED if not pred.low < 0.0 < pred.high else TANH if squashed else LOGITS
        if self.kind == "proportion":
            return SIGMOID if holds("pred", UNIT) else LINEAR
        if squashed and target is not None and not (target.low >= -1.0 and target.high <= 1.0):
            return SQUASHED
        return RATES if pred.low > 0.0 else RELU if pred.low == 0.0 else LINEAR

    @property
    def of_classes(self) -> bool:
        """Whether each of several classes has a prediction column."""
        return self.kind in ("classes", "one-hot", "soft") and self.widths.get("pred", 1) > 1

    @property
    def activation(self) -> str:
        """The activation that the predictions still need."""
        return "none" if self.output is None else self.output.needs

    @property
    def probable(self) -> bool:
        """Whether predictions are or become probabilities, or there are none yet."""
        return self.output in PROBABLE

    @property
    def finite(self) -> bool:
        """Whether the cross-entropy of such probabilities is finite, too."""
        return self.probable and not self.sure_and_wrong

    def off_one(self, name: str) -> float:
        """Return how far sums of rows are from 1 at most; an infinity where not every row has one."""
        sums = self.profile.numbers.get(name)
        if sums is None or sums.count < self.profile.rows:
            return math.inf
        return max(abs(sums.low - 1.0), abs(sums.high - 1.0))

    @property
    def sure_and_wrong(self) -> int:
        """The rows where what was observed has the probability 0."""
        if self.coded:
            return sum(label.zeros for label in self.labels.values())
        if self.text:
            labels = self.labels.items() if self.positive is not None else ()
            return sum(label.zeros if word == self.positive else label.ones for word, label in labels)
        return self.profile.counts.get("sure and wrong", 0)

    @property
    def sure(self) -> str:
        """Why cross-entropy is infinite."""
        count = self.sure_and_wrong
        return f"it is infinite: {count} row{' is' if count == 1 else 's are'} sure and wrong"

    @property
    def positive(self) -> str | None:
        """Of two labels of text, the one whose rows have the higher predictions; None where nothing tells."""
        if not self.text or len(self.labels) != 2 or "pred" not in self.widths:
            return None
        means = {word: label.mean for word, label in self.labels.items()}
        return None if len(set(means.values())) == 1 else max(means, key=means.__getitem__)

    @property
    def disjoint(self) -> int:
        """The boxes that do not meet those of the target."""
        return self.profile.counts.get("disjoint", 0)

    # the residuals ---------------------------------------------------------------------------------------------------

    @cached_property
    def errors(self) -> tuple[str, Distribution] | None:
        """What a regression loss sums: residuals, or without predictions the target about its median."""
        numbers = self.profile.numbers
        names = [name for name in ("residual", "target") if name in numbers and numbers[name].count]
        return (names[0], numbers[names[0]]) if names and self.task == "regression" else None

    @cached_property
    def scale(self) -> float | None:
        """The robust standard deviation of the errors; None where it is 0 or there are none."""
        deviation = self.errors and self.errors[1].sketch.deviation()
        return NORMAL_MAD * deviation if deviation else None

    @cached_property
    def outliers(self) -> int:
        """The errors beyond three robust standard deviations."""
        if self.errors is None or self.scale is None:
            return 0
        return self.errors[1].sketch.beyond(OUTLIER_SCALES * self.scale)

    @property
    def outlier_share(self) -> float:
        return 0.0 if self.errors is None else self.outliers / self.errors[1].count

    @property
    def dominance(self) -> float | None:
        """The share of the largest squared residual in all of them."""
        residual = self.profile.numbers.get("residual")
        return None if residual is None or self.task != "regression" else residual.dominance

    @property
    def tailed(self) -> bool:
        """Whether there are more outliers than a normal law has."""
        return self.outliers >= FEW_OUTLIERS and self.outlier_share >= OUTLIERS.value

    @property
    def dominated(self) -> bool:
        """Whether one residual counts for more than all others together; among few rows one often does."""
        return self.profile.rows >= FEW_ROWS.value and (self.dominance or 0.0) >= DOMINANT.value

    @property
    def heavy(self) -> bool:
        """Whether outliers would decide a mean of squares."""
        return self.tailed or self.dominated

    @property
    def tail(self) -> str:
        """What makes the tails heavy."""
        if self.dominated:
            return f"one row has {percent(self.dominance)} of the squared errors"
        about = "residuals" if self.errors is not None and self.errors[0] == "residual" else "targets"
        return f"{percent(self.outlier_share)} of the {about} are outliers"

    @property
    def delta(self) -> float | None:
        """The corner of huber that keeps 95 % of the efficiency of mse, from the scale of the residuals."""
        if self.scale is None or self.errors is None or self.errors[0] != "residual":
            return None
        delta = float(f"{HUBER_95 * self.scale:.{SHARP}g}")
        return delta if 0.0 < delta < math.inf else None

    # embeddings ------------------------------------------------------------------------------------------------------

    @property
    def pair_distances(self) -> tuple[float, ...] | None:
        """The mean distances of the pairs labelled 0 and of those labelled 1."""
        two = self.kind == "pairs" and len(self.labels) == 2
        return tuple(label.mean for label in self.labels.values()) if two else None

    @property
    def inverted(self) -> bool:
        """Whether pairs labelled 1 are the nearer ones, though 1 is to mean different."""
        return self.pair_distances is not None and self.pair_distances[1] < self.pair_distances[0]

    @property
    def distance(self) -> float | None:
        """The mean distance of what differs: pairs labelled 1, or anchors and negatives."""
        if self.kind == "triplets":
            return self.profile.numbers["distance anchor negative"].mean
        return max(self.pair_distances) if self.pair_distances is not None else None

    @property
    def margin(self) -> float | None:
        """A margin on the scale of the distances, where 1 is not on it."""
        return None if not self.distance or self.near_one else float(f"{self.distance:.2g}")

    @property
    def near_one(self) -> bool:
        """Whether a margin of 1 is on the scale of the distances."""
        return self.distance is not None and 1.0 / MARGIN.value <= self.distance <= MARGIN.value


# findings ------------------------------------------------------------------------------------------------------------


def findings(facts: Facts) -> Iterator[Finding]:
    """Yield the facts that a report shows: of the target, the predictions, and what lies between them."""
    if facts.target is not None:
        whole = "whole numbers" if facts.target.whole else ""
        yield Finding("target", "range", _range(facts.target), whole)
        if facts.task == "regression":
            yield from _target_findings(facts, facts.target)
        elif facts.kind == "multilabel":
            yield Finding("target", "share of ones", facts.ones, unit="share")
            yield Finding("target", "columns", facts.widths["target"], "0/1 columns, read as labels", MASK_WIDTH)
        elif facts.kind == "masks":
            meaning = "a small foreground" if facts.small_foreground else "no small foreground"
            yield Finding("target", "share of ones", facts.ones, meaning, FOREGROUND, "share")
            yield Finding("target", "columns", facts.widths["target"], "0/1 columns, read as masks", MASK_WIDTH)
    if facts.labels and facts.task in ("binary", "multiclass"):
        yield from _label_findings(facts)
    if facts.pred is not None:
        yield from _prediction_findings(facts, facts.pred)
    if facts.errors is not None:
        yield from _error_findings(facts, *facts.errors)
    yield from _distance_findings(facts)


def _range(numbers: Distribution) -> str:
    return f"{numbers.low:.6g} to {numbers.high:.6g}"


def _target_findings(facts: Facts, target: Distribution) -> Iterator[Finding]:
    counts, median = facts.kind == "counts", target.sketch.quantile(0.5)
    if target.whole and target.low >= 0.0:
        yield Finding("target", "median", median, "counts" if counts else "measurements", COUNT_MEDIAN, "near")
    else:
        yield Finding("target", "median", median, unit="near")
    yield Finding("target", "mean", target.mean)
    if target.low < 0.0:
        yield Finding("target", "share of zeros", facts.zeros, unit="share")
    elif counts:
        meaning = "the median is 0" if facts.median_is_zero else "the median is above 0"
        yield Finding("target", "share of zeros", facts.zeros, meaning, HALF_ZEROS, "share")
    else:
        meaning = "zero-inflated" if facts.kind == "zero-inflated" else "no second kind of row"
        yield Finding("target", "share of zeros", facts.zeros, meaning, ZEROS, "share")
    if counts and facts.dispersion is not None:
        more = "more than Poisson: its mean stays right, its likelihood does not"
        name = "dispersion about the predictions" if facts.about_rates else "variance / mean"
        yield Finding(
            "target", name, facts.dispersion, more if facts.overdispersed else "as Poisson has", OVERDISPERSED
        )
    if (skew := target.skewness) is not None:
        long = abs(skew) >= SKEWED.value
        meaning = "a long tail: mean and median are far apart" if long else "mean and median are near"
        yield Finding("target", "skewness", skew, meaning, SKEWED)
    if facts.magnitudes is not None:
        meaning = "spans orders of magnitude" if facts.wide else "of one order of magnitude or two"
        yield Finding("target", "99% / 1% quantile", facts.magnitudes, meaning, MAGNITUDES, "near")
    if facts.tiny is not None:
        meaning = "tiny targets: shares of these mean little" if facts.has_tiny else "no tiny targets"
        yield Finding("target", "1% quantile / median", facts.tiny, meaning, TINY, "near")
    values = facts.profile.target.counts
    if target.whole and values is not None and facts.widths["target"] == 1:
        few = len(values) <= MAY_BE_LABELS.value
        meaning = "may be class labels: -p with a column per class says so" if few else "no labels"
        yield Finding("target", "different values", len(values), meaning, MAY_BE_LABELS)


def _label_findings(facts: Facts) -> Iterator[Finding]:
    words = [f"{printable(word)} ({label.rows})" for word, label in facts.labels.items()]
    more = f", {len(words) - FEW_LABELS} others" if len(words) > FEW_LABELS else ""
    yield Finding("target", "labels", len(words), ", ".join(words[:FEW_LABELS]) + more)
    if facts.smallest is not None:
        word, share, balance = facts.smallest
        yield Finding("target", "smallest class", share, f"label {printable(word)}", unit="share")
        meaning = "imbalanced" if facts.imbalanced else "balanced enough"
        yield Finding("target", "smallest class x classes", balance, meaning, IMBALANCE)
    absent = [printable(word) for word, label in facts.labels.items() if not label.rows]
    if absent:
        yield Finding("target", "classes without a row", len(absent), ", ".join(absent[:FEW_LABELS]))


def _prediction_findings(facts: Facts, pred: Distribution) -> Iterator[Finding]:
    yield Finding("prediction", "range", _range(pred))
    if facts.kind == "boxes":
        meaning = "1 - IoU has no slope there" if facts.disjoint else "every pair overlaps"
        yield Finding("prediction", "rows without overlap", facts.disjoint, meaning)
    output = facts.output
    if output is None:
        return
    if facts.of_classes:
        name = "row sum of exp" if output is LOG_SOFTMAX else "row sum"
        off = facts.off_one(name)
        threshold = ROUNDED_SUM if output is SOFTMAX and off > ROW_SUM.value else ROW_SUM
        meaning = "sums to 1" if off <= threshold.value else "does not sum to 1"
        yield Finding("prediction", f"|{name} - 1|", None if math.isinf(off) else off, meaning, threshold)
    yield Finding("prediction", "likely output of", output.name, output.meaning)
    if facts.task in ("binary", "multiclass", "multilabel") and output in (SOFTMAX, SIGMOID, DECISIONS):
        meaning = "cross-entropy is infinite there" if facts.sure_and_wrong else "cross-entropy is finite"
        yield Finding("prediction", "rows sure and wrong", facts.sure_and_wrong, meaning)
    if facts.positive is not None:
        meaning = f"predictions are higher there, {facts.labels[facts.positive].mean:.3g} on average"
        yield Finding("prediction", "likely positive label", printable(facts.positive), meaning)


def _error_findings(facts: Facts, about: str, errors: Distribution) -> Iterator[Finding]:
    if about == "residual":
        yield Finding(about, "median", errors.sketch.quantile(0.5), "prediction - target", unit="near")
    if facts.scale is None:
        yield Finding(about, "robust scale", 0.0, "at least half of the values are the same")
    else:
        meaning = "1.4826 x MAD, the standard deviation of a normal law"
        yield Finding(about, "robust scale", facts.scale, meaning, unit="near")
        meaning = f"{facts.outliers} beyond 3 scales: {'heavy tails' if facts.tailed else 'no heavy tails'}"
        yield Finding(about, "outlier share", facts.outlier_share, meaning, OUTLIERS, "share")
    if facts.dominance is not None:
        meaning = "one row decides the mean of squares" if facts.dominated else "no row decides the mean of squares"
        yield Finding(about, "share of the largest square", facts.dominance, meaning, DOMINANT, "share")


def _distance_findings(facts: Facts) -> Iterator[Finding]:
    if facts.pair_distances is not None:
        yield Finding("pairs", "mean distance, label 0", facts.pair_distances[0], "same")
        meaning = "nearer than label 0, so that 1 looks like same" if facts.inverted else "different, and farther"
        yield Finding("pairs", "mean distance, label 1", facts.pair_distances[1], meaning)
    if facts.kind == "triplets":
        for role in ("positive", "negative"):
            yield Finding("triplets", f"mean distance, {role}", facts.profile.numbers[f"distance anchor {role}"].mean)
        share = facts.profile.counts["in order"] / facts.profile.rows
        yield Finding("triplets", "negative farther than positive", share, unit="share")
    if facts.distance:
        meaning = "the default margin of 1 is on this scale" if facts.near_one else "takes a margin of this scale"
        yield Finding(facts.kind, "mean distance of what differs / 1", facts.distance, meaning, MARGIN)
