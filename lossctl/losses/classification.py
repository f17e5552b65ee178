"""Losses of predicted probabilities: binary, multilabel and multiclass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np

from lossctl.core.batch import Batch, flag, log_prob, other_prob
from lossctl.core.domain import LABELS, LOG_SIMPLEX, NON_NEGATIVE, POSITIVE, UNIT, Interval
from lossctl.core.form import Curve, Form
from lossctl.core.loss import combine, differs, loss, same
from lossctl.core.param import PerClass, Value, params_of
from lossctl.core.statistic import Means, Statistic
from lossctl.losses.forms import BINARY, BINARY_ONE, CLASS_CURVE, CLASS_ROWS, CLASSES
from lossctl.losses.outcome import (
    ClassWeight,
    IgnoreClass,
    Outcome,
    Smoothing,
    certain,
    class_mass,
    class_rows,
    class_slope,
    class_weights,
    clipped,
    divided,
    expected_score,
    expected_slope,
    has_labels,
    inside,
    known,
    observed_place,
    other_observed,
    outcome_weights,
    row_weights,
    without,
)
from lossctl.numerics.array import Array
from lossctl.numerics.deviance import ODD
from lossctl.numerics.logarithm import polynomial
from lossctl.numerics.quotient import expected

HALF = Interval(low=0.0, high=0.5, low_closed=True)
Eps = Annotated[float, HALF, "clip p to [eps, 1 - eps] first; 0 leaves ln 0 = -inf"]
PosWeight = Annotated[float, POSITIVE, "factor on the cost of an observed 1; the mean stays over the rows"]
FLOAT64 = 2.0**-52
KERAS = "it divides each row by its sum first; its means are float32"


def _surprise(eps: float) -> Callable[[Outcome], Array]:
    return lambda outcome: -clipped(outcome.log_p, eps)


def _surprise_elasticity(eps: float) -> Callable[[Outcome], Array]:
    return lambda outcome: -inside(outcome.p, eps).astype(np.float64)


def _binary_weights(batch: Batch, class_weight: Value, pos_weight: float) -> Array | None:
    if pos_weight == 1.0:
        return outcome_weights(batch, class_weight)
    return class_weights(batch, class_weight) * np.array([1.0, pos_weight])


def _bce_cost(batch: Batch, *, eps: float, pos_weight: float, label_smoothing: float, class_weight: Value) -> Array:
    weights = _binary_weights(batch, class_weight, pos_weight)
    return expected_score(batch, _surprise(eps), smoothing=label_smoothing, weights=weights)


def _bce_gradient(batch: Batch, *, eps: float, pos_weight: float, label_smoothing: float, class_weight: Value) -> Array:
    weights = _binary_weights(batch, class_weight, pos_weight)
    return expected_slope(batch, _surprise_elasticity(eps), smoothing=label_smoothing, weights=weights)


@loss(
    forms=(BINARY,),
    gradient=_bce_gradient,
    raw_gradient=_bce_gradient,
    variant=divided(_bce_cost),
    formula="mean of -[w y ln p + (1 - y) ln(1 - p)], w = pos_weight",
    unit="nats",
    aliases=("binary_cross_entropy", "binary_crossentropy"),
    source="Good 1952; Cox 1958, doi:10.1111/j.2517-6161.1958.tb00292.x",
    use="Yes/no questions, one or several at once (multilabel), down to every pixel of a binary segmentation; "
    "end the model with sigmoid. The most common choice for two classes; it asks for the probability. It equals the "
    "average of cce over as many two-class tasks.",
    avoid="Exactly one of several classes is right: cce. Only the decision matters: hinge.",
    elsewhere=(
        same("torch", "nn.BCELoss", "bce:eps=3.720075976020836e-44", note="it clamps ln p at -100"),
        same("torch", "nn.BCEWithLogitsLoss(pos_weight=[3])", "bce:pos_weight=3", activation="sigmoid"),
        same("torch", "nn.BCEWithLogitsLoss", activation="sigmoid"),
        same(
            "keras", "BinaryCrossentropy(label_smoothing=label_smoothing)", "bce:eps=1e-7", note="in float32 by default"
        ),
        same("scikit-learn", "log_loss", f"bce:eps={FLOAT64!r}", note="eps of the type; one output"),
        same("optax", "sigmoid_binary_cross_entropy", activation="sigmoid"),
        differs("permetrics", "CEL", "it puts a floor of 1e-10 under p and none over it"),
    ),
)
def bce(
    batch: Batch,
    *,
    eps: Eps = 0.0,
    pos_weight: PosWeight = 1.0,
    label_smoothing: Smoothing = 0.0,
    class_weight: ClassWeight = None,
) -> Array:
    """Binary cross-entropy (log loss) of probabilities.

    Exact: p = 0 for an observed 1 costs infinity. A row with several outputs (multilabel) is their mean.
    Targets are 0/1, -1/+1 or probabilities. From logits (--activation sigmoid) no digit is lost at any size.
    label_smoothing = e makes of y the soft target (1 - e) y + e/2.
    """
    return _bce_cost(batch, eps=eps, pos_weight=pos_weight, label_smoothing=label_smoothing, class_weight=class_weight)


def _cce_cost(
    batch: Batch, *, eps: float, label_smoothing: float, class_weight: Value, ignore_class: str | None
) -> Array:
    weights = outcome_weights(batch, class_weight, ignore_class)
    return expected_score(batch, _surprise(eps), smoothing=label_smoothing, weights=weights)


def _cce_gradient(
    batch: Batch, *, eps: float, label_smoothing: float, class_weight: Value, ignore_class: str | None
) -> Array:
    weights = outcome_weights(batch, class_weight, ignore_class)
    return expected_slope(batch, _surprise_elasticity(eps), smoothing=label_smoothing, weights=weights)


@loss(
    forms=(CLASSES, CLASS_ROWS),
    gradient=_cce_gradient,
    raw_gradient=_cce_gradient,
    variant=divided(_cce_cost),
    formula="mean of -Σ_c q_c ln p_c; for a label y: -ln p_y",
    unit="nats",
    aliases=("categorical_cross_entropy", "categorical_crossentropy"),
    source="Good 1952; softmax: Bridle 1990, doi:10.1007/978-3-642-76153-9_28",
    use="Exactly one of K classes is right; the model ends with softmax and targets are labels, one-hot or soft rows. "
    "It asks for the class probabilities.",
    avoid="Several classes may be right at once: bce. That sigmoid is a perfect match for it, as is sometimes "
    "written, holds for one two-class output only: K independent sigmoids do not sum to 1.",
    elsewhere=(
        same("torch", "nn.CrossEntropyLoss(label_smoothing=label_smoothing)", activation="softmax"),
        same(
            "torch",
            "nn.CrossEntropyLoss(weight=[1, 2, 3])",
            "cce:class_weight=1/2/3,ignore_class=-100",
            activation="softmax",
            note="labels; for rows of probabilities it divides by the rows instead of their weights",
        ),
        same("keras", "CategoricalCrossentropy", "cce:eps=1e-7", note=KERAS),
        same("keras", "SparseCategoricalCrossentropy", "cce:eps=1e-7", note=KERAS),
        same("scikit-learn", "log_loss", f"cce:eps={FLOAT64!r}", note="columns must be in sorted label order there"),
        same("optax", "softmax_cross_entropy", activation="softmax"),
        same("optax", "safe_softmax_cross_entropy", activation="softmax"),
        same("optax", "softmax_cross_entropy_with_integer_labels", activation="softmax"),
        differs("permetrics", "CEL", "it takes the largest of a soft row as its label, and floors p at 1e-10"),
    ),
)
def cce(
    batch: Batch,
    *,
    eps: Eps = 0.0,
    label_smoothing: Smoothing = 0.0,
    class_weight: ClassWeight = None,
    ignore_class: IgnoreClass = None,
) -> Array:
    """Categorical cross-entropy of rows of probabilities.

    Targets are class labels, one-hot rows or soft rows. Rows are not renormalised: a row that does not sum to 1
    is an error. label_smoothing = e makes of q the row (1 - e) q + e/K. With class_weight a row costs
    -Σ_c w_c q_c ln p_c, and the mean divides by the sum of w_y (for soft rows of Σ_c w_c q_c).
    """
    return _cce_cost(
        batch, eps=eps, label_smoothing=label_smoothing, class_weight=class_weight, ignore_class=ignore_class
    )


def _brier_gradient(batch: Batch) -> Array:
    return 2.0 * (batch.pred - (class_rows(batch) if batch.form == "multiclass" else flag(batch)))


@loss(
    forms=(BINARY_ONE, CLASSES, CLASS_ROWS),
    gradient=_brier_gradient,
    formula="binary: mean of (p - y)²; multiclass: mean of Σ_c (p_c - q_c)²",
    unit="1",
    aliases=("brier_score",),
    source="Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
    use="Calibrated probabilities, with no row able to cost more than 1 (binary) or 2 (multiclass).",
    avoid="Rare events whose small probabilities must be told apart: bce sees their ratio, this does not.",
    elsewhere=(
        differs(
            "scikit-learn",
            "brier_score_loss",
            "for two columns it is half of this; for one column, and for three classes or more, it is brier",
        ),
        differs("permetrics", "BSL", "for one column it is twice brier, the sum over both outcomes; else it is brier"),
    ),
)
def brier(batch: Batch) -> Array:
    """Brier score, the mean squared error of probabilities; lower is better."""
    if has_labels(batch):
        gap = batch.pred.copy()
        gap.reshape(-1)[observed_place(batch)] = other_observed(batch)
        return np.add.reduce(np.square(gap), axis=0)
    if batch.form == "multiclass":
        gap = np.where(batch.target == 1.0, other_prob(batch), batch.pred - batch.target)
        return np.add.reduce(np.square(gap), axis=0)
    if certain(batch)[0]:  # at an observed 1 the gap is 1 - p, which a logit knows without cancellation
        return np.square(other_observed(batch))
    y = flag(batch)
    return np.square(np.where(y == 1.0, other_prob(batch), batch.pred - y))


Gamma = Annotated[
    float, Interval(low=0.0, low_closed=True), "how strongly easy rows are played down; 0 is cross-entropy"
]
Alpha = Annotated[
    float | None,
    PerClass(UNIT, single=True),
    "factor on each class; a number alone is that of the positive class, 1 - alpha of the other, or of every class if "
    "multiclass",
]
MIXED = "of soft ones it mixes p_t, not the costs"


def _alpha(batch: Batch, alpha: Value, ignore_class: str | None) -> Array | None:
    """The factors on the outcomes."""
    if alpha is None and ignore_class is None:
        return None
    if isinstance(alpha, float) and batch.form != "multiclass":
        return np.array([1.0 - alpha, alpha])
    return without(batch, class_weights(batch, alpha, "alpha"), ignore_class)


def _focal_cost(
    batch: Batch, *, gamma: float, alpha: Value, eps: float, label_smoothing: float, ignore_class: str | None
) -> Array:
    def score(outcome: Outcome) -> Array:
        rest = np.clip(outcome.other, eps, 1.0 - eps) if eps > 0.0 else outcome.other
        return -expected(rest**gamma, clipped(outcome.log_p, eps))

    weights = _alpha(batch, alpha, ignore_class)
    return expected_score(batch, score, smoothing=label_smoothing, weights=weights)


def _focal_gradient(
    batch: Batch, *, gamma: float, alpha: Value, eps: float, label_smoothing: float, ignore_class: str | None
) -> Array:
    def elasticity(outcome: Outcome) -> Array:
        p, other, log_p = outcome.p, outcome.other, clipped(outcome.log_p, eps)
        rest = np.clip(other, eps, 1.0 - eps) if eps > 0.0 else other
        # γ p (1 - p)^(γ - 1) ln p goes to 0 at p = 1, though for γ < 1 its middle factor does not
        still = (rest == 0.0) | (gamma == 0.0)
        easy = np.where(still, 0.0, gamma * np.power(rest, gamma - 1.0) * expected(p, log_p))
        return np.where(inside(p, eps), easy - np.power(rest, gamma), 0.0)

    weights = _alpha(batch, alpha, ignore_class)
    return expected_slope(batch, elasticity, smoothing=label_smoothing, weights=weights)


@loss(
    forms=(BINARY, CLASSES, CLASS_ROWS),
    gradient=_focal_gradient,
    raw_gradient=_focal_gradient,
    variant=divided(_focal_cost),
    formula="mean of -α_t (1 - p_t)^γ ln p_t, p_t = probability given to what was observed",
    unit="nats",
    source="Lin et al. 2017, arXiv:1708.02002",
    use="A strongly unbalanced data set, as in object detection, or classes without a clear border, as song genres: "
    "easy rows are played down so that hard ones count. With softmax for one of K classes; the paper itself uses "
    "sigmoid, one output per class.",
    avoid="Calibrated probabilities are wanted: for gamma > 0 it is not proper and pulls them towards 1/2.",
    elsewhere=(
        same(
            "torchvision",
            "sigmoid_focal_loss(alpha=0.25)",
            "focal:alpha=0.25",
            activation="sigmoid",
            note=f"of certain targets; {MIXED}",
        ),
        same(
            "keras",
            "BinaryFocalCrossentropy(apply_class_balancing=True)",
            "focal:alpha=0.25,eps=1e-7",
            note=f"of certain targets; {MIXED}; without apply_class_balancing its alpha does nothing; its means are "
            "float32",
        ),
        same(
            "keras",
            "CategoricalFocalCrossentropy",
            "focal:alpha=0.25,eps=1e-7",
            note="a factor on every class; it divides each row by its sum first; its means are float32",
        ),
        same(
            "optax",
            "sigmoid_focal_loss(gamma=gamma)",
            activation="sigmoid",
            note=f"of certain targets; {MIXED}",
        ),
    ),
)
def focal(
    batch: Batch,
    *,
    gamma: Gamma = 2.0,
    alpha: Alpha = None,
    eps: Eps = 0.0,
    label_smoothing: Smoothing = 0.0,
    ignore_class: IgnoreClass = None,
) -> Array:
    """Focal loss: cross-entropy that plays down what is already right.

    Binary and multilabel by one probability per output, multiclass by K columns. A soft target is the average
    over what may be observed. gamma = 0 with alpha off is cross-entropy. A large gamma multiplies the rounding of
    1 - p: the value is right to about gamma + 2 units in the last place.
    """
    return _focal_cost(
        batch, gamma=gamma, alpha=alpha, eps=eps, label_smoothing=label_smoothing, ignore_class=ignore_class
    )


def _asymmetric_no(outcome: Outcome, clip: float) -> tuple[Array, Array]:
    """p of a no above the margin, and -ln of the rest."""
    p, other = outcome.other, outcome.p
    beyond = np.maximum(p - clip, 0.0) if clip > 0.0 else p
    if clip == 0.0:
        return beyond, -outcome.log_p
    far = beyond > 0.5
    return beyond, np.where(far, -np.log(np.where(far, other + clip, 1.0)), -np.log1p(-np.where(far, 0.0, beyond)))


def _asymmetric_gradient(batch: Batch, *, gamma_pos: float, gamma_neg: float, clip: float) -> Array:
    def elasticity(outcome: Outcome) -> Array:
        if np.ndim(outcome.y) == 0 and outcome.y == 1.0:
            p, other = outcome.p, outcome.other
            still = (other == 0.0) | (gamma_pos == 0.0)
            easy = np.where(still, 0.0, gamma_pos * np.power(other, gamma_pos - 1.0))
            return expected(easy, expected(p, outcome.log_p)) - np.power(other, gamma_pos)
        beyond, cost = _asymmetric_no(outcome, clip)
        left = outcome.p
        flat = (beyond == 0.0) & (clip > 0.0)
        still = (beyond == 0.0) | (gamma_neg == 0.0)
        easy = np.where(still, 0.0, gamma_neg * np.power(beyond, gamma_neg - 1.0))
        steep = np.power(beyond, gamma_neg) * (left / (left + clip) if clip > 0.0 else 1.0)
        return np.where(flat, 0.0, -expected(easy, expected(left, cost)) - steep)

    return expected_slope(batch, elasticity)


@loss(
    forms=(BINARY,),
    gradient=_asymmetric_gradient,
    raw_gradient=_asymmetric_gradient,
    subgradient="0 at p = clip for an observed 0",
    formula="mean of -y (1 - p)^γ₊ ln p - (1 - y) m^γ₋ ln(1 - m), m = max(p - clip, 0)",
    unit="nats",
    aliases=("asymmetric_loss",),
    source="Ridnik et al. 2021, arXiv:2009.14119",
    use="Many labels per row of which few are true: easy negatives are played down more than positives, and those "
    "below `clip` not counted at all.",
    avoid="Calibrated probabilities are wanted: bce.",
    elsewhere=(
        differs("paper", "AsymmetricLoss", "it sums over rows and labels, clips at 1e-8, and has gamma_pos = 1"),
    ),
)
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
    """

    def score(outcome: Outcome) -> Array:
        def of_yes() -> Array:
            return -expected(np.power(outcome.other, gamma_pos), outcome.log_p)

        def of_no() -> Array:
            beyond, cost = _asymmetric_no(outcome, clip)
            return expected(np.power(beyond, gamma_neg), cost)

        if np.ndim(outcome.y) == 0:
            return of_yes() if outcome.y == 1.0 else of_no()
        return np.where(outcome.y == 1.0, of_yes(), of_no())

    return expected_score(batch, score)


