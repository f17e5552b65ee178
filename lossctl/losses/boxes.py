"""Losses of axis-parallel boxes. The unit of a row is one pair of boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final

import numpy as np

from lossctl.core.batch import Batch, derived
from lossctl.core.declare import declare
from lossctl.core.domain import CORNERS, NON_NEGATIVE, POSITIVE, Box
from lossctl.core.form import Form
from lossctl.core.loss import Loss, Part
from lossctl.core.param import Choice, Param, params_of
from lossctl.losses.forms import BOXES
from lossctl.numerics.array import Array


def framed(frame: str) -> Form:
    """Return the form of boxes whose columns are in a frame."""
    if frame == "xyxy":
        return BOXES
    back = np.linalg.inv(CORNERS[frame])
    columns = {role: tuple(map(tuple, (back @ np.array(x)).tolist())) for role, x in BOXES.curve.roles.items()}
    roles = {"target": Box(solid=True, frame=frame), "pred": Box(frame=frame)}
    return replace(BOXES, name=f"boxes_{frame}", roles=roles, curve=replace(BOXES.curve, roles=columns))


KINK = (
    "where two edges coincide the side of the prediction that lies outside; 0 for the overlap of disjoint boxes and "
    "for the angle of a point"
)
FRAMES = ("xyxy", "xywh", "cxcywh")
FRAME = Param("frame", "xyxy", Choice(FRAMES), "what the four columns are: corners; corner or centre, width and height")
FORMS = {frame: (framed(frame),) for frame in FRAMES}
NOTE = "Boxes in another frame are turned into corners relative to the target first, which rounds them once."
Eps = Annotated[float, NON_NEGATIVE, "added to the denominators, in squared units; torchvision adds 1e-7"]


def box_loss(**facts: Any) -> Callable[[Part], Loss]:
    """Declare a loss of boxes, in any frame."""

    def made(function: Part) -> Loss:
        return declare(
            function,
            params=(*params_of(function), FRAME),
            forms=lambda frame: FORMS[frame],
            row=function,
            subgradient=KINK,
            note=NOTE,
            **facts,
        )

    return made


# how two boxes lie

TARGET, PRED, SHARED, HULL, LEAD, TRAIL = range(6)
LEFT_TOP, RIGHT_BOTTOM = slice(0, 2), slice(2, 4)
SMALLEST: Final = 1e-125  # sides of the smallest and the largest hull whose products are floats with all their digits
LARGEST: Final = 1e150
ALMOST_DISJOINT: Final = 1e20  # times as large as the intersection is what only one box covers


@derived
def lengths(batch: Batch) -> Array:
    """Lengths by axis (6, 2, rows); NaN where the hull is too small or too large to have an area.

    Sides of the target, the prediction, the intersection (0 where the boxes are disjoint) and the hull; how far the
    prediction's left and top, and its right and bottom, lie beyond the target's.
    """
    t, p = batch.target, batch.pred
    shared = np.minimum(t[RIGHT_BOTTOM], p[RIGHT_BOTTOM]) - np.maximum(t[LEFT_TOP], p[LEFT_TOP])
    hull = np.maximum(t[RIGHT_BOTTOM], p[RIGHT_BOTTOM]) - np.minimum(t[LEFT_TOP], p[LEFT_TOP])
    size = np.stack(
        [
            t[RIGHT_BOTTOM] - t[LEFT_TOP],
            p[RIGHT_BOTTOM] - p[LEFT_TOP],
            np.where(np.logical_and.reduce(shared > 0.0, axis=0), shared, 0.0),
            hull,
            p[LEFT_TOP] - t[LEFT_TOP],
            p[RIGHT_BOTTOM] - t[RIGHT_BOTTOM],
        ]
    )
    size[:, :, ~np.logical_and.reduce((hull > SMALLEST) & (hull < LARGEST), axis=0)] = np.nan
    return size


def area(sides: Array) -> Array:
    """Width times height."""
    return sides[0] * sides[1]


def _beyond(sides: Array, ahead: Array, behind: Array, shared: Array) -> Array:
    """Area of a box outside the intersection, from how far it sticks out on each side, which does not cancel."""
    out = np.maximum(ahead, 0.0) + np.maximum(behind, 0.0)
    return np.where(shared[0] > 0.0, out[0] * sides[1] + shared[0] * out[1], area(sides))


@derived
def areas(batch: Batch) -> Array:
    """Intersection, U - I (what only one of the boxes covers), union, hull, and hull without union: (5, rows)."""
    size = lengths(batch)
    shared, lead, trail = size[SHARED], size[LEAD], size[TRAIL]
    inter = area(shared)
    only = _beyond(size[TARGET], lead, -trail, shared) + _beyond(size[PRED], -lead, trail, shared)
    union, hull = inter + only, area(size[HULL])
    corners = (
        np.maximum(-lead[0] * lead[1], 0.0)
        + np.maximum(-trail[0] * trail[1], 0.0)
        + np.maximum(lead[0] * trail[1], 0.0)
        + np.maximum(trail[0] * lead[1], 0.0)
    )  # a corner of the hull is empty where one box sticks out on one side and the other on the other
    return np.stack([inter, only, union, hull, np.where(shared[0] > 0.0, corners, hull - union)])


def missing(batch: Batch, eps: float = 0.0) -> Array:
    """1 - IoU, as the share of the union that is not shared."""
    _, only, union, _, _ = areas(batch)
    return (only + eps) / (union + eps)


# slopes by the prediction's four edges, (4, rows): left, top, right, bottom

OUTWARD: Final = np.array([[-1.0], [-1.0], [1.0], [1.0]])


def by_edge(x: Array) -> Array:
    """Repeat the values of both axes, (2, rows), for the lower and the upper edges, (4, rows)."""
    return np.concatenate([x, x])


@derived
def shared_edges(batch: Batch) -> Array:
    """Slope of the intersection's sides: -1, +1, or 0 where the target bounds it."""
    size = lengths(batch)
    meet = size[SHARED] > 0.0
    return np.concatenate([-((size[LEAD] > 0.0) & meet).astype(float), ((size[TRAIL] < 0.0) & meet).astype(float)])


