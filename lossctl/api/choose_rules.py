"""Rules over facts: what a profile says of the data, held against thresholds, and the losses to take for that."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Literal, NamedTuple, cast

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
from lossctl.core.form import Form, form_wish
from lossctl.core.loss import Loss
from lossctl.errors import printable
from lossctl.profile.numbers import Distribution
from lossctl.profile.roles import BOX_WIDTH, SIGNS
from lossctl.profile.rows import LabelProfile, RowsProfile
from lossctl.results.advice import Finding, Rank, Threshold

# rules ---------------------------------------------------------------------------------------------------------------

# A kind of data has a name, the task that it is for `evaluate` (- is none), and words; names that begin with * are of
# rules that several kinds share. A rule is a rank, a loss with the parameter that it sets, by the fact of that name if
# not to a value, the facts on which it rests (- is none), and the reason: {fact} is that fact in words, {%fact} in
# percent. Of the ranks first and robust the first rule that holds is taken, of `also` each; of `avoid` each whose loss
# is not taken.
TABLE: Final = """
*usual
    first   mae                heavy            {tail}: a mean of squares would be about these
    first   mse                not heavy        no outliers that would decide a mean of squares
    robust  huber:delta  delta  delta is 1.345 x 1.4826 x MAD of the residuals, which keeps 95% of the efficiency of mse
    robust  mae                not heavy        outliers count by their distance alone
    robust  log_cosh           heavy            outliers count by their distance alone
    also    quantile           -                where a bound or a service level is wanted, as quantile:q=0.9
    also    mbe                -                beside another loss, where the direction of errors matters
*by_count
    robust  mae                not median_is_zero  outliers count by their distance alone
    robust  huber:delta  delta  delta is 1.345 x 1.4826 x MAD of the residuals, which keeps 95% of the efficiency of mse
    also    wape               -                a share of all targets, which zeros and tiny targets do not spoil
*traps
    avoid   mape               has_tiny         tiny targets outweigh all others in it
    avoid   smape              costly_zeros     a target of 0 costs 2 whatever is predicted: {%zeros} of the rows
    avoid   mse                heavy            {tail}: they would decide it
    avoid   mae                median_is_zero   the median is 0: predicting 0 serves it best
*proper
    first   zero_one           decisions        decisions are right or wrong, no more
    first   brier              probable         proper, and bounded where cross-entropy is not finite
    robust  brier              probable         proper, and bounded: one row that is sure and wrong decides nothing
    also    focal              imbalanced, finite  a rare class: rows that are right already count little
    also    zero_one           not imbalanced   to report how often the decision is wrong
    also    gce                probable         where labels may be wrong
    avoid   zero_one           imbalanced, not decisions  {rarest}
*classes
    first   cce                finite           one of several classes is right: their probabilities are wanted
    *proper
    avoid   cce                sure_and_wrong   {sure}
real            regression  real numbers
    *usual
    *traps
non-negative    regression  non-negative numbers
    *usual
    *by_count
    *traps
positive        regression  positive numbers
    first  msle  wide  the target spans a factor of {magnitudes:.3g}: errors should count by their ratio
    *usual
    also    gamma_deviance     wide             where the mean is wanted and errors grow with it
    *by_count
    *traps
    avoid   mse                wide, not heavy  the largest targets would decide it
proportion      regression  numbers in [0, 1]
    *usual
    also    bce                finite           shares are probabilities of a yes: proper for their mean
    *traps
zero-inflated   regression  non-negative numbers, many of them exactly 0
    first   tweedie_deviance:power=1.5  -       {%zeros} exact zeros beside positive numbers
    first   mse                -                zeros and large numbers both add to a mean
    *by_count
    *traps
counts          regression  counts
    first   poisson            -                counts: their variance grows with their mean
    first  mse  -  predictions are not all above 0, so they are no rates: mse asks for the mean, too
    also    poisson_deviance   -                ranks as poisson does, with 0 for perfect
    also    tweedie_deviance:power=1.5  overdispersed  a dispersion of {dispersion:.3g}, where Poisson has 1
    *by_count
    *traps