LOG_CLASSES = Form(
    "multiclass",
    {"target": LABELS, "pred": LOG_SIMPLEX},
    Curve(
        CLASS_CURVE.axis,
        CLASS_CURVE.points,
        {
            "target": CLASS_CURVE.roles["target"],
            "pred": tuple(tuple(float(np.log(p)) for p in column) for column in CLASS_CURVE.roles["pred"]),
        },
    ),
)
ROW_SUM = "it divides each row by its sum, then clips p to [1e-7, 1 - 1e-7]"


def _nll_cost(batch: Batch, *, class_weight: Value, ignore_class: str | None) -> Array:
    weights = outcome_weights(batch, class_weight, ignore_class)
    whole = known(batch, weights)
    cost = -np.take(whole.pred.reshape(-1), observed_place(whole))
    return cost if weights is None else expected(row_weights(batch, weights), cost)


def _nll_gradient(batch: Batch, *, class_weight: Value, ignore_class: str | None) -> Array:
    weights = outcome_weights(batch, class_weight, ignore_class)
    full = np.zeros(batch.pred.shape)
    rise = -1.0 if weights is None else -row_weights(batch, weights)[np.newaxis]
    np.put_along_axis(full, known(batch, weights).target[np.newaxis], rise, axis=0)
    return full


