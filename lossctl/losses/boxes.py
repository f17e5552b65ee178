"""Losses of axis-parallel boxes. The unit of a row is one pair of boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np

from lossctl.core.batch import Batch, derived
from lossctl.core.domain import NON_NEGATIVE, POSITIVE
from lossctl.core.loss import Loss, Part, differs, loss, same
from lossctl.core.param import Choice, Param
from lossctl.losses import overlap as o
from lossctl.numerics.array import Array

KINK = (
    "where two edges coincide the side of the prediction that lies outside; 0 for the overlap of disjoint boxes and "
    "for the angle of a point"
)
FRAMES = ("xyxy", "xywh", "cxcywh")
FRAME = Param("frame", "xyxy", Choice(FRAMES), "what the four columns are: corners; corner or centre, width and height")
FORMS = {frame: (o.framed(frame),) for frame in FRAMES}
NOTE = "Boxes in another frame are turned into corners relative to the target first, which rounds them once."
Eps = Annotated[float, NON_NEGATIVE, "added to the denominators, in squared units; torchvision adds 1e-7"]


def _in_frame(args: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"forms": FORMS[args["frame"]]}


def box_loss(**facts: Any) -> Callable[[Part], Loss]:
    """Declare a loss of boxes, in any frame."""

    def declare(function: Part) -> Loss:
        made = loss(forms=FORMS["xyxy"], subgradient=KINK, **facts)(function)
        doc = f"{made.doc}\n{NOTE}".strip()
        return replace(made, params=(*made.params, FRAME), variant=_in_frame, doc=doc)

    return declare


def _missing(batch: Batch, eps: float = 0.0) -> Array:
    """1 - IoU, as the share of the union that is not shared."""
    _, only, union, _, _ = o.areas(batch)
    floor = o.floor_of_area(batch, eps)
    return (only + floor) / (union + floor)


def _slopes(batch: Batch, eps: float = 0.0) -> tuple[Array, Array]:
    """Slopes of U and of IoU by the prediction's stretched edges, each (4, rows)."""
    size = o.lengths(batch)
    inter = o.area_slope(size[o.SHARED], o.shared_edges(batch))
    union = o.area_slope(size[o.PRED], o.OUTWARD) - inter
    shared, _, both, _, _ = o.areas(batch)
    both = both + o.floor_of_area(batch, eps)
    return union, (inter - shared / both * union) / both


def _iou_gradient(batch: Batch, *, eps: float = 0.0) -> Array:
    return -o.by_axis(batch, _slopes(batch, eps)[1])


@box_loss(
    gradient=lambda batch: _iou_gradient(batch),
    formula="mean of 1 - IoU, IoU = I/U",
    unit="1",
    source="Rahman & Wang 2016, doi:10.1007/978-3-319-50835-1_22; Jaccard 1901",
    use="A box counts as a whole, not as four numbers; free of scale, between 0 and 1, and training converges faster "
    "than with one loss per coordinate.",
    avoid="Boxes may be disjoint while training: there the slope is 0 (giou, diou, ciou).",
    elsewhere=(
        same("torchvision", "1 - box_iou", note="per pair, the diagonal of its matrix"),
        same("torchmetrics", "1 - intersection_over_union", note="per pair"),
    ),
)
def iou(batch: Batch) -> Array:
    """One minus the intersection over union of two boxes."""
    return _missing(batch)


@derived
def minus_log_iou(batch: Batch) -> Array:
    """-ln IoU; where the intersection is too small beside the hull to be a float, by logarithms of its sides."""
    shared, only, _, _, _ = o.areas(batch)
    found = np.log1p(only / shared)
    tiny = (shared < 2.0**-900) & (o.plain(batch)[o.SHARED, 0] > 0.0)
    if tiny.any():
        width, height = np.log(o.plain(batch)[o.SHARED])
        found = np.where(
            tiny, np.log(only) - np.log(2.0) * np.add.reduce(o.power(batch), axis=0) - width - height, found
        )
    return found


def _iou_log_gradient(batch: Batch) -> Array:
    size = o.lengths(batch)[o.SHARED]
    pull = o.shared_edges(batch) / np.concatenate([size] * 2)
    slope = _slopes(batch)[0] / o.areas(batch)[2] - pull
    return o.by_axis(batch, np.where(size[0] > 0.0, slope, 0.0))