binary          binary      one of two labels
    first   squared_hinge      tanh             scores of either sign: the sign is the decision
    robust  hinge              tanh             wrong rows count by their distance alone
    first   triplet_score      one_sided        only the order of such scores is left
    first   bce                finite           a yes/no question: the probability is wanted
    *proper
    avoid   bce                sure_and_wrong   {sure}
    also    hinge              not output       where only the decision matters, of scores
    also    gan_discriminator  finite           if 1 is a real row, 0 a generated one, and p is D(x)
    also    gan_generator_nonsaturating  finite  the same, for the generator
classes         multiclass  one of {k} class labels
    first   hinge              tanh             scores without a distribution: the largest decides
    first   hinge              sigmoids         scores without a distribution: the largest decides
    *classes
decisions       multiclass  one of {k} class labels, and predictions that are classes
    first   zero_one           -                decisions are right or wrong, no more
one-hot         multiclass  one-hot rows of {k} classes
    *classes
soft            multiclass  rows of {k} class probabilities
    first   cce                finite           the target is a distribution over classes
    *classes
    also    kl                 -                cce less the entropy of the target: 0 is perfect
multilabel      multilabel  {k} yes/no labels in each row
    first   bce                finite           several labels may be right at once: a probability for each
    first   mse                -                on probabilities the Brier score of each label: proper, and bounded
    robust  mse                -                on probabilities the Brier score of each label: proper, and bounded
    also    focal              imbalanced, finite  a rare class: rows that are right already count little
    avoid   bce                sure_and_wrong   {sure}
masks           -           masks of {k} pixels
    first   dice               decisions        hard masks: overlap is what they tell
    first  dice  small_foreground  a small foreground, {%ones} of the pixels: the background counts for nothing
    first   bce                finite           calibrated probabilities of pixels
    first   dice               -                bounded, where cross-entropy is not finite
    robust  dice               -                bounded: a mask that is wholly missed costs 1
    robust  iou_mask  -  bounded: a mask that is wholly missed costs 1; stricter than dice on poor ones
    also    iou_mask_score     decisions        to report hard masks by thresholds of overlap
    avoid   bce                sure_and_wrong   {sure}
boxes           -           boxes x1, y1, x2, y2
    first   giou               disjoint         {disjoint} boxes do not meet: 1 - IoU is flat there
    first   iou                -                the box as a whole, whatever its size; every pair overlaps
    first  mae  -  the predictions are no boxes x1 <= x2, y1 <= y2: coordinates can be compared
    robust  iou                -                bounded: a box that is wholly missed costs 1, however far it is
    robust  giou               -                bounded by 2, and it tells how far apart boxes are that do not meet
    also    ciou               -                for training: distance and shape speed it up
    avoid   iou_log            disjoint         it is infinite for boxes that do not meet
    avoid   mse                -                it compares coordinates, so large boxes decide it
pairs           -           pairs of embeddings with a yes/no label
    first   contrastive:margin  -               pairs that are the same or different
triplets        -           triplets of embeddings
    first   triplet:margin     -                an anchor with what is like it and what is not