@loss(
    forms=(LOG_CLASSES,),
    gradient=_nll_gradient,
    variant=divided(_nll_cost, (LOG_CLASSES,)),
    formula="mean of -ln p_y, the columns being ln p",
    unit="nats",
    aliases=("nll_loss",),
    source="Fisher 1922, doi:10.1098/rsta.1922.0009",
    use="The model ends with log_softmax, so that its columns are log-probabilities.",
    avoid="The columns are probabilities (cce) or logits (cce with --activation softmax): here they would be refused.",
    elsewhere=(
        same("torch", "nn.NLLLoss", "cce", note="of ln p"),
        same("torch", "nn.NLLLoss(weight=[1, 2, 3])", "cce:class_weight=1/2/3,ignore_class=-100", note="of ln p"),
    ),
)
def nll(batch: Batch, *, class_weight: ClassWeight = None, ignore_class: IgnoreClass = None) -> Array:
    """Negative log-likelihood of rows of log-probabilities.

    A row is K columns of ln p, of which -inf is ln 0; the probabilities must sum to 1.
    """
    return _nll_cost(batch, class_weight=class_weight, ignore_class=ignore_class)


def _perplexity_cost(batch: Batch, *, eps: float) -> Array:
    return expected_score(batch, lambda outcome: -clipped(outcome.log_p, eps))


