"""Losses of axis-parallel boxes x1, y1, x2, y2. The unit of a row is one pair of boxes."""

from __future__ import annotations

import numpy as np

from lossctl.core.batch import Batch, derived
from lossctl.core.domain import Array
from lossctl.core.loss import loss
from lossctl.losses.forms import BOXES

FORM = (BOXES,)
KINK = (
    "where two edges coincide the side of the prediction that lies outside; 0 for the overlap of disjoint boxes and "
    "for the angle of a point"
)
LEFT_TOP, RIGHT_BOTTOM = slice(0, 2), slice(2, 4)


@derived
def overlap(batch: Batch) -> Array:
    """Width and height of the intersection, (2, rows); both 0 where the boxes are disjoint."""
    t, p = batch.target, batch.pred
    size = np.minimum(t[RIGHT_BOTTOM], p[RIGHT_BOTTOM]) - np.maximum(t[LEFT_TOP], p[LEFT_TOP])
    return np.where(np.logical_and.reduce(size > 0.0, axis=0), size, 0.0)


@derived
def hull(batch: Batch) -> Array:
    """Width and height of the smallest box around both, (2, rows)."""
    t, p = batch.target, batch.pred
    return np.maximum(t[RIGHT_BOTTOM], p[RIGHT_BOTTOM]) - np.minimum(t[LEFT_TOP], p[LEFT_TOP])


def sides(box: Array) -> Array:
    """Width and height, (2, rows)."""
    return box[RIGHT_BOTTOM] - box[LEFT_TOP]


@derived
def areas(batch: Batch) -> Array:
    """Intersection I, union U and hull C, (3, rows)."""
    inter = np.multiply.reduce(overlap(batch), axis=0)
    union = np.multiply.reduce(sides(batch.target), axis=0) + np.multiply.reduce(sides(batch.pred), axis=0) - inter
    return np.stack([inter, union, np.multiply.reduce(hull(batch), axis=0)])


def _area_slope(size: Array, edges: Array) -> Array:
    """Slope of width x height by the four edges, from the slope of the sides by their edges."""
    return edges * size[[1, 0, 1, 0]]


def _overlap_edges(batch: Batch) -> Array:
    """Slope of the intersection's sides by the prediction's edges: -1, +1, or 0 where the target bounds it."""
    t, p = batch.target, batch.pred
    return np.concatenate(
        [-(p[LEFT_TOP] > t[LEFT_TOP]).astype(float), (p[RIGHT_BOTTOM] < t[RIGHT_BOTTOM]).astype(float)]
    )


def _hull_edges(batch: Batch) -> Array:
    """Slope of the hull's sides by the prediction's edges."""
    t, p = batch.target, batch.pred
    return np.concatenate(
        [-(p[LEFT_TOP] <= t[LEFT_TOP]).astype(float), (p[RIGHT_BOTTOM] >= t[RIGHT_BOTTOM]).astype(float)]
    )


OUTWARD = np.array([[-1.0], [-1.0], [1.0], [1.0]])


def _slopes(batch: Batch) -> tuple[Array, Array, Array]:
    """Slopes of I, U and IoU by the prediction's edges, each (4, rows)."""
    inter = _area_slope(overlap(batch), _overlap_edges(batch))
    union = _area_slope(sides(batch.pred), OUTWARD) - inter
    i, u, _ = areas(batch)
    return inter, union, (inter * u - i * union) / np.square(u)


def _beyond(mine: Array, other: Array, met: Array) -> Array:
    """Area of a box outside the intersection, from differences of coordinates, which do not cancel."""
    ahead = np.maximum(other[LEFT_TOP] - mine[LEFT_TOP], 0.0)
    behind = np.maximum(mine[RIGHT_BOTTOM] - other[RIGHT_BOTTOM], 0.0)
    width, height = ahead + behind
    strips = width * sides(mine)[1] + met[0] * height
    return np.where(met[0] > 0.0, strips, np.multiply.reduce(sides(mine), axis=0))


@derived
def unshared(batch: Batch) -> Array:
    """U - I: what only one of the boxes covers."""
    t, p, met = batch.target, batch.pred, overlap(batch)
    return _beyond(t, p, met) + _beyond(p, t, met)


def _missing(batch: Batch) -> Array:
    """1 - IoU, as the share of the union that is not shared."""
    return unshared(batch) / (areas(batch)[0] + unshared(batch))


def _iou_gradient(batch: Batch) -> Array:
    return -_slopes(batch)[2]


@loss(
    forms=FORM,
    gradient=_iou_gradient,
    subgradient=KINK,
    formula="mean of 1 - IoU, IoU = I/U",
    unit="1",
    source="Rahman & Wang 2016, doi:10.1007/978-3-319-50835-1_22; Jaccard 1901",
    use="A box counts as a whole, not as four numbers; free of scale, between 0 and 1, and training converges faster "
    "than with one loss per coordinate.",
    avoid="Boxes may be disjoint while training: there the slope is 0 (giou, diou, ciou).",
    peers={"torchvision": "1 - box_iou: same", "torchmetrics": "1 - intersection_over_union per pair: same"},
)
def iou(batch: Batch) -> Array:
    """One minus the intersection over union of two boxes."""
    return _missing(batch)


def _iou_log_gradient(batch: Batch) -> Array:
    i, u, _ = areas(batch)
    return np.where(i == 0.0, 0.0, -_slopes(batch)[2] * u / i)


