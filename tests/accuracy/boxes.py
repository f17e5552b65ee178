"""Boxes: near-equal, far apart, thin, tiny and huge ones, in every frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from tests.accuracy import Exact, Real, Row, mp

Numbers = Sequence[float]
Reals = list[Real]


class Pair:
    """Areas and lengths of two boxes."""

    def __init__(self, target: Reals, pred: Reals, frame: str) -> None:
        t, p = corners(target, frame), corners(pred, frame)
        self.sides = [(t[2] - t[0], t[3] - t[1]), (p[2] - p[0], p[3] - p[1])]
        width, height = (min(t[2 + i], p[2 + i]) - max(t[i], p[i]) for i in (0, 1))
        shared = width * height if width > 0 and height > 0 else mp.mpf(0)
        self.union = sum(w * h for w, h in self.sides) - shared
        self.hull = [max(t[2 + i], p[2 + i]) - min(t[i], p[i]) for i in (0, 1)]
        gaps = [(p[i] + p[2 + i] - t[i] - t[2 + i]) / 2 for i in (0, 1)]
        self.iou = shared / self.union
        self.distance = sum(x * x for x in gaps) / sum(x * x for x in self.hull)


def corners(box: Reals, frame: str) -> Reals:
    a, b, c, d = box
    if frame == "xyxy":
        return box
    return [a, b, a + c, b + d] if frame == "xywh" else [a - c / 2, b - d / 2, a + c / 2, b + d / 2]


def giou(pair: Pair) -> Real:
    hull = pair.hull[0] * pair.hull[1]
    return 1 - pair.iou + (hull - pair.union) / hull


def ciou(pair: Pair) -> Real:
    (w, h), (width, height) = pair.sides
    v = 4 / mp.pi**2 * (mp.atan2(w, h) - mp.atan2(width, height)) ** 2
    return 1 - pair.iou + pair.distance + (v * v / (1 - pair.iou + v) if v else 0)


def eiou(pair: Pair) -> Real:
    gaps = [pair.sides[1][i] - pair.sides[0][i] for i in (0, 1)]
    return 1 - pair.iou + pair.distance + sum((gap / side) ** 2 for gap, side in zip(gaps, pair.hull, strict=True))


FUNCTIONS: dict[str, Callable[[Pair], Real]] = {
    "iou": lambda pair: 1 - pair.iou,
    "iou_log": lambda pair: -mp.log(pair.iou) if pair.iou else mp.inf,
    "alpha_iou": lambda pair: 1 - pair.iou**3,
    "giou": giou,
    "diou": lambda pair: 1 - pair.iou + pair.distance,
    "ciou": ciou,
    "eiou": eiou,
}


def exact(function: Callable[[Pair], Real], frame: str, target: Reals, pred: Reals) -> Real:
    return function(Pair(target, pred, frame))


def rows(targets: Sequence[Numbers], preds: Sequence[Numbers]) -> list[Row]:
    return [{"target": tuple(target), "pred": tuple(pred)} for target, pred in zip(targets, preds, strict=True)]


UNIT = (0.0, 0.0, 1.0, 1.0)
PAIRS = [
    ((1.0, 1.0, 3.0, 5.0), (0.0, 0.0, 4.0, 2.0)),
    (UNIT, (0.0, 0.0, 1e-9, 1e-9)),
    ((0.1, 0.2, 1.3, 2.7), (0.1, 0.2, 1.3, 2.7)),
    (UNIT, (0.0, 0.0, 1.0, 1.0 + 1e-9)),
    (UNIT, (0.0, 0.0, 1.0, 1.0 + 2.0**-52)),
    (UNIT, (1e-9, 0.0, 1.0, 1.0)),
    (UNIT, (1e-9, 1e-9, 1.0 + 1e-9, 1.0 + 1e-9)),
    (UNIT, (1e-9, -1e-9, 1.0 + 1e-9, 1.0 - 1e-9)),
    ((10.0, 20.0, 110.0, 220.0), (10.0, 20.0, 110.0, 220.000001)),
    ((0.0, 0.0, 3.0, 3.0), (0.0, 0.0, 3.0, 3.03)),
    ((0.0, 0.0, 1e-9, 1e9), (0.0, 0.0, 1e-9, 1.001e9)),
    ((1e9, 1e9, 1e9 + 1.0, 1e9 + 1.0), (1e9, 1e9, 1e9 + 1.0, 1e9 + 1.25)),
    ((0.0, 4.0, 10.0, 6.0), (4.0, 0.0, 6.0, 10.0)),
    (UNIT, (2.0, 3.0, 4.0, 4.5)),
    (UNIT, (1.0, 0.0, 2.0, 1.0)),
    (UNIT, (0.5, 0.5, 0.5, 0.5)),
    (UNIT, (0.2, 0.3, 0.2, 0.9)),
    # the ends of what is promised
    ((0.0, 0.0, 1e100, 1e100), (1e99, 0.0, 9e99, 9.9e99)),
    ((0.0, 0.0, 1e-99, 2e-99), (1e-100, 0.0, 1.1e-99, 1.9e-99)),
    ((0.0, 0.0, 1e-99, 2e99), (1e-100, 0.0, 1.1e-99, 1.9e99)),
    ((-1e100, -1e100, 1e100, 1e100), (-1e99, -1e100, 1e100, 1e99)),
    ((0.0, 0.0, 1e100, 1e-100), (0.0, 0.0, 1e-100, 1e100)),
    ((0.0, 0.0, 1e-100, 1e-100), (0.0, 0.0, 1e100, 1e100)),
    ((0.0, 0.0, 1e100, 1e100), (1e99, 1e99, 1e99 + 1e85, 1e99 + 1e85)),
    # beyond
    *(((0.0, 0.0, x, 2 * x), (x / 10, 0.0, 1.1 * x, 1.9 * x)) for x in (*10.0 ** np.arange(-165.0, -120.0, 4), 5e-324)),
    *(((0.0, 0.0, x, 2 * x), (x / 10, 0.0, 1.1 * x, 1.9 * x)) for x in (1e120, 1e149, 1e153, 1e155, 1e200, 8e307)),
    *((UNIT, (0.0, 0.0, x, x)) for x in (1e-110, 1e-150, 1e-160, 1e-165, 5e-324, 1e120, 1e153, 1e300)),
    ((0.0, 0.0, 1.0, 1e-160), (0.0, 0.0, 1e-160, 1.0)),
    ((0.0, 0.0, 1e-160, 1e-160), (5.0, 5.0, 5.5, 5.5)),
    ((-1.7e308, -1.7e308, 1.7e308, 1.7e308), (-1e308, -1.7e308, 1.7e308, 1e308)),
]
RNG = np.random.default_rng(31)
START, SIDES = RNG.uniform(-1.0, 4.0, (2, 300, 2)), RNG.lognormal(0.0, 1.0, (2, 300, 2))
ANY = np.concatenate([START, START + SIDES], axis=2).tolist()
NEAR = ANY[0] + RNG.normal(0.0, 1.0, (300, 4)) * 10.0 ** RNG.uniform(-12, -2, (300, 1)) * np.tile(SIDES[0], 2)
WIDE = np.concatenate([START, SIDES], axis=2).tolist()
FAR_OFF = [((1e6, 2e6, 0.1, 0.3), (1e6 + 2.0**-5, 2e6, 0.11, 0.29)), ((0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.3, 0.4))]
CORNERS = rows(*zip(*PAIRS, strict=True)) + rows(*ANY) + rows(ANY[0], NEAR.tolist())
SIDED = rows(*zip(*FAR_OFF, strict=True)) + rows(*WIDE)
CASES = tuple(
    Exact(f"{name}:frame={frame}", data, partial(exact, function, frame), digits=250)  # 1e100 - 1e-100 is exact
    for name, function in FUNCTIONS.items()
    for frame, data in (("xyxy", CORNERS), ("xywh", SIDED), ("cxcywh", SIDED))
)