def _counted_surprise(batch: Batch, *, eps: Eps = 0.0, ignore_class: IgnoreClass = None) -> Array:
    weights = outcome_weights(batch, None, ignore_class)
    return expected_score(batch, lambda outcome: -clipped(outcome.log_p, eps), weights=weights)


def _exp_of_ratio_slope(m: Means) -> tuple[Any, ...]:
    value = np.exp(m[0] / m[1])
    return value / m[1], -value * m[0] / m[1] ** 2


EXPONENTIAL = Statistic("exponential of a mean", lambda m: np.exp(m[0]), lambda m: (np.exp(m[0]),), "log")
EXPONENTIAL_COUNTED = Statistic(
    "exponential of a mean over the rows that count",
    lambda m: np.exp(m[0] / m[1]),
    _exp_of_ratio_slope,
    "log",
    undefined="the classes that count are in no row",
)


def _perplexity_variant(args: Mapping[str, Any]) -> Mapping[str, Any]:
    if args["ignore_class"] is None:
        return {}
    return {"parts": (_counted_surprise, class_mass), "reading": EXPONENTIAL_COUNTED, "forms": (CLASSES,)}


perplexity = combine(
    "perplexity",
    parts=(_perplexity_cost,),
    reading=EXPONENTIAL,
    variant=_perplexity_variant,
    params=params_of(_counted_surprise),
    forms=(CLASSES, CLASS_ROWS),
    best=1.0,
    summary="Exponential of the cross-entropy: how many equally likely classes the model hesitates between.",
    doc="e to the power of cce: 1 is certain and right, K a guess among K classes. The exponential multiplies the\n"
    "rounding of the mean: it is right to about twice as many units in the last place as the cross-entropy has nats.",
    formula="exp(mean of -ln p_y)",
    unit="classes",
    source="Jelinek et al. 1977, doi:10.1121/1.2016299",
    use="Language models: a row is a token, its columns the vocabulary.",
    avoid="Averaging over data sets: average cce, then take the exponential.",
    elsewhere=(same("torchmetrics", "perplexity", activation="softmax"),),
)