@box_loss(
    gradient=_iou_log_gradient,
    formula="mean of -ln IoU, IoU = I/U",
    unit="nats",
    aliases=("unitbox",),
    source="Yu et al. 2016 (UnitBox), doi:10.1145/2964284.2967274",
    use="As iou, with a stronger pull on boxes that hardly overlap.",
    avoid="Boxes may be disjoint: the loss is infinite there.",
    elsewhere=(same("UnitBox", "IoU loss", note="without a floor under IoU"),),
)
def iou_log(batch: Batch) -> Array:
    """Negative logarithm of the intersection over union; infinite for disjoint boxes."""
    return minus_log_iou(batch)


def _alpha_iou_gradient(batch: Batch, *, alpha: float) -> Array:
    steep = alpha * np.exp((1.0 - alpha) * minus_log_iou(batch))
    return np.where(o.areas(batch)[0] == 0.0, 0.0, steep * _iou_gradient(batch))


@box_loss(
    gradient=_alpha_iou_gradient,
    formula="mean of 1 - IoU^alpha",
    unit="1",
    source="He et al. 2021, arXiv:2110.13675",
    use="As iou, with alpha above 1 more weight on boxes that already fit well, for precise localisation.",
    avoid="Boxes may be disjoint while training: there the slope is 0 (giou, diou, ciou).",
    elsewhere=(same("Alpha-IoU", "alpha-IoU loss"),),
)
def alpha_iou(batch: Batch, *, alpha: Annotated[float, POSITIVE, "power of the IoU"] = 3.0) -> Array:
    """One minus a power of the intersection over union."""
    return -np.expm1(-alpha * minus_log_iou(batch))


def _giou_gradient(batch: Batch, *, eps: float) -> Array:
    union, iou_slope = _slopes(batch, eps)
    _, _, _, hull, empty = o.areas(batch)
    around = o.area_slope(o.lengths(batch)[o.HULL], o.hull_edges(batch))
    floor = o.floor_of_area(batch, eps)
    wasted = (around - union - empty / (hull + floor) * around) / (hull + floor)
    return o.by_axis(batch, wasted - iou_slope)


@box_loss(
    gradient=_giou_gradient,
    formula="mean of 1 - IoU + (C - U)/C, C = area of the smallest box around both",
    unit="1 (between 0 and 2)",
    source="Rezatofighi et al. 2019, arXiv:1902.09630",
    use="Box regression where boxes may be disjoint: it still pulls them together.",
    avoid="One box inside the other: it is iou there, wherever the inner one lies (diou, ciou).",
    elsewhere=(
        same("torchvision", "generalized_box_iou_loss", "giou:eps=1e-7"),
        same("torchmetrics", "1 - generalized_intersection_over_union", note="per pair; between -1 and 1"),
        same("MONAI", "BoxGIoULoss", note="adds the type's eps to the denominators"),
    ),
)
def giou(batch: Batch, *, eps: Eps = 0.0) -> Array:
    """Generalised IoU loss."""
    _, _, _, hull, empty = o.areas(batch)
    return _missing(batch, eps) + empty / (hull + o.floor_of_area(batch, eps))


def _diagonal(batch: Batch, eps: float) -> Array:
    """Squared diagonal of the hull, evenly stretched."""
    squared = np.add.reduce(np.square(o.even(batch)[o.HULL]), axis=0)
    return squared + o.floor_of_square(batch, eps)


def _distance(batch: Batch, eps: float) -> Array:
    """ρ²/c²: squared distance of the centres over the squared diagonal of the hull."""
    gap = o.even(batch)[o.LEAD] + o.even(batch)[o.TRAIL]
    return 0.25 * np.add.reduce(np.square(gap), axis=0) / _diagonal(batch, eps)


def _diou_gradient(batch: Batch, *, eps: float = 0.0) -> Array:
    gap = np.concatenate([o.even(batch)[o.LEAD] + o.even(batch)[o.TRAIL]] * 2)
    wider = np.concatenate([o.even(batch)[o.HULL]] * 2) * o.hull_edges(batch)
    pull = (0.5 * gap - 2.0 * _distance(batch, eps) * wider) / _diagonal(batch, eps)
    return _iou_gradient(batch, eps=eps) + o.by_both(batch, pull)