constant        -           the same in every row
"""


class LossRule(NamedTuple):
    """A rule about a loss; `when` are the facts on which it rests."""

    rank: Rank | Literal["avoid"]
    loss: str
    parameter: str
    when: tuple[str, ...]
    why: str = ""


class DataKind(NamedTuple):
    """A kind of data in words, with its task and rules."""

    words: str = ""
    task: str | None = None
    rules: tuple[LossRule, ...] = ()


def kinds_of(table: str) -> Mapping[str, DataKind]:
    """Parse a table of kinds and rules."""
    kinds: dict[str, DataKind] = {}
    rules: list[LossRule] = []
    for line in filter(None, table.splitlines()):
        cells = re.split("  +", line.strip(), maxsplit=3)
        if not line.startswith(" "):
            name, task, words = (*cells, "-", "")[:3]
            kinds[name], rules = DataKind(words, None if task == "-" else task), []
        elif line.startswith(" " * 8):
            rules[-1] = rules[-1]._replace(why=line.strip())
        elif line.strip() in kinds:
            rules += kinds[line.strip()].rules
        else:
            loss, _, parameter = cells[1].partition(":")
            when = tuple(cells[2].split(", ")) if cells[2] != "-" else ()
            rules.append(LossRule(cast(Rank, cells[0]), loss, parameter, when, *cells[3:]))
        kinds[name] = kinds[name]._replace(rules=tuple(rules))
    return {name: kind for name, kind in kinds.items() if not name.startswith("*")}


KINDS: Final = kinds_of(TABLE)


# facts ---------------------------------------------------------------------------------------------------------------

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


FLAGS: Final = ({"0", "1"}, {"-1", "1"})
TRIPLET: Final = ("positive", "negative")  # what anchors are near to, and far from


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


@dataclass
class Facts:
    """What rules about losses ask of some data, and what a report shows of it.

    Every attribute is a fact, None where the data has no such number; `findings` are noted as the facts are found: of
    the target, the predictions, and what lies between them. widths: columns by role. labels: the rows of each label,
    where the target is labels; of two, the second is 1 unless they are `text`. coded: whether there is a prediction
    column for each label, in their order. decided: whether predictions are such labels too.
    """

    profile: RowsProfile
    widths: Mapping[str, int]
    labels: Mapping[str, LabelProfile]
    text: bool = False
    coded: bool = False
    decided: bool = False

    def __post_init__(self) -> None:
        self.target, self.pred = (self.profile.numbers.get(role) for role in ("target", "pred"))
        self.zeros = self.target.zeros / self.target.count if self.target is not None else 0.0  # share of targets
        self.ones = 1.0 - self.zeros  # the share of ones in 0/1 columns
        self.kind = self._kind()
        self.task = KINDS[self.kind].task
        self.wish = form_wish(self.task, ())  # the form to take of a loss that has two for such columns
        steps = (self._numbers(), self._rows_of_labels(), self._predictions(), self._errors(), self._distances())
        self.findings = tuple(chain.from_iterable(steps))

    def __getitem__(self, name: str) -> Any:
        """Return a fact by its name, or by its name after % in percent; of an output, whether it is this one."""
        if name in OUTPUTS:
            return self.output is OUTPUTS[name]
        return percent(getattr(self, name[1:])) if name.startswith("%") else getattr(self, name)

    def form_of(self, loss: Loss, wish: str | None) -> Form | None:
        """Return the form in which a loss takes the columns, None if it takes others; `wish` decides between two."""
        return loss.form_for({role: self.widths[role] for role in loss.roles if role in self.widths}, wish)

    @property
    def may_be_decided(self) -> bool:
        """Whether numbers may be classes, observed and predicted: whole, and others than 0 and 1."""
        values = set(self.profile.target.by_label)
        if self.target is None or self.pred is None or not values or values <= {"0", "1"}:
            return self.decided
        if values <= {"-1", "1"}:
            return self.pred.low == -1.0 and self.profile.holds("pred", SIGNS)
        return self.target.whole_numbers and self.pred.whole_numbers

    def _kind(self) -> str:
        """Name the kind of data: by its columns, then by the range of the target."""
        target, present = self.target, sum(label.rows > 0 for label in self.labels.values())
        if "anchor" in self.widths:
            return "triplets"
        if ((self.text or self.coded) and present < 2) or (target is not None and target.constant):
            return "constant"
        if "left" in self.widths:
            return "pairs"
        if self.decided:
            return "decisions"
        if self.coded or target is None:
            return "binary" if present == 2 and not self.coded else "classes"
        width, holds, median = self.widths["target"], self.profile.holds, target.sketch.quantile(0.5) or 0.0
        kinds = (
            ("one-hot", width > 1 and holds("target", ONE_HOT)),
            ("soft", width > 1 and holds("target", SIMPLEX)),
            ("masks", width >= MASK_WIDTH.value and holds("target", MASK)),
            ("multilabel", width > 1 and holds("target", MASK)),
            ("boxes", width == BOX_WIDTH and holds("target", TARGET_BOX)),
            ("binary", set(self.profile.target.by_label) in FLAGS),
            ("counts", target.whole_numbers and target.low >= 0.0 and median <= COUNT_MEDIAN.value),
            ("proportion", holds("target", UNIT)),
            ("positive", holds("target", POSITIVE)),
            ("zero-inflated", holds("target", NON_NEGATIVE) and self.zeros >= ZEROS.value),
            ("non-negative", holds("target", NON_NEGATIVE)),
        )
        return next((kind for kind, fits in kinds if fits), "real")

    @property
    def words(self) -> str:
        """The kind in words."""
        width = self.widths.get("target", 1)
        several = f" in {width} columns" if width > 1 and self.task == "regression" else ""
        return KINDS[self.kind].words.format(k=width if width > 1 else len(self.labels)) + several

    def _numbers(self) -> Iterator[Finding]:
        """Compare the numbers of the target with each other."""
        target, counts, inflated = self.target, self.kind == "counts", self.kind == "zero-inflated"
        self.median_is_zero = self.zeros >= HALF_ZEROS.value
        self.costly_zeros = (counts or inflated) and self.zeros > 0.0
        self.small_foreground = self.ones < FOREGROUND.value
        self.magnitudes, tiny = self._ratio(0.99, 0.01), self._ratio(0.01, 0.5)
        self.wide = self.magnitudes is not None and self.magnitudes >= MAGNITUDES.value  # many orders of magnitude
        self.has_tiny = tiny is not None and tiny < TINY.value
        rates = self.pred is not None and self.pred.low > 0.0 and "chi square" in self.profile.sums
        self.dispersion: float | None = None  # variance / mean: of the target, or about predictions that are rates
        if target is not None and target.mean:
            alone = None if target.variance is None else target.variance / target.mean
            self.dispersion = self.profile.average("chi square") if rates else alone
        self.overdispersed = self.dispersion is not None and self.dispersion >= OVERDISPERSED.value
        if target is None:
            return
        yield Finding("target", "range", _range(target), "whole numbers" if target.whole_numbers else "")
        if self.kind in ("multilabel", "masks"):
            masks = self.kind == "masks"
            meaning = f"{'a' if self.small_foreground else 'no'} small foreground" if masks else ""
            yield Finding("target", "share of ones", self.ones, meaning, FOREGROUND if masks else None, "share")
            meaning = f"0/1 columns, read as {'masks' if masks else 'labels'}"
            yield Finding("target", "columns", self.widths["target"], meaning, MASK_WIDTH)
        if self.task != "regression":
            return
        median, natural = target.sketch.quantile(0.5), target.whole_numbers and target.low >= 0.0
        meaning = ("counts" if counts else "measurements") if natural else ""
        yield Finding("target", "median", median, meaning, COUNT_MEDIAN if natural else None, "near")
        yield Finding("target", "mean", target.mean)
        meaning, threshold = "", None
        if counts:
            meaning, threshold = f"the median is {'0' if self.median_is_zero else 'above 0'}", HALF_ZEROS
        elif target.low >= 0.0:
            meaning, threshold = "zero-inflated" if inflated else "no second kind of row", ZEROS
        yield Finding("target", "share of zeros", self.zeros, meaning, threshold, "share")
        if counts and self.dispersion is not None:
            name = "dispersion about the predictions" if rates else "variance / mean"
            more = "more than Poisson: its mean stays right, its likelihood does not"
            meaning = more if self.overdispersed else "as Poisson has"
            yield Finding("target", name, self.dispersion, meaning, OVERDISPERSED)
        if (skew := target.skewness) is not None:
            far = abs(skew) >= SKEWED.value
            meaning = "a long tail: mean and median are far apart" if far else "mean and median are near"
            yield Finding("target", "skewness", skew, meaning, SKEWED)
        if self.magnitudes is not None:
            meaning = "spans orders of magnitude" if self.wide else "of one order of magnitude or two"
            yield Finding("target", "99% / 1% quantile", self.magnitudes, meaning, MAGNITUDES, "near")
        if tiny is not None:
            meaning = "tiny targets: shares of these mean little" if self.has_tiny else "no tiny targets"
            yield Finding("target", "1% quantile / median", tiny, meaning, TINY, "near")
        values = self.profile.target.counts
        if target.whole_numbers and values is not None and self.widths["target"] == 1:
            few = len(values) <= MAY_BE_LABELS.value
            meaning = "may be class labels: -p with a column per class says so" if few else "no labels"
            yield Finding("target", "different values", len(values), meaning, MAY_BE_LABELS)

    def _ratio(self, over: float, under: float) -> float | None:
        """Return the ratio of two quantiles of a positive target."""
        if self.target is None or self.target.low <= 0.0:
            return None
        value, base = (self.target.sizes.quantile(q) for q in (over, under))
        return value / base if value is not None and base else None

    def _rows_of_labels(self) -> Iterator[Finding]:
        """Look for rare labels, and for the one that is 1."""
        rows = {word: label.rows for word, label in self.labels.items() if label.rows}
        word = min(rows, key=lambda name: (rows[name], name), default="")  # the rarest
        share = rows[word] / sum(rows.values()) if len(rows) > 1 else None
        balance = None if share is None else share * len(rows)  # ... of an even share
        if self.kind == "multilabel":
            balance = 2.0 * min(self.ones, 1.0 - self.ones)
        self.imbalanced = balance is not None and balance < IMBALANCE.value
        self.rarest = "always naming the commoner classes looks good"
        self.rarest += "" if share is None else f": the rarest has {percent(share)} of the rows"
        self.positive: str | None = None  # of two labels of text, the one whose rows have the higher predictions
        if self.text and len(self.labels) == 2 and "pred" in self.widths and not self.decided:
            means = {word: label.mean for word, label in self.labels.items()}
            self.positive = None if len(set(means.values())) == 1 else max(means, key=means.__getitem__)
        self.sure_and_wrong = self.profile.counts.get("sure and wrong", 0)  # rows of what had the probability 0
        if self.coded:
            self.sure_and_wrong = sum(label.zeros for label in self.labels.values())
        elif self.text and self.positive is not None:
            wrong = (label.zeros if name == self.positive else label.ones for name, label in self.labels.items())
            self.sure_and_wrong = sum(wrong)
        rows_are = "row is" if self.sure_and_wrong == 1 else "rows are"
        self.sure = f"it is infinite: {self.sure_and_wrong} {rows_are} sure and wrong"
        if not self.labels or self.task not in ("binary", "multiclass"):
            return
        words = [f"{printable(word)} ({label.rows})" for word, label in self.labels.items()]
        more = f", {len(words) - FEW_LABELS} others" if len(words) > FEW_LABELS else ""
        yield Finding("target", "labels", len(words), ", ".join(words[:FEW_LABELS]) + more)
        if share is not None:
            yield Finding("target", "smallest class", share, f"label {printable(word)}", unit="share")
            meaning = "imbalanced" if self.imbalanced else "balanced enough"
            yield Finding("target", "smallest class x classes", balance, meaning, IMBALANCE)
        absent = [printable(word) for word, label in self.labels.items() if not label.rows]
        if absent:
            yield Finding("target", "classes without a row", len(absent), ", ".join(absent[:FEW_LABELS]))

    def _predictions(self) -> Iterator[Finding]:
        """Tell by the range of the predictions, and the sums of their rows, what they look like the output of."""
        pred, several = self.pred, self.widths.get("pred", 1) > 1
        of_classes = self.kind in ("classes", "one-hot", "soft") and several  # each has a prediction column
        self.disjoint = self.profile.counts.get("disjoint", 0)  # boxes that do not meet those of the target
        self.output: Output | None = None
        if pred is not None and self.kind not in ("boxes", "constant"):
            self.output = next(output for output, fits in self._outputs(pred, of_classes) if fits)
        output = self.output
        self.activation = "none" if output is None else output.needs  # that is still to be applied
        self.probable = output in PROBABLE  # predictions are or become probabilities, or there are none yet
        self.finite = self.probable and not self.sure_and_wrong  # so is their cross-entropy
        if pred is None:
            return
        yield Finding("prediction", "range", _range(pred))
        if self.kind == "boxes":
            meaning = "1 - IoU has no slope there" if self.disjoint else "every pair overlaps"
            yield Finding("prediction", "rows without overlap", self.disjoint, meaning)
        if output is None:
            return
        if of_classes:
            name = "row sum of exp" if output is LOG_SOFTMAX else "row sum"
            off = self._off_one(name)
            threshold = ROUNDED_SUM if output is SOFTMAX and off > ROW_SUM.value else ROW_SUM
            meaning = "sums to 1" if off <= threshold.value else "does not sum to 1"
            yield Finding("prediction", f"|{name} - 1|", None if math.isinf(off) else off, meaning, threshold)
        yield Finding("prediction", "likely output of", output.name, output.meaning)
        if self.task in ("binary", "multiclass", "multilabel") and output in (SOFTMAX, SIGMOID, DECISIONS):
            meaning = f"cross-entropy is {'infinite there' if self.sure_and_wrong else 'finite'}"
            yield Finding("prediction", "rows sure and wrong", self.sure_and_wrong, meaning)
        if self.positive is not None:
            meaning = f"predictions are higher there, {self.labels[self.positive].mean:.3g} on average"
            yield Finding("prediction", "likely positive label", printable(self.positive), meaning)

    def _outputs(self, pred: Distribution, of_classes: bool) -> Sequence[tuple[Output, bool]]:
        """Return what predictions may look like the output of, and whether they do; the first one that fits counts."""
        target, holds, decisions = self.target, self.profile.holds, ONE_HOT if of_classes else MASK
        unit, squashed = holds("pred", UNIT), pred.low >= -1.0 and pred.high <= 1.0
        decided = (DECISIONS, holds("pred", decisions) or (not of_classes and holds("pred", SIGNS)))
        if of_classes:
            soft, log_soft = (self._off_one(name) for name in ("row sum", "row sum of exp"))
            logs = (LOG_SOFTMAX, pred.high <= 0.0 and log_soft <= ROW_SUM.value)
            sums = ((SOFTMAX, unit and soft <= ROUNDED_SUM.value), (SIGMOIDS, unit), logs)
            return (decided, *sums, (TANH, squashed), (CLASS_LOGITS, True))
        if self.kind in ("binary", "multilabel", "masks", "classes"):
            one_sided = not pred.low < 0.0 < pred.high
            return decided, (SIGMOID, unit), (ONE_SIDED, one_sided), (TANH, squashed), (LOGITS, True)
        if self.kind == "proportion":
            return (SIGMOID, unit), (LINEAR, True)
        beyond = target is not None and not (target.low >= -1.0 and target.high <= 1.0)
        return (SQUASHED, squashed and beyond), (RATES, pred.low > 0.0), (RELU, pred.low == 0.0), (LINEAR, True)

    def _off_one(self, name: str) -> float:
        """Return how far sums of rows are from 1 at most; an infinity where not every row has one."""
        sums = self.profile.numbers.get(name)
        if sums is None or sums.count < self.profile.rows:
            return math.inf
        return max(abs(sums.low - 1.0), abs(sums.high - 1.0))

    def _errors(self) -> Iterator[Finding]:
        """Look at what a regression loss sums: residuals, or without predictions the target about its median."""
        numbers = self.profile.numbers if self.task == "regression" else {}
        about = next((name for name in ("residual", "target") if name in numbers and numbers[name].count), "")
        sketch = numbers[about].sketch if about else None
        scale = NORMAL_MAD * ((sketch and sketch.deviation()) or 0.0)  # the robust standard deviation
        outliers = sketch.beyond(OUTLIER_SCALES * scale) if sketch is not None and scale else 0
        outlier_share = outliers / numbers[about].count if outliers else 0.0
        tailed = outliers >= FEW_OUTLIERS and outlier_share >= OUTLIERS.value
        dominance = numbers["residual"].dominance if "residual" in numbers else None
        many = self.profile.rows >= FEW_ROWS.value  # among few rows one often counts for more than all others
        dominated = many and (dominance or 0.0) >= DOMINANT.value
        self.heavy = tailed or dominated  # outliers would decide a mean of squares
        self.tail = f"{percent(outlier_share)} of the {about}s are outliers"
        if dominated:
            self.tail = f"one row has {percent(dominance)} of the squared errors"
        corner = float(f"{HUBER_95 * scale:.{SHARP}g}") if about == "residual" else 0.0
        self.delta = corner if 0.0 < corner < math.inf else None  # of huber, for 95 % of the efficiency of mse
        if sketch is None:
            return
        if about == "residual":
            yield Finding(about, "median", sketch.quantile(0.5), "prediction - target", unit="near")
        if not scale:
            yield Finding(about, "robust scale", 0.0, "at least half of the values are the same")
        else:
            meaning = "1.4826 x MAD, the standard deviation of a normal law"
            yield Finding(about, "robust scale", scale, meaning, unit="near")
            meaning = f"{outliers} beyond 3 scales: {'heavy tails' if tailed else 'no heavy tails'}"
            yield Finding(about, "outlier share", outlier_share, meaning, OUTLIERS, "share")
        if dominance is not None:
            meaning = f"{'one' if dominated else 'no'} row decides the mean of squares"
            yield Finding(about, "share of the largest square", dominance, meaning, DOMINANT, "share")

    def _distances(self) -> Iterator[Finding]:
        """Compare the distances of embeddings."""
        distance: float | None = None  # the mean distance of what differs
        means = [label.mean for label in self.labels.values()] if self.kind == "pairs" and len(self.labels) == 2 else []
        self.inverted = bool(means) and means[1] < means[0]
        if means:
            distance = max(means)
            yield Finding("pairs", "mean distance, label 0", means[0], "same")
            meaning = "nearer than label 0, so that 1 looks like same" if self.inverted else "different, and farther"
            yield Finding("pairs", "mean distance, label 1", means[1], meaning)
        if self.kind == "triplets":
            positive, distance = (self.profile.numbers[f"distance anchor {role}"].mean for role in TRIPLET)
            for role, mean in zip(TRIPLET, (positive, distance), strict=True):
                yield Finding("triplets", f"mean distance, {role}", mean)
            share = self.profile.counts["in order"] / self.profile.rows
            yield Finding("triplets", "negative farther than positive", share, unit="share")
        near = distance is not None and 1.0 / MARGIN.value <= distance <= MARGIN.value
        self.margin = None if not distance or near else float(f"{distance:.2g}")  # where 1 is far from it
        if distance:
            meaning = "takes a margin of this scale" if self.margin else "the default margin of 1 is on this scale"
            yield Finding(self.kind, "mean distance of what differs / 1", distance, meaning, MARGIN)


def _range(numbers: Distribution) -> str:
    return f"{numbers.low:.6g} to {numbers.high:.6g}"