def _poly1_cost(outcome: Outcome, epsilon: float) -> Array:
    other = outcome.other
    if epsilon >= 0.0:
        return epsilon * other - outcome.log_p
    near = other < 2.0 / 3.0  # there -ln p - (1 - p) has its digits in a series of positive terms alone
    w = np.where(near, other, 0.0) / (2.0 - np.where(near, other, 0.0))
    series = w * (other + 2.0 * np.square(w) * polynomial(np.square(w), ODD))
    return (1.0 + epsilon) * other + np.where(near, series, -outcome.log_p - other)


def _poly1_gradient(batch: Batch, *, epsilon: float) -> Array:
    return expected_slope(batch, lambda outcome: -1.0 - epsilon * outcome.p)


@loss(
    forms=(CLASSES, CLASS_ROWS),
    gradient=_poly1_gradient,
    raw_gradient=_poly1_gradient,
    formula="mean of -ln p_y + ε (1 - p_y)",
    unit="nats",
    aliases=("poly_loss", "poly1_cross_entropy"),
    source="Leng et al. 2022, arXiv:2204.12511",
    use="A drop-in for cce whose first polynomial coefficient is tuned to the task: a positive ε presses on confident "
    "rows, a negative one relaxes.",
    avoid="Probabilities are the goal: with ε other than 0 it is not proper.",
    elsewhere=(same("optax", "poly_loss_cross_entropy(epsilon=epsilon)", activation="softmax"),),
)
def poly1(
    batch: Batch,
    *,
    epsilon: Annotated[float, Interval(low=-1.0, low_closed=True), "added to the coefficient of 1 - p; 0 is cce"] = 2.0,
) -> Array:
    """Poly-1 cross-entropy: cce with its linear term changed. Soft rows weigh the classes."""
    return expected_score(batch, lambda outcome: _poly1_cost(outcome, epsilon))