@derived
def hull_edges(batch: Batch) -> Array:
    """Slope of the hull's sides."""
    size = lengths(batch)
    return np.concatenate([-(size[LEAD] <= 0.0).astype(float), (size[TRAIL] >= 0.0).astype(float)])


def area_slope(sides: Array, edges: Array) -> Array:
    """Slope of width x height, from the slope of the sides."""
    return edges * sides[[1, 0, 1, 0]]


def area_slopes(batch: Batch, eps: float = 0.0) -> tuple[Array, Array]:
    """Slopes of U and of IoU."""
    size = lengths(batch)
    inter = area_slope(size[SHARED], shared_edges(batch))
    union = area_slope(size[PRED], OUTWARD) - inter
    shared, _, covered, _, _ = areas(batch)
    covered = covered + eps
    return union, (inter - shared / covered * union) / covered


def _iou_gradient(batch: Batch, *, eps: float = 0.0) -> Array:
    return -area_slopes(batch, eps)[1]


@box_loss(gradient=lambda batch: _iou_gradient(batch))
def iou(batch: Batch) -> Array:
    """One minus the intersection over union of two boxes.

    Formula: mean of 1 - IoU, IoU = I/U
    Unit: 1
    Optimises: the overlap of boxes
    Use: A box counts as a whole, not as four numbers; free of scale, between 0 and 1, and training converges faster
        than with one loss per coordinate.
    Avoid: Boxes may be disjoint while training: there the slope is 0 (giou, diou, ciou).
    Source: Rahman & Wang 2016, doi:10.1007/978-3-319-50835-1_22; Jaccard 1901
    Elsewhere:
        torchvision   1 - box_iou                  # per pair, the diagonal of its matrix
        torchmetrics  1 - intersection_over_union  # per pair
    """
    return missing(batch)


@derived
def minus_log_iou(batch: Batch) -> Array:
    """-ln IoU = ln(1 + (U - I)/I); from the logarithms of its sides where the intersection is next to nothing."""
    shared, only, _, _, _ = areas(batch)
    ratio = only / shared
    values = np.log1p(ratio)
    tiny = (ratio > ALMOST_DISJOINT) & (lengths(batch)[SHARED, 0] > 0.0)
    if tiny.any():
        width, height = np.log(lengths(batch)[SHARED][:, tiny])
        values[tiny] = np.log(only[tiny]) - width - height
    return values


