"""Losses of predicted probabilities: cross-entropy, Brier score, and what changes them for rare or wrong labels.

Most are a cost of what was observed: `outcome.p` is the probability that it was given, `outcome.complement` 1 - p and
`outcome.log_p` ln p. `losses.outcome` averages the cost over soft, smoothed or weighted targets.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, flag, log_prob, other_prob
from lossctl.core.declare import Recipe, recipe
from lossctl.core.domain import NON_NEGATIVE, POSITIVE, Interval
from lossctl.core.statistic import Statistic
from lossctl.losses.forms import BINARY, BINARY_ONE, CLASS_ROWS, CLASSES, in_logs
from lossctl.losses.outcome import (
    IGNORE_CLASS,
    SHARED,
    ClassWeight,
    Ignored,
    Outcome,
    Smoothing,
    answers,
    binary_slope,
    certain,
    class_loss,
    class_rows,
    class_slope,
    counted,
    has_labels,
    label_forms,
    label_weight,
    mean_cost,
    observed_place,
    other_observed,
    outcome_loss,
    outcomes,
    part_of,
    pick,
    smoothed,
    spread,
)
from lossctl.numerics.array import Array, polynomial
from lossctl.numerics.deviance import ODD
from lossctl.numerics.quotient import expected

LOG_CLASSES = in_logs(CLASSES, "pred")


@outcome_loss(
    "eps",
    "pos_weight",
    "label_smoothing",
    "class_weight",
    elasticity=lambda outcome: -1.0,
    forms=(BINARY,),
    later=("ignore_class",),
    functional="mean",
)
def bce(outcome: Outcome) -> Array:
    """Binary cross-entropy (log loss) of probabilities.

    Exact: p = 0 for an observed 1 costs infinity. A row with several outputs (multilabel) is their mean.
    Targets are 0/1, -1/+1 or probabilities. From logits (--activation sigmoid) no digit is lost at any size.
    label_smoothing = e makes of y the soft target (1 - e) y + e/2. With ignore_class the mean is over all outputs (or
    pixels) that count.

    Formula: mean of -[w y ln p + (1 - y) ln(1 - p)], w = pos_weight
    Unit: nats
    Optimises: the probability of a yes
    Use: Yes/no questions, one or several at once (multilabel), down to every pixel of a binary segmentation; end the
        model with sigmoid. The most common choice for two classes; it asks for the probability. It equals the average
        of cce over as many two-class tasks.
    Avoid: Exactly one of several classes is right: cce. Only the decision matters: hinge.
    Source: Good 1952; Cox 1958, doi:10.1111/j.2517-6161.1958.tb00292.x
    Also: binary_cross_entropy, binary_crossentropy
    Elsewhere:
        torch         nn.BCELoss                            = bce:eps=3.720075976020836e-44  # it clamps ln p at -100
        torch         nn.BCEWithLogitsLoss(pos_weight=[3])  = bce:pos_weight=3 --activation sigmoid
        torch         nn.BCEWithLogitsLoss | F.binary_cross_entropy_with_logits  = bce --activation sigmoid
        keras         BinaryCrossentropy(label_smoothing=label_smoothing)  = bce:eps=1e-7  # float32 throughout
        scikit-learn  log_loss                              = bce:eps=2.220446049250313e-16
            # eps of the type; one output
        optax         sigmoid_binary_cross_entropy          = bce --activation sigmoid
        permetrics    CEL                                   ≠ it puts a floor of 1e-10 under p and none over it
        XGBoost       logloss                               = bce:eps=1e-16  # float32
        LightGBM      binary_logloss | binary               = bce:eps=1e-15  # of certain targets
        LightGBM      cross_entropy | xentropy              = bce:eps=1e-12
        LightGBM      cross_entropy_lambda | xentlambda     ≠ its probability is 1 - exp(-weight·score)
        CatBoost      CrossEntropy | MultiLogloss | MultiCrossEntropy  = bce --activation sigmoid
        CatBoost      Logloss                               = bce --activation sigmoid  # of certain targets
        CatBoost, of queries  QueryCrossEntropy  ≠ every query has a logit of its own, which is fitted first
        segmentation-models-pytorch  SoftBCEWithLogitsLoss                 = bce --activation sigmoid
        XGBoost objective  binary:logistic | reg:logistic | binary:logitraw  = bce --activation sigmoid  # of margins
        LightGBM objective  multiclassova | multiclass_ova | ova | ovr  ≠ its target is each class against the others
    """
    return -outcome.log_p


@outcome_loss("eps", "label_smoothing", "class_weight", elasticity=lambda outcome: -1.0, forms=(CLASSES, CLASS_ROWS))
def cce(outcome: Outcome) -> Array:
    """Categorical cross-entropy of rows of probabilities.

    Targets are class labels, one-hot rows or soft rows. Rows are not renormalised: a row that does not sum to 1
    is an error. label_smoothing = e makes of q the row (1 - e) q + e/K. With class_weight a row costs
    -Σ_c w_c q_c ln p_c, and the mean divides by the sum of w_y (for soft rows of Σ_c w_c q_c).

    Formula: mean of -Σ_c q_c ln p_c; for a label y: -ln p_y
    Unit: nats
    Optimises: the probabilities of the classes
    Use: Exactly one of K classes is right; the model ends with softmax and targets are labels, one-hot or soft rows. It
        asks for the class probabilities.
    Avoid: Several classes may be right at once: bce. That sigmoid is a perfect match for it, as is sometimes written,
        holds for one two-class output only: K independent sigmoids do not sum to 1.
    Source: Good 1952; softmax: Bridle 1990, doi:10.1007/978-3-642-76153-9_28
    Also: categorical_cross_entropy, categorical_crossentropy
    Elsewhere:
        torch         nn.CrossEntropyLoss(label_smoothing=label_smoothing) | F.cross_entropy  = cce --activation softmax
            # NaN where a logit is -inf
        torch         nn.CrossEntropyLoss(weight=[1, 2, 3])
            = cce:class_weight=1/2/3,ignore_class=-100 --activation softmax
            # labels; for rows of probabilities it divides by the rows instead of their weights
        keras         CategoricalCrossentropy                = cce:eps=1e-7
            # it divides each row by its sum first; float32 throughout
        keras         SparseCategoricalCrossentropy          = cce:eps=1e-7
            # it divides each row by its sum first; float32 throughout
        scikit-learn  log_loss                               = cce:eps=2.220446049250313e-16
            # columns must be in sorted label order there
        optax         softmax_cross_entropy                  = cce --activation softmax  # NaN where a logit is -inf
        optax         safe_softmax_cross_entropy             = cce --activation softmax
        optax         softmax_cross_entropy_with_integer_labels  = cce --activation softmax
        permetrics    CEL  ≠ it takes the largest of a soft row as its label, and floors p at 1e-10
        XGBoost       mlogloss                               = cce:eps=1e-16  # float32
        LightGBM      multi_logloss | multiclass | softmax   = cce:eps=1e-15
        CatBoost      MultiClass                             = cce --activation softmax
        XGBoost objective  multi:softprob | multi:softmax         = cce --activation softmax  # of margins
        CatBoost      MultiClassOneVsAll                     ≠ the mean of bce of each class against the others
    """
    return -outcome.log_p


def _target_shares(batch: Batch, smoothing: float) -> Array:
    """The probability that the target gives to each column."""
    return class_rows(batch, smoothing) if batch.form == "multiclass" else smoothed(flag(batch), smoothing, 2)


@class_loss(
    forms=(BINARY_ONE, CLASSES, CLASS_ROWS),
    gradient=lambda batch, label_smoothing: 2.0 * (batch.pred - _target_shares(batch, label_smoothing)),
    later=("label_smoothing", "ignore_class"),
    functional="mean",
)
def brier(batch: Batch, *, label_smoothing: Smoothing = 0.0) -> Array:
    """Brier score, the mean squared error of probabilities; lower is better.

    label_smoothing = e compares with (1 - e) y + e/2, or the row (1 - e) q + e/K.

    Formula: binary: mean of (p - y)²; multiclass: mean of Σ_c (p_c - q_c)²
    Unit: 1
    Optimises: the probabilities
    Use: Calibrated probabilities, with no row able to cost more than 1 (binary) or 2 (multiclass).
    Avoid: Rare events whose small probabilities must be told apart: bce sees their ratio, this does not.
    Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
    Also: brier_score
    Elsewhere:
        scikit-learn  brier_score_loss  # half of it where there are two columns
        permetrics    BSL               ≠ for one column it is twice brier, the sum over both outcomes; else it is brier
        CatBoost      BrierScore        = brier --activation sigmoid  # of flags
    """
    if label_smoothing == 0.0 and has_labels(batch):
        gap = batch.pred.copy()
        gap.reshape(-1)[observed_place(batch)] = other_observed(batch)
    elif label_smoothing == 0.0 and batch.form != "multiclass" and certain(batch)[0]:
        gap = other_observed(batch)  # 1 - p of an observed 1, which a logit knows without cancellation
    else:
        q = _target_shares(batch, label_smoothing)
        gap = np.where(q == 1.0, other_prob(batch), batch.pred - q)
    return np.add.reduce(np.square(gap), axis=0) if batch.form == "multiclass" else np.square(gap)


def _focusing_slope(base: Array, gamma: float, p: Array, log_p: Array) -> Array:
    """γ p base^(γ - 1) ln p, 0 where base is 0, though for γ < 1 its middle factor is not."""
    flat = (base == 0.0) | (gamma == 0.0)
    return np.where(flat, 0.0, gamma * np.power(base, gamma - 1.0) * expected(p, log_p))


def _focal_elasticity(outcome: Outcome, *, gamma: float) -> Array:
    easy = outcome.complement
    return _focusing_slope(easy, gamma, outcome.p, outcome.log_p) - np.power(easy, gamma)


@outcome_loss("alpha", "eps", "label_smoothing", elasticity=_focal_elasticity, forms=(BINARY, CLASSES, CLASS_ROWS))
def focal(
    outcome: Outcome,
    *,
    gamma: Annotated[
        float, Interval(low=0.0, low_closed=True), "how strongly easy rows are played down; 0 is cross-entropy"
    ] = 2.0,
) -> Array:
    """Focal loss: cross-entropy that plays down what is already right.

    Binary and multilabel by one probability per output, multiclass by K columns. A soft target is the average
    over what may be observed. gamma = 0 with alpha off is cross-entropy. A large gamma multiplies the rounding of
    1 - p: the value is right to about gamma + 2 units in the last place.

    Formula: mean of -α_t (1 - p_t)^γ ln p_t, p_t = probability given to what was observed
    Unit: nats
    Optimises: the decision on hard rows
    Use: A strongly unbalanced data set, as in object detection, or classes without a clear border, as song genres: easy
        rows are played down so that hard ones count. With softmax for one of K classes; the paper itself uses sigmoid,
        one output per class.
    Avoid: Calibrated probabilities are wanted: for gamma > 0 it is not proper and pulls them towards 1/2.
    Source: Lin et al. 2017, arXiv:1708.02002
    Elsewhere:
        torchvision  sigmoid_focal_loss(alpha=0.25)          = focal:alpha=0.25 --activation sigmoid
            # of certain targets; of soft ones it mixes p_t, not the costs
        keras        BinaryFocalCrossentropy(apply_class_balancing=True)  = focal:alpha=0.25,eps=1e-7
            # of certain targets; of soft ones it mixes p_t, not the costs; without apply_class_balancing its alpha does
            nothing; float32 throughout
        keras        CategoricalFocalCrossentropy            = focal:alpha=0.25,eps=1e-7
            # a factor on every class; it divides each row by its sum first; float32 throughout
        optax        sigmoid_focal_loss(gamma=gamma)         = focal --activation sigmoid
            # of certain targets; of soft ones it mixes p_t, not the costs
        CatBoost     Focal(focal_alpha=0.25, focal_gamma=2)  ≠ it clips probabilities at both ends
        MONAI        FocalLoss                               = focal --activation sigmoid
            # of flags, of certain targets; float32
        MONAI        FocalLoss(use_softmax=True)             ≠ each class is an element of its mean, 1/K of this
        segmentation-models-pytorch  FocalLoss(mode='binary')                = focal --activation sigmoid
            # of certain targets
    """
    return -expected(outcome.complement**gamma, outcome.log_p)


def _above_clip(no: Outcome, clip: float) -> tuple[Array, Array]:
    """m = max(p - clip, 0) of the probability p of a yes, and -ln(1 - m)."""
    if clip == 0.0:
        return no.complement, -no.log_p
    m = np.maximum(no.complement - clip, 0.0)
    far = m > 0.5
    return m, np.where(far, -np.log(np.where(far, no.p + clip, 1.0)), -np.log1p(-np.where(far, 0.0, m)))


def _asymmetric_gradient(batch: Batch, *, gamma_pos: float, gamma_neg: float, clip: float) -> Array:
    yes, no = answers(batch)
    m, surprise = _above_clip(no, clip)
    of_yes = _focal_elasticity(yes, gamma=gamma_pos)
    steep = np.power(m, gamma_neg) * (no.p / (no.p + clip) if clip > 0.0 else 1.0)
    of_no = np.where((m == 0.0) & (clip > 0.0), 0.0, _focusing_slope(m, gamma_neg, no.p, -surprise) - steep)
    return binary_slope(batch, no.weighed(of_no), yes.weighed(of_yes))


@class_loss(forms=(BINARY,), gradient=_asymmetric_gradient, raw=True, later=("ignore_class",))
def asymmetric(
    batch: Batch,
    *,
    gamma_pos: Annotated[float, NON_NEGATIVE, "focusing of observed ones"] = 0.0,
    gamma_neg: Annotated[float, NON_NEGATIVE, "focusing of observed zeros"] = 4.0,
    clip: Annotated[
        float, Interval(low=0.0, high=1.0, low_closed=True), "p of an observed 0 is lowered by this"
    ] = 0.05,
) -> Array:
    """Asymmetric loss of multilabel probabilities.

    A row is the mean over its outputs. gamma_pos = gamma_neg with clip = 0 is focal. A large gamma multiplies the
    rounding of 1 - p and p - clip: right to about gamma + 2 units in the last place, and from logits, where p itself
    is rounded, of p wherever p - clip cancels.

    Formula: mean of -y (1 - p)^γ₊ ln p - (1 - y) m^γ₋ ln(1 - m), m = max(p - clip, 0)
    Unit: nats
    Use: Many labels per row of which few are true: easy negatives are played down more than positives, and those below
        `clip` not counted at all.
    Avoid: Calibrated probabilities are wanted: bce.
    Source: Ridnik et al. 2021, arXiv:2009.14119
    Subgradient: 0 at p = clip for an observed 0
    Also: asymmetric_loss
    Elsewhere:
        paper  AsymmetricLoss  ≠ it sums over rows and labels, clips at 1e-8, and has gamma_pos = 1
    """
    yes, no = answers(batch)
    m, surprise = _above_clip(no, clip)
    of_yes, of_no = (
        -expected(np.power(yes.complement, gamma_pos), yes.log_p),
        expected(np.power(m, gamma_neg), surprise),
    )
    return yes.weighed(of_yes) + no.weighed(of_no)


@class_loss(
    forms=(LOG_CLASSES,), gradient=lambda batch, class_weight: spread(batch, -label_weight(batch, class_weight))
)
def nll(batch: Batch, *, class_weight: ClassWeight = None) -> Array:
    """Negative log-likelihood of rows of log-probabilities.

    A row is K columns of ln p, of which -inf is ln 0; the probabilities must sum to 1.

    Formula: mean of -ln p_y, the columns being ln p
    Unit: nats
    Use: The model ends with log_softmax, so that its columns are log-probabilities.
    Avoid: The columns are probabilities (cce) or logits (cce with --activation softmax): here they would be refused.
    Source: Fisher 1922, doi:10.1098/rsta.1922.0009
    Also: nll_loss
    Elsewhere:
        torch  nn.NLLLoss
        torch  nn.NLLLoss(weight=[1, 2, 3])  = nll:class_weight=1/2/3,ignore_class=-100
    """
    cost = -pick(batch, batch.pred)
    return cost if class_weight is None else expected(label_weight(batch, class_weight), cost)


_surprise = part_of(
    lambda batch, eps: mean_cost(outcomes(batch, eps=eps), lambda outcome: -outcome.log_p),
    (SHARED["eps"], IGNORE_CLASS),
)


EXPONENTIAL = Statistic("exponential of a mean", lambda m: np.exp(m[0]), interval="log", ranks=True)


@recipe(
    params=(SHARED["eps"], IGNORE_CLASS),
    forms=lambda ignore_class: label_forms((CLASSES, CLASS_ROWS), ignore_class),
    best=1.0,
)
def perplexity(ignore_class: Ignored) -> Recipe:
    """Exponential of the cross-entropy: how many equally likely classes the model hesitates between.

    e to the power of cce: 1 is certain and right, K a guess among K classes. The exponential multiplies the
    rounding of the mean: it is right to about twice as many units in the last place as the cross-entropy has nats.

    Formula: exp(mean of -ln p_y)
    Unit: classes
    Use: Language models: a row is a token, its columns the vocabulary.
    Avoid: Averaging over data sets: average cce, then take the exponential.
    Source: Jelinek et al. 1977, doi:10.1121/1.2016299
    Elsewhere:
        torchmetrics  perplexity  = perplexity --activation softmax
    """
    return counted(EXPONENTIAL, _surprise, ignore_class=ignore_class)


@outcome_loss(
    "label_smoothing",
    elasticity=lambda outcome, epsilon: -1.0 - epsilon * outcome.p,
    forms=(CLASSES, CLASS_ROWS),
    later=("label_smoothing", "ignore_class"),
)
def poly1(
    outcome: Outcome,
    *,
    epsilon: Annotated[float, Interval(low=-1.0, low_closed=True), "added to the coefficient of 1 - p; 0 is cce"] = 2.0,
) -> Array:
    """Poly-1 cross-entropy: cce with its linear term changed. Soft rows weigh the classes.

    Formula: mean of -ln p_y + ε (1 - p_y)
    Unit: nats
    Use: A drop-in for cce whose first polynomial coefficient is tuned to the task: a positive ε presses on confident
        rows, a negative one relaxes.
    Avoid: Probabilities are the goal: with ε other than 0 it is not proper.
    Source: Leng et al. 2022, arXiv:2204.12511
    Also: poly_loss, poly1_cross_entropy
    Elsewhere:
        optax  poly_loss_cross_entropy(epsilon=epsilon)  = poly1 --activation softmax  # NaN where a logit is -inf
    """
    chance = outcome.complement
    if epsilon >= 0.0:
        return epsilon * chance - outcome.log_p
    near = chance < 2.0 / 3.0  # there -ln p - (1 - p) has its digits in a series of positive terms alone
    w = np.where(near, chance, 0.0) / (2.0 - np.where(near, chance, 0.0))
    series = w * (chance + 2.0 * np.square(w) * polynomial(np.square(w), ODD))
    return (1.0 + epsilon) * chance + np.where(near, series, -outcome.log_p - chance)


@outcome_loss(
    "label_smoothing",
    elasticity=lambda outcome, q: -np.exp(q * outcome.log_p),
    by_p=lambda outcome, q: -np.power(outcome.p, q - 1.0),
    forms=(CLASSES, CLASS_ROWS),
    later=("label_smoothing", "ignore_class"),
)
def gce(
    outcome: Outcome,
    *,
    q: Annotated[float, Interval(low=0.0, high=1.0, high_closed=True), "near 0 as cce, 1 as absolute error"] = 0.7,
) -> Array:
    """Generalised cross-entropy of the probability of what was observed. Soft rows weigh the classes.

    Formula: mean of (1 - p_y^q)/q
    Unit: 1
    Optimises: the most likely class
    Use: Labels of which a share is wrong: between cce (q near 0), which learns fast, and the mean absolute error of
        probabilities (q = 1), which wrong labels hardly move.
    Avoid: Clean labels, and rare classes: it gives up on what is hard.
    Source: Zhang & Sabuncu 2018, arXiv:1805.07836
    Also: generalized_cross_entropy, lq_loss
    Elsewhere:
        keras  CategoricalGeneralizedCrossEntropy(q=q)  # 0.5 by default; it takes class numbers only
    """
    return -np.expm1(q * outcome.log_p) / q


def _reversed_surprise(rows: Array, log_zero: float) -> Array:
    """-ln of the target, with ln 0 and everything below it set to `log_zero`."""
    return -np.maximum(np.log(rows), log_zero)


def _symmetric_ce_gradient(
    batch: Batch, *, alpha: float, beta: float, log_zero: float, label_smoothing: float
) -> Array:
    rows = class_rows(batch, label_smoothing)
    slope = beta * _reversed_surprise(rows, log_zero)
    if batch.activation != "none":
        return class_slope(batch, slope * batch.pred - alpha * rows)
    return slope + class_slope(batch, -alpha * rows)


@class_loss(
    gradient=_symmetric_ce_gradient, raw=True, forms=(CLASSES, CLASS_ROWS), later=("label_smoothing", "ignore_class")
)
def symmetric_ce(
    batch: Batch,
    *,
    alpha: Annotated[float, POSITIVE, "factor on cross-entropy"] = 0.1,
    beta: Annotated[float, POSITIVE, "factor on reversed cross-entropy"] = 1.0,
    log_zero: Annotated[float, Interval(high=0.0), "A: what ln q is at least, as where q = 0"] = -4.0,
    label_smoothing: Smoothing = 0.0,
) -> Array:
    """Symmetric cross-entropy: cce plus the cross-entropy of the target under the prediction.

    Formula: mean of -α Σ_c q_c ln p_c - β Σ_c p_c max(ln q_c, A), A = log_zero
    Unit: nats
    Use: Labels of which a share is wrong: the reversed term is bounded, a wrong label costs at most -β A there.
    Avoid: Clean labels: cce says the same with one term.
    Source: Wang et al. 2019, arXiv:1908.06112
    Also: symmetric_cross_entropy
    Elsewhere:
        paper  its code  ≠ it clips p to [1e-7, 1] and q to [1e-4, 1], so that A is ln 1e-4 = -9.2
    """
    rows = class_rows(batch, label_smoothing)
    forward = expected(alpha * rows, -log_prob(batch))
    return np.add.reduce(forward + beta * batch.pred * _reversed_surprise(rows, log_zero), axis=0)