def _gce_gradient(batch: Batch, *, q: float) -> Array:
    return expected_slope(
        batch,
        lambda outcome: -np.exp(q * outcome.log_p),
        slope=lambda outcome: -np.power(outcome.p, q - 1.0),
    )


@loss(
    forms=(CLASSES, CLASS_ROWS),
    gradient=_gce_gradient,
    raw_gradient=_gce_gradient,
    formula="mean of (1 - p_y^q)/q",
    unit="1",
    aliases=("generalized_cross_entropy", "lq_loss"),
    source="Zhang & Sabuncu 2018, arXiv:1805.07836",
    use="Labels of which a share is wrong: between cce (q near 0), which learns fast, and the mean absolute error of "
    "probabilities (q = 1), which wrong labels hardly move.",
    avoid="Clean labels, and rare classes: it gives up on what is hard.",
    elsewhere=(same("keras", "CategoricalGeneralizedCrossEntropy(q=q)", note="it takes class numbers only"),),
)
def gce(
    batch: Batch,
    *,
    q: Annotated[float, Interval(low=0.0, high=1.0, high_closed=True), "near 0 as cce, 1 as absolute error"] = 0.7,
) -> Array:
    """Generalised cross-entropy of the probability of what was observed. Soft rows weigh the classes."""
    return expected_score(batch, lambda outcome: -np.expm1(q * outcome.log_p) / q)