@box_loss(
    gradient=_diou_gradient,
    formula="mean of 1 - IoU + ρ²/c²",
    unit="1 (between 0 and 2)",
    source="Zheng et al. 2020, arXiv:1911.08287",
    use="As giou, but it pulls the centres together directly and converges faster.",
    avoid="The aspect ratio matters too: ciou.",
    elsewhere=(
        same("torchvision", "distance_box_iou_loss", "diou:eps=1e-7"),
        differs("torchmetrics", "1 - distance_intersection_over_union", "adds 1e-7 to the squared diagonal alone"),
    ),
)
def diou(batch: Batch, *, eps: Eps = 0.0) -> Array:
    """Distance IoU loss: ρ is the distance of the centres, c the diagonal of the smallest box around both."""
    return _missing(batch, eps) + _distance(batch, eps)


@derived
def angle_gap(batch: Batch) -> Array:
    """Difference of the angles atan(w/h) of target and prediction."""
    target, pred = o.plain(batch)[o.TARGET], o.plain(batch)[o.PRED]
    return np.arctan2(target[0], target[1]) - np.arctan2(pred[0], pred[1])


def _aspect(batch: Batch) -> Array:
    """v = (4/π²) (difference of the angles)²."""
    return 4.0 / np.pi**2 * np.square(angle_gap(batch))


def _ciou_gradient(batch: Batch, *, eps: float) -> Array:
    width, height = o.even(batch)[o.PRED]
    v, whole = _aspect(batch), _missing(batch, eps) + _aspect(batch) + eps
    reach = np.square(width) + np.square(height)
    turn = np.where(reach == 0.0, 0.0, 8.0 / np.pi**2 * angle_gap(batch) / reach)
    v_slope = o.by_both(batch, np.stack([turn * height, -turn * width, -turn * height, turn * width]))
    share = np.where(whole == 0.0, 0.0, v / whole)
    return (
        _diou_gradient(batch, eps=eps)
        + share * (2.0 - share) * v_slope
        - np.square(share) * _iou_gradient(batch, eps=eps)
    )


@box_loss(
    gradient=_ciou_gradient,
    formula="mean of 1 - IoU + ρ²/c² + α v, v = (4/π²)(atan(w_t/h_t) - atan(w/h))², α = v/(1 - IoU + v)",
    unit="1",
    source="Zheng et al. 2020, arXiv:1911.08287",
    use="Box regression where overlap, centre and aspect ratio should all fit.",
    avoid="Predictions without height or width.",
    elsewhere=(
        same(
            "torchvision",
            "complete_box_iou_loss",
            "ciou:eps=1e-7",
            note="α is held in its gradient; NaN where a box has no area",
        ),
        differs("torchmetrics", "1 - complete_intersection_over_union", "adds 1e-7 to some denominators only"),
    ),
)
def ciou(batch: Batch, *, eps: Eps = 0.0) -> Array:
    """Complete IoU loss: distance IoU plus a penalty for the aspect ratio.

    The gradient is the derivative of the value; the paper's code holds α fixed.
    """
    v, missing = _aspect(batch), _missing(batch, eps)
    whole = missing + v + eps
    return missing + _distance(batch, eps) + np.where(whole == 0.0, 0.0, np.square(v) / whole)


def _size_gap(batch: Batch) -> Array:
    """How much wider and higher the prediction is, as shares of the hull's sides, (2, rows)."""
    size = o.lengths(batch)
    return (size[o.TRAIL] - size[o.LEAD]) / size[o.HULL]


def _eiou_gradient(batch: Batch) -> Array:
    share, hull = (np.concatenate([x] * 2) for x in (_size_gap(batch), o.lengths(batch)[o.HULL]))
    slope = 2.0 * share * (o.OUTWARD - share * o.hull_edges(batch)) / hull
    return _diou_gradient(batch) + o.by_axis(batch, slope)


@box_loss(
    gradient=_eiou_gradient,
    formula="mean of 1 - IoU + ρ²/c² + (w - w_t)²/C_w² + (h - h_t)²/C_h², C_w x C_h = the smallest box around both",
    unit="1",
    source="Zhang et al. 2021, arXiv:2101.08158",
    use="As ciou, but width and height are each pulled to the target's, not their ratio alone.",
    avoid="The IoU itself is to be reported: iou.",
    elsewhere=(same("EIoU", "EIoU loss"),),
)
def eiou(batch: Batch) -> Array:
    """Efficient IoU loss: distance IoU plus penalties for width and height."""
    return _missing(batch) + _distance(batch, 0.0) + np.add.reduce(np.square(_size_gap(batch)), axis=0)
