"""Losses of segmentation that join overlap with the probability of each pixel, or several classes in one number."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, other_prob
from lossctl.core.declare import loss
from lossctl.core.domain import CODES, LABELS, NON_NEGATIVE, SIMPLEX
from lossctl.core.form import Form, along
from lossctl.core.param import Choice
from lossctl.core.sets import set_loss, starts
from lossctl.losses.forms import of_kinds
from lossctl.losses.masks import FORM, Smooth, dice_counts, dice_slope, share
from lossctl.losses.outcome import binary_slope, class_rows, log_observed, other_observed, prob_observed
from lossctl.numerics.array import Array
from lossctl.numerics.double import column_sum
from lossctl.numerics.quotient import expected

DiceWeight = Annotated[float, NON_NEGATIVE, "weight of the Dice loss"]


def _dice(batch: Batch, smooth: float) -> Array:
    return share(*dice_counts(batch, smooth=smooth, squared=False))


def _dice_slope(batch: Batch, smooth: float) -> Array:
    """Slope of the Dice loss by the pixels, or by their logits."""
    slope = dice_slope(batch, smooth=smooth, squared=False)
    return slope if batch.activation == "none" else slope * batch.pred * other_prob(batch)


def pixel_mean(batch: Batch, cost: Array) -> Array:
    """Average over the pixels of each row."""
    return column_sum(cost) / len(batch.pred)


def _ce_slope(batch: Batch) -> Array:
    """Slope of the mean cross-entropy of the pixels, by them or by their logits."""
    y = batch.target
    return binary_slope(batch, y - 1.0, -y) / len(batch.pred)


def _dice_ce_gradient(batch: Batch, *, lambda_dice: float, lambda_ce: float, smooth: float) -> Array:
    return lambda_dice * _dice_slope(batch, smooth) + expected(lambda_ce, _ce_slope(batch))


@loss(forms=FORM, gradient=_dice_ce_gradient, raw_gradient=_dice_ce_gradient)
def dice_ce(
    batch: Batch,
    *,
    lambda_dice: DiceWeight = 1.0,
    lambda_ce: Annotated[float, NON_NEGATIVE, "weight of the cross-entropy"] = 1.0,
    smooth: Smooth = 0.0,
) -> Array:
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
    entropy = pixel_mean(batch, -log_observed(batch))
    return lambda_dice * _dice(batch, smooth) + expected(lambda_ce, entropy)


def _focal_slope(batch: Batch, gamma: float) -> Array:
    """Slope of the mean focal loss of the pixels, by them or by their logits."""
    y, wrong, log_p, p = batch.target, other_observed(batch), log_observed(batch), prob_observed(batch)
    steep = np.where(wrong == 0.0, 0.0, gamma * np.power(wrong, gamma - 1.0) * p * log_p)
    elasticity = np.where(p == 0.0, 0.0, steep) - np.power(wrong, gamma)
    return binary_slope(batch, (1.0 - y) * elasticity, y * elasticity) / len(batch.pred)


def _dice_focal_gradient(
    batch: Batch, *, lambda_dice: float, lambda_focal: float, gamma: float, smooth: float
) -> Array:
    return lambda_dice * _dice_slope(batch, smooth) + expected(lambda_focal, _focal_slope(batch, gamma))


@loss(forms=FORM, gradient=_dice_focal_gradient, raw_gradient=_dice_focal_gradient)
def dice_focal(
    batch: Batch,
    *,
    lambda_dice: DiceWeight = 1.0,
    lambda_focal: Annotated[float, NON_NEGATIVE, "weight of the focal loss"] = 1.0,
    gamma: Annotated[float, NON_NEGATIVE, "how much easy pixels count less"] = 2.0,
    smooth: Smooth = 0.0,
) -> Array:
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
        MONAI  DiceFocalLoss(sigmoid=True)  = dice_focal:smooth=1e-5 --activation sigmoid
    """
    focal = pixel_mean(batch, -np.power(other_observed(batch), gamma) * log_observed(batch))
    return lambda_dice * _dice(batch, smooth) + expected(lambda_focal, focal)


SHARES = (0.1, 0.5, 0.9)
OTHERS = tuple(1.0 - p for p in SHARES)
PIXELS = Form(
    "multiclass",
    {"target": LABELS, "pred": SIMPLEX, "query": CODES},
    along(
        "p of the class of a pixel",
        of_kinds(("background", "object"), SHARES),
        target=(0.0,) * 3 + (1.0,) * 3,
        pred=[(*SHARES, *OTHERS), (*OTHERS, *SHARES)],
        query=(0.0, 1.0, 2.0) * 2,
    ),
)
POWERS = {"square": 2.0, "simple": 1.0, "uniform": 0.0}


@set_loss(forms=(PIXELS,))
def generalized_dice(
    batch: Batch,
    *,
    weights: Annotated[
        str, Choice(tuple(POWERS)), "weight of a class: one over its squared pixels, its pixels, or 1"
    ] = "square",
    smooth: Annotated[float, NON_NEGATIVE, "added to numerator and denominator of each image"] = 0.0,
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
    shared, missed, size = (
        np.add.reduceat(x, first, axis=1)
        for x in (batch.pred * truth, np.where(truth == 1.0, other_prob(batch), batch.pred), truth)
    )
    occurs = size > 0.0
    weight = np.where(occurs, np.power(np.where(occurs, size, 1.0), -POWERS[weights]), 0.0)
    weight = np.where(occurs, weight, np.maximum.reduce(weight, axis=0))
    wrong = np.add.reduce(weight * missed, axis=0)
    return share(wrong, 2.0 * np.add.reduce(weight * shared, axis=0) + wrong + smooth)