def _told(batch: Batch, log_zero: float) -> Array:
    """-ln of the target, with ln 0 and everything below it set to `log_zero`."""
    return -np.maximum(np.log(class_rows(batch)), log_zero)


def _symmetric_ce_gradient(batch: Batch, *, alpha: float, beta: float, log_zero: float) -> Array:
    rows = class_rows(batch)
    if batch.activation != "none":
        return class_slope(batch, beta * _told(batch, log_zero) * batch.pred - alpha * rows)
    return beta * _told(batch, log_zero) + class_slope(batch, -alpha * rows)


@loss(
    forms=(CLASSES, CLASS_ROWS),
    gradient=_symmetric_ce_gradient,
    raw_gradient=_symmetric_ce_gradient,
    formula="mean of -α Σ_c q_c ln p_c - β Σ_c p_c max(ln q_c, A), A = log_zero",
    unit="nats",
    aliases=("symmetric_cross_entropy",),
    source="Wang et al. 2019, arXiv:1908.06112",
    use="Labels of which a share is wrong: the reversed term is bounded, a wrong label costs at most -β A there.",
    avoid="Clean labels: cce says the same with one term.",
    elsewhere=(
        differs("paper", "its code", "it clips p to [1e-7, 1] and q to [1e-4, 1], so that A is ln 1e-4 = -9.2"),
    ),
)
def symmetric_ce(
    batch: Batch,
    *,
    alpha: Annotated[float, POSITIVE, "factor on cross-entropy"] = 0.1,
    beta: Annotated[float, POSITIVE, "factor on reversed cross-entropy"] = 1.0,
    log_zero: Annotated[float, Interval(high=0.0), "A: what ln q is at least, as where q = 0"] = -4.0,
) -> Array:
    """Symmetric cross-entropy: cce plus the cross-entropy of the target under the prediction."""
    forward = expected(alpha * class_rows(batch), -log_prob(batch))
    return np.add.reduce(forward + beta * batch.pred * _told(batch, log_zero), axis=0)