def _iou_log_gradient(batch: Batch) -> Array:
    size = lengths(batch)[SHARED]
    slope = area_slopes(batch)[0] / areas(batch)[2] - shared_edges(batch) / by_edge(size)
    return np.where(size[0] == 0.0, 0.0, slope)


@box_loss(gradient=_iou_log_gradient)
def iou_log(batch: Batch) -> Array:
    """Negative logarithm of the intersection over union; infinite for disjoint boxes.

    Formula: mean of -ln IoU, IoU = I/U
    Unit: nats
    Use: As iou, with a stronger pull on boxes that hardly overlap.
    Avoid: Boxes may be disjoint: the loss is infinite there.
    Source: Yu et al. 2016 (UnitBox), doi:10.1145/2964284.2967274
    Also: unitbox
    Elsewhere:
        UnitBox  IoU loss  # without a floor under IoU
    """
    return minus_log_iou(batch)


def _alpha_iou_gradient(batch: Batch, *, alpha: float) -> Array:
    steep = alpha * np.exp((1.0 - alpha) * minus_log_iou(batch))
    return np.where(areas(batch)[0] == 0.0, 0.0, steep * _iou_gradient(batch))


@box_loss(gradient=_alpha_iou_gradient)
def alpha_iou(batch: Batch, *, alpha: Annotated[float, POSITIVE, "power of the IoU"] = 3.0) -> Array:
    """One minus a power of the intersection over union.

    Formula: mean of 1 - IoU^alpha
    Unit: 1
    Use: As iou, with alpha above 1 more weight on boxes that already fit well, for precise localisation.
    Avoid: Boxes may be disjoint while training: there the slope is 0 (giou, diou, ciou).
    Source: He et al. 2021, arXiv:2110.13675
    Elsewhere:
        Alpha-IoU  alpha-IoU loss
    """
    return -np.expm1(-alpha * minus_log_iou(batch))


def _giou_gradient(batch: Batch, *, eps: float) -> Array:
    union, iou_slope = area_slopes(batch, eps)
    _, _, _, hull, empty = areas(batch)
    around = area_slope(lengths(batch)[HULL], hull_edges(batch))
    return (around - union - empty / (hull + eps) * around) / (hull + eps) - iou_slope


@box_loss(gradient=_giou_gradient)
def giou(batch: Batch, *, eps: Eps = 0.0) -> Array:
    """Generalised IoU loss.

    Formula: mean of 1 - IoU + (C - U)/C, C = area of the smallest box around both
    Unit: 1 (between 0 and 2)
    Optimises: the overlap of boxes
    Use: Box regression where boxes may be disjoint: it still pulls them together.
    Avoid: One box inside the other: it is iou there, wherever the inner one lies (diou, ciou).
    Source: Rezatofighi et al. 2019, arXiv:1902.09630
    Elsewhere:
        torchvision   generalized_box_iou_loss                 = giou:eps=1e-7
        torchmetrics  1 - generalized_intersection_over_union  # per pair; between -1 and 1
        MONAI         BoxGIoULoss                              # float32, off where a box is smaller than 1e-3
    """
    _, _, _, hull, empty = areas(batch)
    return missing(batch, eps) + empty / (hull + eps)


def _diagonal(batch: Batch, eps: float) -> Array:
    """Squared diagonal of the hull."""
    return np.add.reduce(np.square(lengths(batch)[HULL]), axis=0) + eps


def _distance(batch: Batch, eps: float) -> Array:
    """ρ²/c²: squared distance of the centres over the squared diagonal of the hull."""
    gap = lengths(batch)[LEAD] + lengths(batch)[TRAIL]
    return 0.25 * np.add.reduce(np.square(gap), axis=0) / _diagonal(batch, eps)


def _diou_gradient(batch: Batch, *, eps: float = 0.0) -> Array:
    gap = by_edge(lengths(batch)[LEAD] + lengths(batch)[TRAIL])
    wider = by_edge(lengths(batch)[HULL]) * hull_edges(batch)
    pull = (0.5 * gap - 2.0 * _distance(batch, eps) * wider) / _diagonal(batch, eps)
    return _iou_gradient(batch, eps=eps) + pull