@loss(
    forms=FORM,
    gradient=_iou_log_gradient,
    subgradient=KINK,
    formula="mean of -ln IoU, IoU = I/U",
    unit="nats",
    aliases=("unitbox",),
    source="Yu et al. 2016 (UnitBox), doi:10.1145/2964284.2967274",
    use="As iou, with a stronger pull on boxes that hardly overlap.",
    avoid="Boxes may be disjoint: the loss is infinite there.",
    peers={"UnitBox": "same, without a floor under IoU"},
)
def iou_log(batch: Batch) -> Array:
    """Negative logarithm of the intersection over union; infinite for disjoint boxes."""
    return np.log1p(unshared(batch) / areas(batch)[0])


def _giou_gradient(batch: Batch) -> Array:
    _, union, iou_slope = _slopes(batch)
    _, u, c = areas(batch)
    around = _area_slope(hull(batch), _hull_edges(batch))
    return -iou_slope - (union * c - u * around) / np.square(c)


@loss(
    forms=FORM,
    gradient=_giou_gradient,
    subgradient=KINK,
    formula="mean of 1 - IoU + (C - U)/C, C = area of the smallest box around both",
    unit="1 (between 0 and 2)",
    source="Rezatofighi et al. 2019, arXiv:1902.09630",
    use="Box regression where boxes may be disjoint: it still pulls them together.",
    avoid="One box inside the other: it is iou there, wherever the inner one lies (diou, ciou).",
    peers={"torchvision": "generalized_box_iou_loss: same but for 1e-7 in the denominators"},
)
def giou(batch: Batch) -> Array:
    """Generalised IoU loss."""
    _, u, c = areas(batch)
    return _missing(batch) + (c - u) / c


@derived
def centre_gap(batch: Batch) -> Array:
    """Twice the vector between the centres, (2, rows)."""
    t, p = batch.target, batch.pred
    return (p[LEFT_TOP] - t[LEFT_TOP]) + (p[RIGHT_BOTTOM] - t[RIGHT_BOTTOM])


@derived
def distance_penalty(batch: Batch) -> Array:
    """ρ²/c²: squared distance of the centres over the squared diagonal of the hull."""
    return 0.25 * np.add.reduce(np.square(centre_gap(batch)), axis=0) / np.add.reduce(np.square(hull(batch)), axis=0)


def _diou_gradient(batch: Batch) -> Array:
    diagonal = np.add.reduce(np.square(hull(batch)), axis=0)
    gap = np.concatenate([centre_gap(batch)] * 2)
    stretch = np.concatenate([hull(batch)] * 2) * _hull_edges(batch)
    return -_slopes(batch)[2] + (0.5 * gap - 2.0 * distance_penalty(batch) * stretch) / diagonal


@loss(
    forms=FORM,
    gradient=_diou_gradient,
    subgradient=KINK,
    formula="mean of 1 - IoU + ρ²/c²",
    unit="1 (between 0 and 2)",
    source="Zheng et al. 2020, arXiv:1911.08287",
    use="As giou, but it pulls the centres together directly and converges faster.",
    avoid="The aspect ratio matters too: ciou.",
    peers={"torchvision": "distance_box_iou_loss: same but for 1e-7 in the denominators"},
)
def diou(batch: Batch) -> Array:
    """Distance IoU loss: ρ is the distance of the centres, c the diagonal of the smallest box around both."""
    return _missing(batch) + distance_penalty(batch)


@derived
def aspect_gap(batch: Batch) -> Array:
    """Difference of the angles atan(w/h) of target and prediction."""
    target, pred = sides(batch.target), sides(batch.pred)
    return np.arctan2(target[0], target[1]) - np.arctan2(pred[0], pred[1])


def _aspect(batch: Batch) -> Array:
    """v = (4/π²) (difference of the angles)²."""
    return 4.0 / np.pi**2 * np.square(aspect_gap(batch))


def _ciou_gradient(batch: Batch) -> Array:
    width, height = sides(batch.pred)
    v, missing = _aspect(batch), _missing(batch)
    reach = np.square(width) + np.square(height)
    turn = np.where(reach == 0.0, 0.0, 8.0 / np.pi**2 * aspect_gap(batch) / reach)
    v_slope = np.stack([turn * height, -turn * width, -turn * height, turn * width])
    whole = missing + v
    agree = whole == 0.0
    by_v = np.where(agree, 0.0, v * (2.0 * missing + v) / np.square(whole))
    by_iou = np.where(agree, 0.0, np.square(v / whole))
    return _diou_gradient(batch) + by_v * v_slope + by_iou * _slopes(batch)[2]


@loss(
    forms=FORM,
    gradient=_ciou_gradient,
    subgradient=KINK,
    formula="mean of 1 - IoU + ρ²/c² + α v, v = (4/π²)(atan(w_t/h_t) - atan(w/h))², α = v/(1 - IoU + v)",
    unit="1",
    source="Zheng et al. 2020, arXiv:1911.08287",
    use="Box regression where overlap, centre and aspect ratio should all fit.",
    avoid="Predictions without height or width.",
    peers={
        "torchvision": "complete_box_iou_loss: same value but for 1e-7 in the denominators; its gradient holds α "
        "fixed, this one is the derivative of the value",
    },
)
def ciou(batch: Batch) -> Array:
    """Complete IoU loss: distance IoU plus a penalty for the aspect ratio."""
    v = _aspect(batch)
    whole = _missing(batch) + v
    return _missing(batch) + distance_penalty(batch) + np.where(whole == 0.0, 0.0, np.square(v) / whole)
