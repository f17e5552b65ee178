"""Losses of the overlap of masks: a row is one mask, its columns are the pixels. The unit of a row is the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache, partial, wraps
from typing import Annotated, Any, Final

import numpy as np

from lossctl.core.batch import Batch, derived, other_prob
from lossctl.core.declare import declare, set_loss, starts
from lossctl.core.domain import CODES, LABELS, MASK, NON_NEGATIVE, SIMPLEX, Interval, as_number, ignored_labels
from lossctl.core.form import Form, along
from lossctl.core.loss import Loss, Part, arguments_for
from lossctl.core.param import Choice, Label, Param, Value, params_of
from lossctl.core.statistic import Means, Statistic
from lossctl.errors import UsageError
from lossctl.losses.forms import MASKS, of_kinds
from lossctl.losses.outcome import (
    Ignored,
    binary_slope,
    class_rows,
    holes,
    ignored_flags,
    log_observed,
    other_observed,
    part_of,
    prob_observed,
    without_holes,
)
from lossctl.numerics.array import Array
from lossctl.numerics.double import column_sum
from lossctl.numerics.quotient import expected

FORM = (MASKS,)
THRESHOLDS = range(10, 20)  # twentieths: 0.50, 0.55, ..., 0.95
MODERATE = Interval(low=0.01, high=100.0, low_closed=True, high_closed=True)
OVER = Param("over", "row", Choice(("row", "set")), "what is one mask: each row, or all rows together")
EACH_OR_ALL: Final = (
    "With over=set the rows are parts of one mask: counts of pixels are summed before they are divided."
)
Smooth = Annotated[float, NON_NEGATIVE, "added to numerator and denominator, in pixels, once for each row"]
Squared = Annotated[bool, None, "square the pixels in the denominator, as V-Net does"]
Alpha = Annotated[float, NON_NEGATIVE, "weight of false positives"]
Beta = Annotated[float, NON_NEGATIVE, "weight of false negatives"]
Counts = tuple[Array, Array]  # of pixels: the part that a loss is of, and what it is divided by


IGNORED: Final = "number in the target whose pixels do not count, or several as 254/255"
IgnoreClass = Annotated[Ignored, Label(), IGNORED]
IGNORE = Param("ignore_class", None, Label(), IGNORED, signed=False)


def mask_forms(ignore_class: Ignored) -> tuple[Form, ...]:
    """Return the form of masks, whose target may hold numbers that do not count."""
    labels = ignored_labels(ignore_class)
    if None in map(as_number, labels):
        raise UsageError(f"ignore_class={'/'.join(labels)}: the pixels of a mask are numbers")
    if not labels:
        return FORM
    return (replace(MASKS, roles={**MASKS.roles, "target": replace(MASK, ignored=ignored_flags(ignore_class))}),)


def pixels(batch: Batch, ignore_class: Ignored) -> Array | float:
    """Return how many pixels of each mask count, 1 where none does."""
    if ignore_class is None:
        return float(len(batch.target))
    return np.maximum(np.add.reduce(~holes(batch, ignore_class), axis=0, dtype=np.float64), 1.0)


def share(part: Array, total: Array) -> Array:
    """part/total, where nothing of nothing is 0."""
    return np.where(total == 0.0, 0.0, part / total)


def ratio(counts: Means) -> Array:
    """The first count over the second."""
    return share(*counts)[()]


def ratio_slope(counts: Counts, slopes: Counts) -> Array:
    """Slope of their ratio by the pixels, from the slopes of the counts."""
    return share(slopes[0] - share(*counts) * slopes[1], counts[1])


def mask_loss(
    *, level: Callable[..., Array] = ratio, gradient: Part | None = None, **facts: Any
) -> Callable[[Callable[..., Counts]], Loss]:
    """Declare a loss by `function(batch, *, params) -> two counts of pixels`, (rows,) each.

    level: the loss as a function of the counts and of the parameters that it names: of each row's counts where a mask
    is a row, of their means where all rows are one mask.
    """

    def made(function: Callable[..., Counts]) -> Loss:
        @wraps(function)
        def row(batch: Batch, **args: Any) -> Array:
            return level(function(batch, **args), **arguments_for(level, args))

        def count(place: int) -> Part:
            return wraps(function)(lambda batch, **args: function(batch, **args)[place])

        params = (*params_of(function), IGNORE)
        each, *counts = (part_of(quantity, params, of_masks=True) for quantity in (row, count(0), count(1)))

        def over(args: Mapping[str, Any]) -> Mapping[str, Any]:
            if args["over"] == "row":
                return {}
            statistic = of_sums(level, tuple(arguments_for(level, args).items()))
            return {"parts": tuple(counts), "statistic": statistic, "row": None, "gradient": None}

        return declare(
            function,
            params=(*params[:-1], OVER, IGNORE),
            forms=mask_forms,
            row=each,
            gradient=gradient and part_of(gradient, params),
            resolve=over,
            note=EACH_OR_ALL,
            **facts,
        )

    return made


@cache
def of_sums(level: Callable[..., Array], args: tuple[tuple[str, Value], ...]) -> Statistic:
    """Return the statistic that takes a level of the means of two counts."""
    return Statistic(f"{level.__name__} of summed pixels", partial(level, **dict(args)))


@derived
def shared(batch: Batch) -> Array:
    """I = Σ p y, the soft count of shared pixels."""
    return column_sum(batch.pred * batch.target)


@derived
def wrong(batch: Batch) -> Array:
    """U - I = Σ |p - y|, what only one of the masks covers, summed without cancellation."""
    return column_sum(other_observed(batch))


@derived
def false_positive(batch: Batch) -> Array:
    """Σ p (1 - y)."""
    return column_sum(other_observed(batch) * (1.0 - batch.target))


@derived
def false_negative(batch: Batch) -> Array:
    """Σ (1 - p) y."""
    return column_sum(other_observed(batch) * batch.target)


@derived
def wrong_squared(batch: Batch) -> Array:
    """Σ (p - y)²."""
    return column_sum(np.square(other_observed(batch)))


def union(batch: Batch) -> Array:
    """U = Σ p + Σ y - I."""
    return shared(batch) + wrong(batch)


@mask_loss(
    gradient=lambda batch, smooth: ratio_slope(
        (wrong(batch), union(batch) + smooth), (1.0 - 2.0 * batch.target, 1.0 - batch.target)
    )
)
def iou_mask(batch: Batch, *, smooth: Smooth = 0.0) -> Counts:
    """One minus the intersection over union of two masks, soft or hard.

    Two empty masks agree: 0. Probabilities are used as they are; masks of 0 and 1 give the hard value.

    Formula: mean of 1 - (I + smooth)/(U + smooth), I = Σ p y, U = Σ p + Σ y - I
    Unit: 1 (between 0 and 1)
    Optimises: the overlap of masks
    Use: Segmentation where the foreground is small: the object counts as a whole, free of scale.
    Avoid: Calibrated pixels are wanted (bce), or masks of few pixels, where it jumps.
    Source: Jaccard 1901; Rahman & Wang 2016, doi:10.1007/978-3-319-50835-1_22
    Subgradient: 0 where both masks are empty and smooth is 0
    Elsewhere:
        scikit-learn  1 - jaccard_score(average='samples', zero_division=1)  # hard masks
        scikit-learn  1 - jaccard_score(average='micro')    = iou_mask:over=set  # hard masks, not all empty
        torchmetrics  1 - jaccard_index                     ≠ of masks cut at 0.5, over the whole set
        keras         1 - metrics.BinaryIoU | 1 - metrics.OneHotIoU | 1 - metrics.MeanIoU | 1 - metrics.OneHotMeanIoU
            ≠ of masks cut at 0.5, the mean over foreground and background
        permetrics    1 - JSI                               ≠ of class labels
        segmentation-models-pytorch  JaccardLoss(mode='binary')            = iou_mask:over=set --activation sigmoid
            # 0 where no target has foreground
        MONAI         DiceLoss(jaccard=True, sigmoid=True)  = iou_mask:smooth=5e-6 --activation sigmoid
        tutorials     1 - the IoU smoothed by 1e-6          = iou_mask:smooth=1e-6
    """
    return wrong(batch), union(batch) + smooth


def passed(counts: Means) -> Array:
    """Share of the thresholds that the ratio exceeds, 1 where both counts are 0.

    They are compared as 20 I > k U, exactly for whole numbers; what only rounding lifts above a threshold stays below.
    """
    part, total = counts
    above = [(20.0 * part > k * total * (1.0 + 2.0**-50)).astype(np.float64) for k in THRESHOLDS]
    return np.where(total == 0.0, 1.0, np.add.reduce(above, axis=0) / len(THRESHOLDS))[()]


@mask_loss(level=passed, best=1.0, direction="max")
def iou_mask_score(batch: Batch, *, smooth: Smooth = 0.0) -> Counts:
    """Share of the thresholds 0.50 to 0.95 that the overlap of two masks exceeds; higher is better.

    Compared as 20 I > k U in whole numbers, so it is exact for hard masks. Two empty masks agree: 1.

    Formula: mean over t = 0.50, 0.55, ..., 0.95 of [I + smooth > t (U + smooth)]
    Unit: 1 (between 0 and 1)
    Optimises: the overlap of masks
    Use: To report segmentation as the leaderboards do: how many of ten overlap thresholds an image passes.
    Avoid: Training: it has no slope.
    Source: COCO, Lin et al. 2014, arXiv:1405.0312; Kaggle TGS Salt, 2018
    Elsewhere:
        tutorials  the thresholded IoU smoothed by 1e-6  = iou_mask_score:smooth=1e-6
            # without smoothing an IoU of exactly 3/4 passes 5 thresholds, not 6
    """
    return shared(batch) + smooth, union(batch) + smooth


def dice_counts(batch: Batch, *, smooth: float, squared: bool) -> Counts:
    """What is missed, and all."""
    missed = wrong_squared(batch) if squared else wrong(batch)
    total = 2.0 * shared(batch) + missed + smooth
    if squared:  # the squares of tiny pixels are no floats, even if they are all there is
        missed, total = (np.where(total == 0.0, wrong(batch), x) for x in (missed, total))
    return missed, total


def dice_slope(batch: Batch, *, smooth: float, squared: bool) -> Array:
    """Slope of the Dice loss of each mask by its pixels."""
    y, p = batch.target, batch.pred
    slopes = (2.0 * (p - y), 2.0 * p) if squared else (1.0 - 2.0 * y, np.ones_like(y))
    return ratio_slope(dice_counts(batch, smooth=smooth, squared=squared), slopes)


@mask_loss(gradient=dice_slope)
def dice(batch: Batch, *, smooth: Smooth = 0.0, squared: Squared = False) -> Counts:
    """One minus the Dice coefficient of two masks, soft or hard. Two empty masks agree: 0.

    Formula: mean of 1 - (2 I + smooth)/(Σ p + Σ y + smooth), I = Σ p y; squared: Σ p² + Σ y²
    Unit: 1 (between 0 and 1)
    Optimises: the overlap of masks
    Use: Segmentation of small structures, as in medical images; it is 1 - F1 of the pixels.
    Avoid: Calibrated pixels are wanted: bce.
    Source: Dice 1945; Milletari et al. 2016 (V-Net, squared), arXiv:1606.04797
    Subgradient: 0 where both masks are empty and smooth is 0
    Also: dice_loss
    Elsewhere:
        keras         Dice  ≠ dice:over=set but for 1e-7 in the denominator; two empty masks are 1 there
        optax         losses.binary_dice_loss      = dice:smooth=2 --activation sigmoid
        scikit-learn  1 - f1_score(average='samples', zero_division=1)  # hard masks
        torchmetrics  1 - segmentation.dice_score  ≠ by class, of label masks
        segmentation-models-pytorch  DiceLoss(mode='binary')      = dice:over=set --activation sigmoid
            # 0 without foreground
        MONAI         DiceLoss(sigmoid=True)       = dice:smooth=1e-5 --activation sigmoid
        MONAI         DiceLoss(sigmoid=True, squared_pred=True)  = dice:smooth=1e-5,squared=true --activation sigmoid
    """
    return dice_counts(batch, smooth=smooth, squared=squared)


def tversky_counts(batch: Batch, *, alpha: float, beta: float, smooth: float) -> Counts:
    """What is missed, each kind by its weight, and that with what is shared."""
    missed = alpha * false_positive(batch) + beta * false_negative(batch)
    return missed, shared(batch) + missed + smooth


def _tversky_gradient(batch: Batch, *, alpha: float, beta: float, smooth: float) -> Array:
    y = batch.target
    missed_slope = alpha * (1.0 - y) - beta * y
    return ratio_slope(tversky_counts(batch, alpha=alpha, beta=beta, smooth=smooth), (missed_slope, y + missed_slope))


@mask_loss(gradient=_tversky_gradient)
def tversky(batch: Batch, *, alpha: Alpha = 0.5, beta: Beta = 0.5, smooth: Smooth = 0.0) -> Counts:
    """One minus the Tversky index of two masks: false positives and false negatives have weights of their own.

    Two empty masks agree: 0. alpha = beta = 1 is iou_mask.

    Formula: mean of 1 - (I + smooth)/(I + alpha FP + beta FN + smooth), FP = Σ p (1 - y), FN = Σ (1 - p) y
    Unit: 1 (between 0 and 1)
    Use: Segmentation where a missed pixel costs more than a false one: take beta above alpha.
    Avoid: Both errors cost the same: dice, which it is at alpha = beta = 1/2.
    Source: Salehi et al. 2017, arXiv:1706.05721
    Subgradient: 0 where both masks are empty and smooth is 0
    Elsewhere:
        keras  Tversky  ≠ alpha and beta change places up to 3.15.1; 1e-7 in the denominator; over=set
        optax  losses.dice_loss(alpha=0.3, beta=0.7)  = tversky:alpha=0.3,beta=0.7,smooth=1 --activation sigmoid
        segmentation-models-pytorch  TverskyLoss(mode='binary')             = tversky:over=set --activation sigmoid
            # 0 where no target has foreground
        MONAI  TverskyLoss(sigmoid=True)              = tversky:smooth=1e-5 --activation sigmoid
    """
    return tversky_counts(batch, alpha=alpha, beta=beta, smooth=smooth)


def rooted(level: Array, gamma: float) -> Array:
    """level^(1/gamma), where the rounding of 1/gamma does not show."""
    power = 1.0 / gamma
    lost = float(1 / Fraction(gamma) - Fraction(power))
    return np.where(level == 0.0, np.power(level, power), np.power(level, power) * (1.0 + lost * np.log(level)))


def rooted_ratio(counts: Means, gamma: float) -> Array:
    """The ratio of two counts to the power 1/gamma."""
    return rooted(ratio(counts), gamma)[()]


def _focal_tversky_gradient(batch: Batch, *, alpha: float, beta: float, gamma: float, smooth: float) -> Array:
    level = share(*tversky_counts(batch, alpha=alpha, beta=beta, smooth=smooth))
    steep = np.where(level == 0.0, 0.0, rooted(level, gamma) / (gamma * level))
    return steep * _tversky_gradient(batch, alpha=alpha, beta=beta, smooth=smooth)


@mask_loss(level=rooted_ratio, gradient=_focal_tversky_gradient)
def focal_tversky(
    batch: Batch,
    *,
    alpha: Alpha = 0.3,
    beta: Beta = 0.7,
    gamma: Annotated[float, MODERATE, "the loss is the Tversky loss to the power 1/gamma"] = 4.0 / 3.0,
    smooth: Smooth = 0.0,
) -> Counts:
    """Tversky loss to the power 1/gamma. Two empty masks agree: 0.

    Formula: mean of T^(1/gamma), T = 1 - (I + smooth)/(I + alpha FP + beta FN + smooth)
    Unit: 1 (between 0 and 1)
    Use: As tversky, with gamma above 1 more weight on masks that are nearly right, below 1 on hard ones.
    Avoid: The overlap itself is to be reported: dice, iou_mask.
    Source: Abraham & Khan 2019, arXiv:1810.07842
    Subgradient: 0 where the masks agree
    Elsewhere:
        the paper  FTL  # one class; its alpha weighs false negatives
        segmentation-models-pytorch  TverskyLoss(mode='binary', alpha=0.3, beta=0.7, gamma=0.75)
            = focal_tversky:over=set --activation sigmoid  # its gamma is the exponent, 1/gamma here
    """
    return tversky_counts(batch, alpha=alpha, beta=beta, smooth=smooth)


DiceWeight = Annotated[float, NON_NEGATIVE, "weight of the Dice loss"]


def dice_with(
    cost: Callable[..., Array], elasticities: Callable[..., tuple[Array, Array]], weight: str
) -> Callable[[Callable[..., None]], Loss]:
    """Declare the Dice loss of each mask plus the mean of a cost of its pixels times the parameter `weight`.

    cost, and its elasticities of 0 and of 1 as `binary_slope` takes them, are functions of the batch and of the
    parameters that Dice does not have.
    """

    def row(batch: Batch, *, lambda_dice: float, smooth: float, ignore_class: Ignored, **args: Any) -> Array:
        factor, masks = args.pop(weight), without_holes(batch, ignore_class)
        overlap = share(*dice_counts(masks, smooth=smooth, squared=False))
        return lambda_dice * overlap + expected(factor, column_sum(cost(masks, **args)) / pixels(batch, ignore_class))

    def slope(batch: Batch, *, lambda_dice: float, smooth: float, ignore_class: Ignored, **args: Any) -> Array:
        """Slope by the pixels, or by their logits."""
        factor, masks = args.pop(weight), without_holes(batch, ignore_class)
        overlap = dice_slope(masks, smooth=smooth, squared=False)
        overlap = overlap if batch.activation == "none" else overlap * masks.pred * other_prob(masks)
        costs = binary_slope(masks, *elasticities(masks, **args)) / pixels(batch, ignore_class)
        slopes = lambda_dice * overlap + expected(factor, costs)
        return slopes if ignore_class is None else np.where(holes(batch, ignore_class), 0.0, slopes)

    def made(function: Callable[..., None]) -> Loss:
        part, by_pred = wraps(function)(row), wraps(function)(slope)
        return declare(
            function, forms=mask_forms, row=part, gradient=by_pred, raw_gradient=by_pred, later=("ignore_class",)
        )

    return made


@dice_with(lambda masks: -log_observed(masks), lambda masks: (masks.target - 1.0, -masks.target), "lambda_ce")
def dice_ce(
    batch: Batch,
    *,
    lambda_dice: DiceWeight = 1.0,
    lambda_ce: Annotated[float, NON_NEGATIVE, "weight of the cross-entropy"] = 1.0,
    smooth: Smooth = 0.0,
    ignore_class: IgnoreClass = None,
) -> None:
    """Dice loss of each mask plus the binary cross-entropy of its pixels.

    Two empty masks agree: 0. The cross-entropy is infinite where a pixel was given the probability 0.

    Formula: mean of lambda_dice dice + lambda_ce mean over pixels of -ln(probability of what the pixel is)
    Unit: 1 plus nats
    Use: Training segmentation: overlap from the Dice loss, smooth slopes and calibrated pixels from cross-entropy.
    Avoid: One of the two is to be reported: dice, bce.
    Source: Isensee et al. 2021 (nnU-Net), doi:10.1038/s41592-020-01008-z
    Subgradient: that of dice
    Elsewhere:
        MONAI  DiceCELoss(sigmoid=True)  = dice_ce:smooth=1e-5 --activation sigmoid
    """


def _focal(batch: Batch, gamma: float) -> Array:
    return -np.power(other_observed(batch), gamma) * log_observed(batch)


def _focal_elasticities(batch: Batch, gamma: float) -> tuple[Array, Array]:
    y, wrong, log_p, p = batch.target, other_observed(batch), log_observed(batch), prob_observed(batch)
    steep = np.where(wrong == 0.0, 0.0, gamma * np.power(wrong, gamma - 1.0) * p * log_p)
    elasticity = np.where(p == 0.0, 0.0, steep) - np.power(wrong, gamma)
    return (1.0 - y) * elasticity, y * elasticity


@dice_with(_focal, _focal_elasticities, "lambda_focal")
def dice_focal(
    batch: Batch,
    *,
    lambda_dice: DiceWeight = 1.0,
    lambda_focal: Annotated[float, NON_NEGATIVE, "weight of the focal loss"] = 1.0,
    gamma: Annotated[float, NON_NEGATIVE, "how much easy pixels count less"] = 2.0,
    smooth: Smooth = 0.0,
    ignore_class: IgnoreClass = None,
) -> None:
    """Dice loss of each mask plus the focal loss of its pixels.

    Two empty masks agree: 0. The focal loss is infinite where a pixel was given the probability 0.

    Formula: mean of lambda_dice dice + lambda_focal mean over pixels of -(1 - q)^gamma ln q, q = probability of what
        the pixel is
    Unit: 1 plus nats
    Use: As dice_ce, where most pixels are easy background.
    Avoid: One of the two is to be reported: dice, focal.
    Source: Zhu et al. 2019 (AnatomyNet), doi:10.1002/mp.13300
    Subgradient: that of dice
    Elsewhere:
        MONAI  DiceFocalLoss(sigmoid=True)  = dice_focal:smooth=1e-5 --activation sigmoid  # its exponents are float32
    """


SHARES = (0.1, 0.5, 0.9)
COMPLEMENTS = tuple(1.0 - p for p in SHARES)
PIXELS = Form(
    "multiclass",
    {"target": LABELS, "pred": SIMPLEX, "query": CODES},
    along(
        "p of the class of a pixel",
        of_kinds(("background", "object"), SHARES),
        target=(0.0,) * 3 + (1.0,) * 3,
        pred=[(*SHARES, *COMPLEMENTS), (*COMPLEMENTS, *SHARES)],
        query=(0.0, 1.0, 2.0) * 2,
    ),
)
POWERS = {"square": 2.0, "simple": 1.0, "uniform": 0.0}


@set_loss(forms=(PIXELS,), later=("ignore_class",))
def generalized_dice(
    batch: Batch,
    *,
    weights: Annotated[
        str, Choice(tuple(POWERS)), "weight of a class: one over its squared pixels, its pixels, or 1"
    ] = "square",
    smooth: Annotated[float, NON_NEGATIVE, "added to numerator and denominator of each image"] = 0.0,
    ignore_class: Annotated[
        Ignored, Label(), "label whose pixels do not count, or several as -1/255; none need be a class"
    ] = None,
) -> Array:
    """Generalised Dice loss of several classes.

    A row is one pixel: its class, and a probability for each class. The rows of equal `query` are one image. A class
    that is not in an image has the largest weight of those that are, as in MONAI.

    Formula: mean over images of 1 - (2 Σ_c w_c I_c + smooth)/(Σ_c w_c (P_c + Y_c) + smooth), w_c = 1/Y_c², P_c, Y_c,
        I_c = predicted, true and shared pixels of class c
    Unit: 1
    Use: Segmentation into several classes of very different size: every class counts alike, however few its pixels.
    Avoid: Tiny classes are noise: their weight is largest (weights=simple, weights=uniform).
    Source: Sudre et al. 2017, arXiv:1707.03237
    Elsewhere:
        optax         losses.multiclass_generalized_dice_loss  ≠ the weighted mean of each class's own Dice loss
        torchmetrics  1 - segmentation.generalized_dice_score  ≠ of label masks
        MONAI         GeneralizedDiceLoss(softmax=True, to_onehot_y=True)
            = generalized_dice:smooth=1e-5 --activation softmax
    """
    truth, first = class_rows(batch), starts(batch)
    counts = 1.0 if ignore_class is None else (~holes(batch, ignore_class)).astype(np.float64)
    shared, missed, size = (
        np.add.reduceat(x * counts, first, axis=1)
        for x in (batch.pred * truth, np.where(truth == 1.0, other_prob(batch), batch.pred), truth)
    )
    occurs = size > 0.0
    weight = np.where(occurs, np.power(np.where(occurs, size, 1.0), -POWERS[weights]), 0.0)
    weight = np.where(occurs, weight, np.maximum.reduce(weight, axis=0))
    wrong = np.add.reduce(weight * missed, axis=0)
    return share(wrong, 2.0 * np.add.reduce(weight * shared, axis=0) + wrong + smooth)