@box_loss(gradient=_diou_gradient)
def diou(batch: Batch, *, eps: Eps = 0.0) -> Array:
    """Distance IoU loss: ρ is the distance of the centres, c the diagonal of the smallest box around both.

    Formula: mean of 1 - IoU + ρ²/c²
    Unit: 1 (between 0 and 2)
    Use: As giou, but it pulls the centres together directly and converges faster.
    Avoid: The aspect ratio matters too: ciou.
    Source: Zheng et al. 2020, arXiv:1911.08287
    Elsewhere:
        torchvision   distance_box_iou_loss                 = diou:eps=1e-7
        torchmetrics  1 - distance_intersection_over_union  ≠ adds 1e-7 to the squared diagonal alone
    """
    return missing(batch, eps) + _distance(batch, eps)


@derived
def angle_gap(batch: Batch) -> Array:
    """Difference of the angles atan(w/h) of target and prediction."""
    target, pred = lengths(batch)[TARGET], lengths(batch)[PRED]
    return np.arctan2(target[0], target[1]) - np.arctan2(pred[0], pred[1])


def _aspect(batch: Batch) -> Array:
    """v = (4/π²) (difference of the angles)²."""
    return 4.0 / np.pi**2 * np.square(angle_gap(batch))


def _ciou_gradient(batch: Batch, *, eps: float) -> Array:
    width, height = lengths(batch)[PRED]
    v = _aspect(batch)
    total = missing(batch, eps) + v + eps
    size = width + height
    reach = np.where(size > SMALLEST, np.square(width) + np.square(height), np.where(size == 0.0, np.inf, np.nan))
    turn = 8.0 / np.pi**2 * angle_gap(batch) / reach
    v_slope = np.stack([turn * height, -turn * width, -turn * height, turn * width])
    share = np.where(total == 0.0, 0.0, v / total)
    return (
        _diou_gradient(batch, eps=eps)
        + share * (2.0 - share) * v_slope
        - np.square(share) * _iou_gradient(batch, eps=eps)
    )


@box_loss(gradient=_ciou_gradient)
def ciou(batch: Batch, *, eps: Eps = 0.0) -> Array:
    """Complete IoU loss: distance IoU plus a penalty for the aspect ratio.

    The gradient is the derivative of the value; the paper's code holds α fixed.

    Formula: mean of 1 - IoU + ρ²/c² + α v, v = (4/π²)(atan(w_t/h_t) - atan(w/h))², α = v/(1 - IoU + v)
    Unit: 1
    Optimises: the overlap of boxes
    Use: Box regression where overlap, centre and aspect ratio should all fit.
    Avoid: Predictions without height or width.
    Source: Zheng et al. 2020, arXiv:1911.08287
    Elsewhere:
        torchvision   complete_box_iou_loss                 = ciou:eps=1e-7
            # α is held in its gradient; NaN where a box has no area
        torchmetrics  1 - complete_intersection_over_union  ≠ adds 1e-7 to some denominators only
    """
    v = _aspect(batch)
    total = missing(batch, eps) + v + eps
    return missing(batch, eps) + _distance(batch, eps) + np.where(total == 0.0, 0.0, np.square(v) / total)


def _size_gap(batch: Batch) -> Array:
    """How much wider and higher the prediction is, as shares of the hull's sides, (2, rows)."""
    size = lengths(batch)
    return (size[TRAIL] - size[LEAD]) / size[HULL]


def _eiou_gradient(batch: Batch) -> Array:
    share = by_edge(_size_gap(batch))
    slope = 2.0 * share * (OUTWARD - share * hull_edges(batch)) / by_edge(lengths(batch)[HULL])
    return _diou_gradient(batch) + slope


@box_loss(gradient=_eiou_gradient)
def eiou(batch: Batch) -> Array:
    """Efficient IoU loss: distance IoU plus penalties for width and height.

    Formula: mean of 1 - IoU + ρ²/c² + (w - w_t)²/C_w² + (h - h_t)²/C_h², C_w x C_h = the smallest box around both
    Unit: 1
    Use: As ciou, but width and height are each pulled to the target's, not their ratio alone.
    Avoid: The IoU itself is to be reported: iou.
    Source: Zhang et al. 2021, arXiv:2101.08158
    Elsewhere:
        EIoU  EIoU loss
    """
    return missing(batch) + _distance(batch, 0.0) + np.add.reduce(np.square(_size_gap(batch)), axis=0)
