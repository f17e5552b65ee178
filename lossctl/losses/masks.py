"""Losses of masks: a row is one mask, its columns are the pixels. The unit of a row is the image."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, derived
from lossctl.core.domain import NON_NEGATIVE, Array
from lossctl.core.loss import loss
from lossctl.losses.forms import MASKS

FORM = (MASKS,)
Smooth = Annotated[float, NON_NEGATIVE, "added to numerator and denominator, in pixels"]
EMPTY = "0 where both masks are empty and smooth is 0"
THRESHOLDS = range(10, 20)  # twentieths: 0.50, 0.55, ..., 0.95


@derived
def shared(batch: Batch) -> Array:
    """I = Σ p y, the soft count of shared pixels."""
    return np.add.reduce(batch.pred * batch.target, axis=0)


@derived
def both(batch: Batch) -> Array:
    """Σ p + Σ y."""
    return np.add.reduce(batch.pred, axis=0) + np.add.reduce(batch.target, axis=0)


@derived
def wrong(batch: Batch) -> Array:
    """U - I = Σ |p - y| for targets of 0 and 1, summed without cancellation."""
    return np.add.reduce(np.abs(batch.pred - batch.target), axis=0)


def _share(part: Array, whole: Array) -> Array:
    """part/whole, where nothing of nothing is 0."""
    return np.where(whole == 0.0, 0.0, part / whole)


def _iou_mask_gradient(batch: Batch, *, smooth: float) -> Array:
    i, u = shared(batch) + smooth, both(batch) - shared(batch) + smooth
    return -_share(batch.target * u - i * (1.0 - batch.target), np.square(u))


@loss(
    forms=FORM,
    gradient=_iou_mask_gradient,
    subgradient=EMPTY,
    formula="mean of 1 - (I + smooth)/(U + smooth), I = Σ p y, U = Σ p + Σ y - I",
    unit="1",
    aliases=("jaccard",),
    source="Jaccard 1901; Rahman & Wang 2016, doi:10.1007/978-3-319-50835-1_22",
    use="Segmentation where the foreground is small: the object counts as a whole, free of scale.",
    avoid="Calibrated pixels are wanted (bce), or masks of few pixels, where it jumps.",
    peers={
        "smp": "JaccardLoss: same for smooth = 0 and one image; it sums over the batch and leaves out empty targets",
        "MONAI": "DiceLoss(jaccard=True): iou_mask:smooth=5e-6",
        "tutorials": "the IoU smoothed by 1e-6 is 1 - iou_mask:smooth=1e-6",
    },
)
def iou_mask(batch: Batch, *, smooth: Smooth = 0.0) -> Array:
    """One minus the intersection over union of two masks, soft or hard.

    Two empty masks agree: 0. Probabilities are used as they are; masks of 0 and 1 give the hard value.
    """
    return _share(wrong(batch), both(batch) - shared(batch) + smooth)


@loss(
    forms=FORM,
    formula="mean over t = 0.50, 0.55, ..., 0.95 of [I + smooth > t (U + smooth)]",
    unit="1",
    best=1.0,
    direction="max",
    source="COCO, Lin et al. 2014, arXiv:1405.0312; Kaggle TGS Salt, 2018",
    use="To report segmentation as the leaderboards do: how many of ten overlap thresholds an image passes.",
    avoid="Training: it has no slope.",
    peers={
        "tutorials": "iou_mask_score:smooth=1e-6; without smoothing an IoU of exactly 3/4 passes 5 thresholds, not 6"
    },
)
def iou_mask_score(batch: Batch, *, smooth: Smooth = 0.0) -> Array:
    """Share of the thresholds 0.50 to 0.95 that the overlap of two masks exceeds; higher is better.

    Compared as 20 I > k U in whole numbers, so it is exact for hard masks. Two empty masks agree: 1.
    """
    i, u = 20.0 * (shared(batch) + smooth), both(batch) - shared(batch) + smooth
    passed = np.add.reduce([(i > k * u).astype(np.float64) for k in THRESHOLDS], axis=0)
    return np.where(u == 0.0, 1.0, passed / len(THRESHOLDS))


def _dice_gradient(batch: Batch, *, smooth: float) -> Array:
    whole = both(batch) + smooth
    return -_share(2.0 * batch.target * whole - (2.0 * shared(batch) + smooth), np.square(whole))


@loss(
    forms=FORM,
    gradient=_dice_gradient,
    subgradient=EMPTY,
    formula="mean of 1 - (2 I + smooth)/(Σ p + Σ y + smooth), I = Σ p y",
    unit="1",
    aliases=("dice_loss", "sorensen_dice"),
    source="Dice 1945; Milletari et al. 2016, arXiv:1606.04797",
    use="Segmentation of small structures, as in medical images; it is 1 - F1 of the pixels.",
    avoid="Calibrated pixels are wanted: bce.",
    peers={
        "keras": "Dice: takes the whole batch as one mask, 1e-7 in the denominator",
        "MONAI": "DiceLoss: dice:smooth=1e-5",
        "optax": "binary_dice_loss: smooth = 1 in (I + s)/(I + (FP + FN)/2 + s), here dice:smooth=2",
        "smp": "DiceLoss: sums over the batch before it divides, and leaves out empty targets",
    },
)
def dice(batch: Batch, *, smooth: Smooth = 0.0) -> Array:
    """One minus the Dice coefficient of two masks, soft or hard. Two empty masks agree: 0."""
    return _share(wrong(batch), both(batch) + smooth)
